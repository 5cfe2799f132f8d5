"""A gain passes the gate if it is more than chance and more than nothing; else it says why not."""

import numpy as np
import pytest

from lab.evaluation.pair import Sampling
from lab.gate import FLIPS, RESAMPLES, Gain, Gate, measure_gain
from lab.statistics import bootstrap_interval, sign_flip_p

GATE = Gate(least_gain=0.002, unit="Dice")


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_clear_gain_passes() -> None:
    gain = measure_gain(np.linspace(0.01, 0.03, 12), rng())
    assert gain.mean == pytest.approx(0.02)
    assert gain.p == 2 / 2**12  # of all sign patterns only the one and its opposite are as far
    assert 0.01 < gain.low < 0.02 < gain.high < 0.03
    assert gain.cases == 12
    assert GATE.failures(gain) == ()


def test_a_gain_below_what_counts_is_none_however_sure_it_is() -> None:
    gain = measure_gain(np.full(40, 0.0003), rng())
    assert gain.low > 0 and gain.p < 0.001
    assert GATE.failures(gain) == ("gain +0.0003 Dice is below 0.002",)
    assert Gate(least_gain=0.0001).failures(gain) == ()


@pytest.mark.parametrize(("largest_p", "fewest"), [(0.05, 6), (0.05 / 2, 7), (0.05 / 3, 7)])
def test_so_many_cases_as_the_smallest_p_needs(largest_p: float, fewest: int) -> None:
    """All cases better: p is 2 of 2^n sign patterns, and below that number nothing can pass."""
    gate = Gate(0.002, largest_p=largest_p)
    assert gate.fewest_cases == fewest
    enough, too_few = (measure_gain(np.full(n, 0.1), rng()) for n in (fewest, fewest - 1))
    assert gate.failures(enough) == ()
    assert gate.failures(too_few)[0].startswith(f"{fewest - 1} cases are too few")
    assert too_few.p >= largest_p > enough.p


def test_four_cases_never_pass() -> None:
    failures = GATE.failures(measure_gain(np.full(4, 1.0), rng()))
    assert failures == (
        "4 cases are too few, p below 0.05 needs at least 6",
        "p = 0.125 is not below 0.05",
    )


def test_each_condition_is_said() -> None:
    assert GATE.failures(Gain(0.01, -0.001, 0.02, 0.2, 60)) == (
        "interval -0.0010 to +0.0200 is not above zero",
        "p = 0.2 is not below 0.05",
    )


def test_of_a_loss_nothing_else_is_said() -> None:
    for gain in (Gain(-0.01, -0.02, -0.001, 0.01, 60), Gain(-0.01, -0.02, 0.01, 0.5, 3)):
        assert GATE.failures(gain) == ("gain -0.0100 Dice is not above zero",)
    nothing = measure_gain(np.zeros(60), rng())
    assert GATE.failures(nothing) == ("gain +0.0000 Dice is not above zero",)


def test_no_case_and_one_case_fail() -> None:
    no_case = measure_gain(np.array([]), rng())
    assert GATE.failures(no_case) == ("no case has a number in both",)
    assert GATE.failures(measure_gain(np.array([0.5]), rng()))[0].startswith("1 case is too few")


def test_the_interval_is_that_of_rank_and_report_with_as_many_draws() -> None:
    """With theirs, twice as many, its ends move by a few hundredths of its width."""
    gains = np.random.default_rng(3).normal(0.01, 0.05, 60)
    gain = measure_gain(gains, rng())
    assert [gain.low, gain.high] == bootstrap_interval(gains[:, None], RESAMPLES, rng())[
        :, 0
    ].tolist()
    assert gain.p == pytest.approx(sign_flip_p(gains[:, None], FLIPS, rng())[0], abs=0.02)
    reported = bootstrap_interval(gains[:, None], Sampling().resamples, rng())[:, 0]
    assert np.abs(reported - [gain.low, gain.high]).max() < 0.03 * (gain.high - gain.low)
