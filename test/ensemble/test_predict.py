"""The ensemble: each member counted once, whatever its head, and as much as time allows."""

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from clock import Clock
from test_stock import scan

from challenge.case import Case
from challenge.scheme import Head, labels_from, probability_of
from ensemble import predict as module
from ensemble.backends import BACKENDS
from ensemble.budget import Budget
from ensemble.engine import Engine
from ensemble.heads import to_head
from ensemble.loaded_networks import LoadedNetwork
from ensemble.manifest import Member, Model, verify_model
from ensemble.member_average import in_groups
from ensemble.predict import predict
from lab.__main__ import main as lab

CASE = scan((20, 18, 22), (1, 1, 1), 2)
LONG = scan((36, 20, 20), (1, 1, 1), 2)  # three tiles in a row; two, where they do not overlap
Network = Callable[[torch.Tensor], torch.Tensor]


def engine() -> Engine:
    return Engine(torch.device("cpu"), "torch")


def probabilities_of(case: Case, model: Model) -> np.ndarray:
    (prediction,) = predict(case, model, engine())
    return prediction.probabilities


def packed(tmp_path: Path, *sources: Path, flags: tuple[str, ...] = ()) -> Model:
    out = str(tmp_path / "weights")
    lab(["pack", *map(str, sources), "--model", "m", "--scheme", "brats-gli", "--out", out, *flags])
    return verify_model(tmp_path / "weights" / "m" / "MANIFEST.json")


def folds(tmp_path: Path, n: int, *flags: str) -> Model:
    source = tiny.train(tmp_path / "folds", tiny.plans(), tiny.dataset(), folds=range(n))
    return packed(tmp_path, source, flags=flags)


class Scripted(Engine):
    """An engine whose networks answer by a script and record each call."""

    def __init__(self, networks: list[Network], model: Model) -> None:
        super().__init__(torch.device("cpu"), "torch")
        names = [member.name for member in model.members]
        self.networks, self.calls = dict(zip(names, networks, strict=True)), []

    def _load(self, member: Member, tiles: int, flips: int) -> LoadedNetwork:
        def forward(tiles: torch.Tensor) -> torch.Tensor:
            self.calls.append(member.name)
            return self.networks[member.name](tiles)

        return LoadedNetwork(forward, BACKENDS["torch"])


def always(channel: int, sure: float = 20.0) -> Network:
    """Return a network that is certain of one of five channels."""

    def forward(tiles: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros((len(tiles), 5, *tiles.shape[2:]))
        logits[:, channel] = sure
        return logits

    return forward


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


def slow(clock: Clock, seconds: Callable[[], float], inner: Network) -> Network:
    def forward(tiles: torch.Tensor) -> torch.Tensor:
        clock.now += seconds() * len(tiles)
        return inner(tiles)

    return forward


def run_against_time(
    model: Model, limit_s: float, seconds: Callable[[], float]
) -> tuple[list[module.Prediction], Scripted, Clock]:
    clock = Clock(1000.0)
    networks = [slow(clock, seconds, always(3)) for _ in model.members]
    scripted = Scripted(networks, model)
    predictions = list(predict(LONG, model, scripted, Budget(limit_s, clock)))
    return predictions, scripted, clock


def test_with_time_enough_all_is_run_and_nothing_skipped(tmp_path: Path) -> None:
    model = folds(tmp_path, 3)
    (prediction,), scripted, _ = run_against_time(model, 1e6, lambda: 0.01)
    assert len(scripted.calls) == 3 * 3 * 8  # members, tiles, mirrorings
    assert (prediction.members_run, prediction.skipped, prediction.is_final) == (3, (), True)


def test_a_slow_device_loses_mirroring_first_then_overlap_then_members(tmp_path: Path) -> None:
    """In full 72 passes of a second; a tenth of the limit is reserved.

    The first tile takes 8 where 7 are at most a quarter of what is left after the first pass.
    """
    model = folds(tmp_path, 3)
    skipped = {}
    for limit_s in (45.0, 20.0, 12.0, 9.5, 6.5, 4.0):
        predictions, _, clock = run_against_time(model, limit_s, lambda: 1.0)
        assert clock.now - 1000 <= limit_s
        assert predictions[-1].is_final
        assert labels_from(predictions[-1].probabilities, model.head, model.scheme)[18, 10, 10] == 3
        skipped[limit_s] = predictions[-1].skipped
    all_mirroring = "mirroring along 3 of 3 axes"
    overlap = "overlap of tiles (step 1 instead of 0.5)"
    assert skipped == {
        45.0: ("mirroring along 1 of 3 axes",),  # 32 passes in the 32.5 s after the first tile
        20.0: ("mirroring along 2 of 3 axes",),  # 18 passes in 18 s, the measured one included
        12.0: (all_mirroring,),  # 9 in 10.8 s
        9.5: (all_mirroring, overlap),  # 6 in 8.55 s
        6.5: (all_mirroring, overlap, "1 of 3 members"),  # 4 in 5.85 s
        4.0: (all_mirroring, overlap, "2 of 3 members"),  # 2 in 3.6 s
    }


def test_a_pass_that_was_measured_is_not_run_again(tmp_path: Path) -> None:
    model = folds(tmp_path, 1)
    _, scripted, _ = run_against_time(model, 4.5, lambda: 1.0)
    assert len(scripted.calls) == 4  # three tiles, and time for one mirroring of the last


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


def test_an_early_answer_comes_before_the_rest(tmp_path: Path) -> None:
    model = folds(tmp_path, 3)
    predictions, *_ = run_against_time(model, 1e6, lambda: 3.0)
    assert [p.is_final for p in predictions] == [False, True]
    np.testing.assert_allclose(
        predictions[0].probabilities, predictions[1].probabilities, atol=1e-3
    )


def test_a_device_that_slows_midway_still_ends_in_time(tmp_path: Path) -> None:
    model = folds(tmp_path, 3)
    passes = itertools.count()
    predictions, _, clock = run_against_time(model, 15.0, lambda: 1.0 if next(passes) < 4 else 9.0)
    assert clock.now - 1000 <= 15 + 9  # a tile that has begun is finished
    assert (predictions[-1].members_run, predictions[-1].is_final) == (1, True)
    assert "2 of 3 members" in predictions[-1].skipped
    assert labels_from(predictions[-1].probabilities, model.head, model.scheme)[18, 10, 10] == 3


def test_another_network_that_saw_only_a_part_does_not_count_for_the_rest(tmp_path: Path) -> None:
    a = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset())
    b = tiny.train(tmp_path / "b", tiny.plans(spacing_mm=(0.9, 1, 1)), tiny.dataset())
    model, clock = packed(tmp_path, a, b), Clock()
    networks = [slow(clock, lambda: 1.0, always(3, 4.0)), slow(clock, lambda: 900.0, always(1))]
    scripted = Scripted(networks, model)
    prediction = list(predict(LONG, model, scripted, Budget(100.0, clock)))[-1]
    assert scripted.calls.count(model.members[1].name) == 1  # one tile, and time was over
    (single,) = predict(LONG, replace(model, members=model.members[:1]), scripted)
    np.testing.assert_array_equal(prediction.probabilities, single.probabilities)
    assert prediction.skipped == ("1 of 2 members",)


def test_a_limit_that_is_over_gives_background_and_runs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = folds(tmp_path, 2)
    clock = Clock(1000.0)
    budget = Budget(5.0, clock)
    clock.now += 6
    scripted = Scripted([always(3)] * 2, model)
    (prediction,) = predict(CASE, model, scripted, budget)
    assert (scripted.calls, prediction.members_run) == ([], 0)
    assert (prediction.probabilities[0] == 1).all()
    assert "deadline: skipped 2 of 2 members" in caplog.text


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
