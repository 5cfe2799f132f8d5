"""As much of an ensemble runs as its time limit allows, and what is skipped is reported."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from clock import Clock
from small_models import CASE, LONG, Scripted, always, folds, packed, slow

from challenge.scheme import labels_from
from ensemble import predict as module
from ensemble.budget import Budget
from ensemble.manifest import Model
from ensemble.predict import predict


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
