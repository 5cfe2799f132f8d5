"""The ensemble: each member counted once, whatever its head, its weight and its order."""

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from small_models import CASE, Scripted, always, engine, folds, packed, probabilities_of

from challenge.scheme import Head, labels_from, probability_of
from ensemble.heads import to_head
from ensemble.manifest import verify_model
from ensemble.member_average import in_groups
from ensemble.predict import predict
from lab.__main__ import main as lab


def test_each_member_counts_exactly_once(tmp_path: Path) -> None:
    """A published winner added fold 1 four times and folds 2 to 4 never."""
    model = folds(tmp_path, 5)
    assert [m.checkpoint.parent.name for m in model.members] == [f"fold_{k}" for k in range(5)]
    scripted = Scripted([always(channel) for channel in range(5)], model)
    (prediction,) = predict(CASE, model, scripted)
    assert Counter(scripted.calls) == {
        member.name: 2 * 8 for member in model.members
    }  # tiles, flips
    middle = prediction.probabilities[:, 10, 9, 11]
    np.testing.assert_allclose(middle, 0.2, atol=1e-6)  # five logits of 20/5 are all alike


def test_folds_of_one_network_average_logits_and_networks_probabilities(tmp_path: Path) -> None:
    a = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset(), folds=(0, 1))
    b = tiny.train(tmp_path / "b", tiny.plans(spacing_mm=(1.4, 1.2, 1.2)), tiny.dataset())
    model = packed(tmp_path, a, b)
    assert [len(group) for group in in_groups(model.members)] == [2, 1]
    (prediction,) = predict(
        CASE, model, Scripted([always(1, 4.0), always(1, 0.0), always(2, 9.0)], model)
    )
    of_folds = math.exp(2) / (math.exp(2) + 4)  # the mean logit of 4 and 0
    of_other = 1 / (math.exp(9) + 4)
    expected = (2 * of_folds + of_other) / 3
    assert prediction.probabilities[1, 10, 9, 11] == pytest.approx(expected, abs=1e-4)


def test_weights_count_and_order_does_not(tmp_path: Path) -> None:
    a = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset(), folds=(0,))
    b = tiny.train(tmp_path / "b", tiny.plans(spacing_mm=(1.4, 1.2, 1.2)), tiny.dataset(), (7,))
    model = packed(tmp_path / "ab", a, b, flags=("--weight", "3", "1"))
    swapped = packed(tmp_path / "ba", b, a, flags=("--weight", "1", "3"))
    each_member = [tiny.predict_member(CASE, member, model, engine()) for member in model.members]
    mean = probabilities_of(CASE, model)
    np.testing.assert_allclose(mean, 0.75 * each_member[0] + 0.25 * each_member[1], atol=1e-6)
    np.testing.assert_allclose(probabilities_of(CASE, swapped), mean, atol=1e-6)
    assert np.abs(each_member[0] - each_member[1]).max() > 0.1


def test_each_member_votes_once_whatever_its_weight(tmp_path: Path) -> None:
    model = folds(tmp_path, 3)
    pairs = zip(model.members, (1.0, 2.0, 0.7), strict=True)
    model = replace(model, members=tuple(replace(m, weight=weight) for m, weight in pairs))
    # ET is channel 3; RC, which is no tumour, is channel 4
    scripted = Scripted([always(3), always(4), always(3)], model)
    (prediction,) = predict(CASE, model, scripted, count_votes=True)
    assert prediction.votes is not None
    assert prediction.votes.dtype == np.float32
    assert prediction.votes.shape == CASE.images["t1c"].shape
    assert prediction.votes[10, 9, 11] == np.float32(2 / 3)
    assert prediction.votes[0, 0, 0] == 0  # outside the head no member predicts anything
    (without,) = predict(CASE, model, scripted)
    assert without.votes is None
    np.testing.assert_array_equal(prediction.probabilities, without.probabilities)


def test_softmax_and_region_members_together(tmp_path: Path) -> None:
    a = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset())
    regions = tiny.dataset(tiny.REGIONS, order=tiny.REGION_ORDER)
    b = tiny.train(tmp_path / "b", tiny.plans(), regions, (3,))
    model = packed(tmp_path, a, b)
    assert model.head.kind == "regions"
    softmax, region = (
        tiny.predict_member(CASE, member, model, engine()) for member in model.members
    )
    wt = softmax[[1, 2, 3]].sum(0)
    np.testing.assert_allclose(probabilities_of(CASE, model)[0], (wt + region[0]) / 2, atol=1e-6)


def test_channels_follow_the_members_own_order(tmp_path: Path) -> None:
    plain = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset())
    turned = tiny.train(
        tmp_path / "b", tiny.plans(), tiny.dataset(channels=["t2f", "t1c", "t1n", "t2w"])
    )
    images = CASE.images
    renamed = {"t1n": "t2f", "t1c": "t1c", "t2w": "t1n", "t2f": "t2w"}
    case = type(CASE)("x", {new: images[old] for old, new in renamed.items()}, CASE.spacing_mm)
    one = probabilities_of(CASE, packed(tmp_path / "1", plain))
    np.testing.assert_array_equal(probabilities_of(case, packed(tmp_path / "2", turned)), one)


def test_members_whose_labels_do_not_match_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset())
    three = {"background": 0, "NETC": 1, "SNFH": 2, "ET": 3}
    b = tiny.train(tmp_path / "b", tiny.plans(), tiny.dataset(three))
    sources, out = [str(a), str(b)], str(tmp_path / "weights")
    assert lab(["pack", *sources, "--model", "m", "--scheme", "brats-gli", "--out", out]) == 2
    refused = f"{a}, {b}: member b-1/fold_0/checkpoint_final.pth: its labels cannot be averaged"
    assert capsys.readouterr().err.startswith(refused)
    assert not (tmp_path / "weights" / "m").exists()


def test_every_member_is_mirrored_along_the_axes_of_its_own_training(tmp_path: Path) -> None:
    sources = []
    for name, axes in (("a", (2,)), ("b", None), ("c", (0, 1, 2))):
        spacing_mm = (1, 1, 1 + len(sources) / 100)
        plans = tiny.plans(spacing_mm=spacing_mm)
        sources.append(tiny.train(tmp_path / name, plans, tiny.dataset(), mirror_axes=axes))
    model = packed(tmp_path, *sources)
    scripted = Scripted([always(3)] * 3, model)
    list(predict(CASE, model, scripted))
    passes = Counter(scripted.calls)
    assert [passes[member.name] for member in model.members] == [2 * 2, 2 * 1, 2 * 8]


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_a_model_that_was_packed_without_mirroring_stays_so(tmp_path: Path, schema: int) -> None:
    manifest = folds(tmp_path, 1).folder / "MANIFEST.json"
    content = json.loads(manifest.read_text())
    content |= {"schema": schema, "settings": {"mirroring": False, "step": 0.5}}
    manifest.write_text(json.dumps(content))
    model = verify_model(manifest)
    scripted = Scripted([always(3)], model)
    list(predict(CASE, model, scripted))
    assert len(scripted.calls) == 2  # tiles, though the checkpoint names three axes


def test_regions_cannot_become_labels_again() -> None:
    regions = Head("regions", (("NETC", "SNFH", "ET"),), ("SNFH",))
    softmax = Head("softmax", ((), ("NETC",)), ("", "NETC"))
    with pytest.raises(ValueError, match="cannot be brought to"):
        to_head(np.zeros((1, 2, 2, 2)), regions, softmax)


def test_a_sure_ensemble_is_surely_labelled(tmp_path: Path) -> None:
    model = packed(tmp_path, tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset()))
    probabilities = probabilities_of(CASE, model)
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-5)
    labels = labels_from(probabilities, model.head, model.scheme)
    outside = np.ones(labels.shape, bool)
    outside[2:-2, 2:-2, 2:-2] = False
    assert not labels[outside].any()
    assert (probability_of(probabilities, model.head, ("NETC",))[outside] == 0).all()
