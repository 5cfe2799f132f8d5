"""Cases of which the ensemble predicts little are answered by other weights of the manifest."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from clock import Clock

from challenge.case import Case
from challenge.scheme import SCHEMES, labels_from
from ensemble.backends import BACKENDS
from ensemble.budget import Budget
from ensemble.engine import Engine
from ensemble.loaded_networks import LoadedNetwork
from ensemble.manifest import ManifestError, Model, verify_model
from ensemble.members import Member
from ensemble.predict import Prediction, predict
from ensemble.small_cases import SmallCases
from lab.__main__ import main as lab

SCHEME = SCHEMES["panther-t1"]
LABELS = {"background": 0, "tumour": 1, "pancreas": 2}
BACKGROUND, TUMOUR, PANCREAS = range(3)
BRIGHT = 2.0
LIMIT_ML = 0.1  # a cube of four voxels a side has 0.064 mL, one of five 0.125 mL
PLAIN = {"normalization_schemes": ["NoNormalization"], "use_mask_for_norm": [False]}


def case_of(side: int) -> Case:
    """Return a case with one bright cube."""
    image = np.zeros((16, 16, 16), np.float32)
    image[4 : 4 + side, 4 : 4 + side, 4 : 4 + side] = BRIGHT
    return Case("x", {"t1": image}, (1.0, 1.0, 1.0))


def cube(side: int, label: int) -> np.ndarray:
    return np.where(case_of(side).images["t1"] > 1, label, 0).astype(np.uint8)


def packed(folder: Path) -> Path:
    """Pack two networks, whose weights are usual and small ones."""
    dataset = tiny.dataset(LABELS, ["MRI"])
    homes = []
    for i, name in enumerate(("usual", "small")):
        plans = tiny.plans(channels=1, **PLAIN)
        homes.append(str(tiny.train(folder / name, plans, dataset, seed=i, mirror_axes=None)))
    words = ["pack", *homes, "--model", "m", "--scheme", "panther-t1", "--weight", "0.99", "0.01"]
    assert lab([*words, "--out", str(folder / "weights")]) == 0
    return folder / "weights" / "m"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = packed(tmp_path_factory.mktemp("small"))
    change(folder, {})
    return folder


def change(folder: Path, changes: dict[str, Any], *members: dict[str, Any]) -> Path:
    """Write weights of small cases into a manifest, with changes; a change to None removes."""
    path = folder / "MANIFEST.json"
    content = json.loads(path.read_text())
    content |= {"schema": 6, "small_cases": {"region": "tumour", "below_ml": LIMIT_ML}} | changes
    for entry, weight in zip(content["members"], (0, 1), strict=True):
        entry["small_weight"] = weight
    for entry, changed in zip(content["members"], members, strict=False):
        entry |= changed
    for each in (content, *content["members"]):
        for key in [key for key, value in each.items() if value is None]:
            del each[key]
    path.write_text(json.dumps(content))
    return path


class Scripted(Engine):
    """The usual member sees tumour in bright voxels, the other one pancreas."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"), "torch")

    def _load(self, member: Member, tiles: int, flips: int) -> LoadedNetwork:
        name = member.checkpoint.parents[1].name
        label = TUMOUR if name == "usual" else PANCREAS
        return LoadedNetwork(bright(label), BACKENDS["torch"])


def bright(label: int) -> Callable[[torch.Tensor], torch.Tensor]:
    def forward(tiles: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros((len(tiles), 3, *tiles.shape[2:]))
        logits[:, BACKGROUND] = torch.where(tiles[:, 0] > BRIGHT / 2, -9.0, 9.0)
        logits[:, label] = -logits[:, BACKGROUND]
        return logits

    return forward


def run(model: Model, side: int, **more: Any) -> tuple[Prediction, np.ndarray]:
    *_, prediction = predict(case_of(side), model, Scripted(), **more)
    return prediction, labels_from(prediction.probabilities, model.head, SCHEME)


def test_a_small_case_is_answered_by_its_weights_and_a_large_one_by_the_usual_ones(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    model = verify_model(folder / "MANIFEST.json")
    assert model.small_cases == SmallCases("tumour", LIMIT_ML)
    large, labels = run(model, side=5)
    np.testing.assert_array_equal(labels, cube(5, TUMOUR))
    small, labels = run(model, side=4)
    np.testing.assert_array_equal(labels, cube(4, PANCREAS))
    content = {"region": "tumour", "below_ml": LIMIT_ML}
    assert large.small_case == content | {"volume_ml": 0.125, "is_small": False}
    assert small.record()["small_case"] == content | {"volume_ml": 0.064, "is_small": True}
    assert "case=x tumour 0.06 mL, limit 0.1 mL: weights of small cases" in caplog.text
    assert "case=x tumour 0.12 mL, limit 0.1 mL: the usual weights" in caplog.text
    assert (large.members_run, small.members_run, small.skipped) == (2, 2, ())


def test_the_volume_is_in_millilitres_and_the_limit_itself_is_not_small() -> None:
    labels = cube(4, TUMOUR)  # 64 voxels
    for spacing_mm, volume_ml, is_small in (
        ((1.0, 1.0, 1.0), 0.064, True),
        ((5.0, 2.0, 0.5), 0.32, False),
        ((2.5, 1.0, 2.0), 0.32, False),
    ):
        outcome = SmallCases("tumour", 0.32).outcome(labels, spacing_mm, SCHEME)
        assert outcome.volume_ml == pytest.approx(volume_ml)
        assert outcome.is_small is is_small
    whole = SmallCases("pancreas", 1.0).outcome(labels, (1, 1, 1), SCHEME)
    assert whole.volume_ml == 0.064  # a tumour is part of the region


def test_where_time_leaves_out_every_member_of_small_cases_the_usual_weights_count(
    folder: Path,
) -> None:
    model, clock = verify_model(folder / "MANIFEST.json"), Clock()

    class Slow(Scripted):
        def _load(self, member: Member, tiles: int, flips: int) -> LoadedNetwork:
            clock.now += 60
            return super()._load(member, tiles, flips)

    *_, prediction = predict(case_of(4), model, Slow(), budget=Budget(50.0, clock))
    labels = labels_from(prediction.probabilities, model.head, SCHEME)
    np.testing.assert_array_equal(labels, cube(4, TUMOUR))
    assert prediction.members_run == 1
    assert "every member with a weight for small cases: usual weights count there" in (
        prediction.skipped
    )


@pytest.mark.parametrize(
    ("changes", "member", "message"),
    [
        ({"schema": 5}, {}, "weights of small cases need schema 6"),
        ({"small_cases": None}, {}, "the manifest has no small_cases"),
        ({"small_cases": {"region": "liver", "below_ml": 1}}, {}, "of 'liver': panther-t1 has"),
        ({"small_cases": {"region": "tumour"}}, {}, "is not a region and below_ml"),
        ({"small_cases": {"region": "tumour", "below_ml": 0}}, {}, "below_ml 0 is no volume"),
        ({"small_cases": {"region": "tumour", "below_ml": True}}, {}, "below_ml True is no volume"),
        ({}, {"small_weight": None}, "it has none, and the manifest has small_cases"),
        ({}, {"small_weight": -1}, "small_weight -1 of"),
        ({}, {"small_weight": "1"}, "small_weight '1' of"),
        ({}, {"weight": {"background": 1, "tumour": 1, "pancreas": 1}}, "weights by channel"),
    ],
)
def test_weights_of_small_cases_that_make_no_sense_are_refused(
    folder: Path, tmp_path: Path, changes: dict, member: dict, message: str
) -> None:
    shutil.copytree(folder, tmp_path / "m")
    with pytest.raises(ManifestError, match=message):
        verify_model(change(tmp_path / "m", changes, member))


def test_all_weights_of_small_cases_may_not_be_zero(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "m")
    zero = {"small_weight": 0}
    with pytest.raises(ManifestError, match="no member has a small_weight above 0"):
        verify_model(change(tmp_path / "m", {}, zero, zero))
