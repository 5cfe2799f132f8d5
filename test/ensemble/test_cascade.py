"""A cascade's second stage is run behind the stage whose labels it sees, and left out first."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cascades
import numpy as np
import pytest
import tiny
import torch
from clock import Clock
from small_models import LONG, Network, Scripted, always, engine, packed, slow

from challenge.scheme import labels_from
from ensemble.budget import Budget
from ensemble.cascade import in_run_order
from ensemble.manifest import Model, verify_model
from ensemble.members import ManifestError
from ensemble.predict import Prediction, predict

PLANS = cascades.plans((1.3, 1.3, 1.3), (1, 1, 1))


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Two folds of each stage; no mirroring, three tiles of the second stage, two of the first."""
    stages = cascades.train(tmp_path, PLANS, tiny.dataset(), mirror_axes=())
    return packed(tmp_path, *stages)


def labels_of(prediction: Prediction, model: Model) -> np.ndarray:
    return labels_from(prediction.probabilities, model.head, model.scheme)


def masks(tiles: torch.Tensor) -> torch.Tensor:
    """Answer with the labels of the previous stage, raised by one."""
    logits = torch.zeros((len(tiles), 5, *tiles.shape[2:]))
    logits[:, 1:] = 20.0 * tiles[:, 4:].roll(1, 1)
    logits[:, 0] = 5.0
    return logits


def test_the_second_stage_sees_one_mask_a_label_and_alone_is_the_answer(
    model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    scripted = Scripted([always(2), always(2), masks, masks], model)
    (prediction,) = predict(LONG, model, scripted, count_votes=True)
    inside = labels_of(prediction, model)[4:-4, 4:-4, 4:-4]
    assert (inside == 3).all()  # SNFH of the first stage; the second one answers ET
    assert (prediction.votes is not None) and (prediction.votes[10, 10, 10] == 1)
    order = [model.members[number].name for number in (0, 1, 2, 3)]
    assert list(dict.fromkeys(scripted.calls)) == order
    assert "members=2 of 2, labels go to nnUNetTrainer__nnUNetPlans__3d_casc" in caplog.text
    assert "not averaged" in caplog.text


def test_a_previous_stage_with_a_weight_is_averaged_too(tmp_path: Path) -> None:
    stages = cascades.train(tmp_path, PLANS, tiny.dataset(), mirror_axes=())
    model = packed(tmp_path, *stages, flags=("--weight", "3", "1"))
    scripted = Scripted([always(2), always(2), masks, masks], model)
    (prediction,) = predict(LONG, model, scripted)
    np.testing.assert_allclose(prediction.probabilities[2, 10, 10, 10], 0.75, atol=1e-4)
    np.testing.assert_allclose(prediction.probabilities[3, 10, 10, 10], 0.25, atol=1e-4)


def test_members_that_need_nothing_run_first_and_second_stages_last(model: Model) -> None:
    first, second = model.members[0], model.members[2]
    other = replace(first, group="other", name="other", feeds_only=False, weight=0.5)
    heavy = replace(second, weight=9.0)
    assert in_run_order([heavy, first, second, other]) == [other, first, heavy, second]


def test_masks_are_turned_with_the_image(tmp_path: Path) -> None:
    stages = cascades.train(tmp_path, PLANS, tiny.dataset(), folds=(0,), mirror_axes=())
    model = packed(tmp_path, *stages, flags=("--orientation", "RAS"))
    stored = replace(LONG, orientation="PSL")
    turned, turn = stored.oriented("RAS"), stored.turn_to("RAS")
    (there,), (here,) = (predict(case, model, engine()) for case in (turned, stored))
    assert turn is not None
    np.testing.assert_array_equal(here.probabilities, turn.back(there.probabilities))
    assert len(np.unique(labels_of(here, model))) > 2


def run(
    model: Model, limit_s: float, networks: list[Network]
) -> tuple[list[Prediction], Scripted, Clock]:
    clock = Clock(1000.0)
    scripted = Scripted([slow(clock, lambda: 1.0, each) for each in networks], model)
    return list(predict(LONG, model, scripted, Budget(limit_s, clock))), scripted, clock


@pytest.mark.parametrize(
    ("limit_s", "members", "skipped"),
    [
        (100.0, 4, ()),
        (8.5, 3, ("overlap of tiles (step 1 instead of 0.5)", "1 of 4 members")),
        (
            6.5,
            2,
            (
                "overlap of tiles (step 1 instead of 0.5)",
                "2 of 4 members",
                "every second stage of a cascade: its previous stage answers",
            ),
        ),
    ],
)
def test_a_short_limit_leaves_out_the_second_stage_first(
    model: Model, limit_s: float, members: int, skipped: tuple[str, ...]
) -> None:
    predictions, scripted, clock = run(model, limit_s, [always(2), always(2), masks, masks])
    assert clock.now - 1000 <= limit_s
    assert predictions[-1].skipped == skipped
    assert predictions[-1].members_run == members
    ran = set(scripted.calls)
    assert {m.name for m in model.members[:2]} <= ran  # all of the first stage
    assert labels_of(predictions[-1], model)[10, 10, 10] == (3 if members > 2 else 2)


def test_a_second_stage_that_saw_only_a_part_does_not_replace_the_first(model: Model) -> None:
    clock = Clock(1000.0)
    fast, late = (lambda: 1.0), (lambda: 50.0)
    networks = [slow(clock, s, n) for s, n in ((fast, always(2)),) * 2 + ((late, masks),) * 2]
    scripted = Scripted(networks, model)
    *_, prediction = predict(LONG, model, scripted, Budget(60.0, clock))
    assert scripted.calls.count(model.members[2].name) == 1
    assert labels_of(prediction, model)[10, 10, 10] == 2
    assert prediction.skipped[-1] == "every second stage of a cascade: its previous stage answers"


def change(model: Model, how: Callable[[list[dict]], object]) -> Path:
    path = model.folder / "MANIFEST.json"
    manifest = json.loads(path.read_text())
    how(manifest["members"])
    path.write_text(json.dumps(manifest))
    return path


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (lambda m: m[2].pop("previous_stage"), "a cascade's second stage; previous_stage '' is no"),
        (lambda m: m[2].update(previous_stage="x"), "previous_stage 'x' is no group of members of"),
        (lambda m: m[0].update(previous_stage="x"), "previous_stage, but its plans.json has none"),
        (lambda m: m[1].update(weight=2), "of several networks or weights"),
        (lambda m: m[2].update(previous_stage=m[3]["group"]), "is of 3d_cascade_fullres, not of"),
        (
            lambda m: m[3].update(feeds_only=True, group="x"),
            "feeds_only, but no member has previous",
        ),
    ],
)
def test_a_cascade_that_lacks_its_previous_stage_is_refused(
    model: Model, how: Callable[[list[dict]], object], message: str
) -> None:
    with pytest.raises(ManifestError, match=message):
        verify_model(change(model, how))


def test_such_a_model_has_a_schema_of_its_own(model: Model) -> None:
    manifest = json.loads((model.folder / "MANIFEST.json").read_text())
    assert manifest["schema"] == 8
    (model.folder / "MANIFEST.json").write_text(json.dumps(manifest | {"schema": 7}))
    with pytest.raises(ManifestError, match="cascades need schema 8"):
        verify_model(model.folder / "MANIFEST.json")
