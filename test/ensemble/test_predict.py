"""The average over members: each counted once, with its weight, whatever its head."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from test_stock import scan

from challenge.scheme import Head, labels_from, probability_of
from ensemble import predict as module
from ensemble.manifest import ManifestError, Model, verify_model
from ensemble.predict import predict, predict_member, to_head
from lab.__main__ import main as lab

CPU = torch.device("cpu")
CASE = scan((20, 18, 22), (1, 1, 1), 2)


def packed(tmp_path: Path, *sources: Path, weights: tuple[str, ...] = ()) -> Model:
    flags = ["--weight", *weights] if weights else []
    out = str(tmp_path / "weights")
    lab(["pack", *map(str, sources), "--model", "m", "--scheme", "brats-gli", "--out", out, *flags])
    return verify_model(tmp_path / "weights" / "m" / "MANIFEST.json")


def test_each_member_counts_exactly_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A published winner added fold 1 four times and folds 2 to 4 never."""
    source = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset(), folds=(0, 1, 2, 3, 4))
    model = packed(tmp_path, source)
    assert [m.checkpoint.parent.name for m in model.members] == [f"fold_{k}" for k in range(5)]
    # each member answers with a one in a channel of its own
    answers = dict(zip([m.name for m in model.members], np.eye(5, dtype=np.float32), strict=True))
    calls = []

    def answer(case: object, member: object, *_: object) -> np.ndarray:
        calls.append(member.name)
        return np.broadcast_to(answers[member.name].reshape(5, 1, 1, 1), (5, 2, 2, 2)).copy()

    monkeypatch.setattr(module, "predict_member", answer)
    mean = predict(CASE, model, CPU).probabilities
    assert sorted(calls) == sorted(answers)
    np.testing.assert_allclose(mean, 0.2, atol=1e-7)


def test_weights_count_and_order_does_not(tmp_path: Path) -> None:
    a = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset(), folds=(0,))
    b = tiny.train(tmp_path / "b", tiny.plans(spacing_mm=(1.4, 1.2, 1.2)), tiny.dataset(), (7,))
    model = packed(tmp_path / "ab", a, b, weights=("3", "1"))
    swapped = packed(tmp_path / "ba", b, a, weights=("1", "3"))
    alone = [predict_member(CASE, member, model, CPU) for member in model.members]
    mean = predict(CASE, model, CPU).probabilities
    np.testing.assert_allclose(mean, 0.75 * alone[0] + 0.25 * alone[1], atol=1e-6)
    np.testing.assert_allclose(predict(CASE, swapped, CPU).probabilities, mean, atol=1e-6)
    assert np.abs(alone[0] - alone[1]).max() > 0.1


def test_each_member_votes_once_whatever_its_weight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset(), folds=(0, 1, 2))
    model = packed(tmp_path, source)
    weights = dict(zip([m.name for m in model.members], (1.0, 2.0, 0.7), strict=True))
    members = tuple(replace(m, weight=weights[m.name]) for m in model.members)
    model = replace(model, members=members)
    # voxel -> the channel that each member is sure of: ET is 3, RC, which is no tumour, is 4
    answers = dict(zip(weights, ((3, 3, 3, 0), (3, 0, 1, 4), (3, 0, 2, 3)), strict=True))

    def answer(case: object, member: object, *_: object) -> np.ndarray:
        chosen = np.eye(5, dtype=np.float32)[list(answers[member.name])]
        return np.ascontiguousarray(chosen.T).reshape(5, 1, 2, 2)

    monkeypatch.setattr(module, "predict_member", answer)
    without, told = predict(CASE, model, CPU), predict(CASE, model, CPU, count_votes=True)
    assert without.votes is None
    np.testing.assert_array_equal(told.probabilities, without.probabilities)
    assert told.votes is not None
    assert told.votes.dtype == np.float32
    assert told.votes.shape == (1, 2, 2)
    np.testing.assert_allclose(told.votes.ravel(), [1, 1 / 3, 1, 1 / 3], rtol=1e-6)
    assert told.votes[0, 0, 0] == 1  # exactly


def test_softmax_and_region_members_together(tmp_path: Path) -> None:
    a = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset())
    regions = tiny.dataset(tiny.REGIONS, order=tiny.REGION_ORDER)
    b = tiny.train(tmp_path / "b", tiny.plans(), regions, (3,))
    model = packed(tmp_path, a, b)
    assert model.head.kind == "regions"
    softmax, region = (predict_member(CASE, member, model, CPU) for member in model.members)
    wt = softmax[[1, 2, 3]].sum(0)
    np.testing.assert_allclose(
        predict(CASE, model, CPU).probabilities[0], (wt + region[0]) / 2, atol=1e-6
    )


def test_channels_follow_the_members_own_order(tmp_path: Path) -> None:
    plain = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset())
    turned = tiny.train(
        tmp_path / "b", tiny.plans(), tiny.dataset(channels=["t2f", "t1c", "t1n", "t2w"])
    )
    images = CASE.images
    renamed = {"t1n": "t2f", "t1c": "t1c", "t2w": "t1n", "t2f": "t2w"}
    case = type(CASE)("x", {new: images[old] for old, new in renamed.items()}, CASE.spacing_mm)
    one = predict(CASE, packed(tmp_path / "1", plain), CPU).probabilities
    np.testing.assert_array_equal(
        predict(case, packed(tmp_path / "2", turned), CPU).probabilities, one
    )


def test_members_whose_labels_do_not_match_are_refused(tmp_path: Path) -> None:
    a = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset())
    three = {"background": 0, "NETC": 1, "SNFH": 2, "ET": 3}
    b = tiny.train(tmp_path / "b", tiny.plans(), tiny.dataset(three))
    with pytest.raises(ManifestError, match="cannot be averaged"):
        packed(tmp_path, a, b)
    assert not (tmp_path / "weights" / "m").exists()


def test_out_of_gpu_memory_goes_on_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = packed(tmp_path, tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset()))
    expected = predict(CASE, model, CPU).probabilities
    real, calls = module.predict_logits, []

    def once_full(*window: object) -> np.ndarray:
        calls.append(window)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(*window)

    monkeypatch.setattr(module, "predict_logits", once_full)
    np.testing.assert_array_equal(predict(CASE, model, CPU).probabilities, expected)
    assert "going on on the CPU" in caplog.text


def test_regions_cannot_become_labels_again() -> None:
    regions = Head("regions", (("NETC", "SNFH", "ET"),), ("SNFH",))
    softmax = Head("softmax", ((), ("NETC",)), ("", "NETC"))
    with pytest.raises(ValueError, match="cannot be brought to"):
        to_head(np.zeros((1, 2, 2, 2)), regions, softmax)


def test_a_sure_ensemble_is_surely_labelled(tmp_path: Path) -> None:
    model = packed(tmp_path, tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset()))
    probabilities = predict(CASE, model, CPU).probabilities
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-5)
    labels = labels_from(probabilities, model.head, model.scheme)
    outside = np.ones(labels.shape, bool)
    outside[2:-2, 2:-2, 2:-2] = False
    assert not labels[outside].any()
    assert (probability_of(probabilities, model.head, ("NETC",))[outside] == 0).all()
