"""A gain between two ensembles: on common support, case by case, and large enough to count."""

import numpy as np
import pytest

from lab.member_selection.gains import CASE_GAINS, held_out_gain, overlap_gains, rank_gains
from lab.metrics.objective import OBJECTIVES

NAN = np.nan
# The numbers that PANTHER ranks by, of a case.
PANTHER = (
    ("tumour", "dice"),
    ("tumour", "hd95"),
    ("tumour", "volume_error_mm3"),
)
BRATS = (("WT", "dice"), ("WT", "nsd_1.0"), ("ET", "dice"))


def twelve(*rows: tuple[float, ...]) -> np.ndarray:
    """Repeat rows up to twelve cases."""
    return np.resize(np.array(rows), (12, len(rows[0])))


def test_every_objective_compares_two_systems_case_by_case() -> None:
    assert list(CASE_GAINS) == list(OBJECTIVES)


def test_overlaps_count_region_by_region_where_both_have_a_number() -> None:
    first = np.array([[0.5, 0.5, 0.4], [0.5, NAN, 0.4], [0.5, 0.5, NAN], [NAN, NAN, NAN]])
    second = np.array([[0.7, 0.6, 0.4], [0.9, 0.1, 0.4], [0.7, 0.5, 0.0], [1.0, 1.0, 1.0]])
    # WT's two numbers weigh half each: (0.1 + 0.05 + 0) / 2, (0.2 + 0) / 1.5, (0.1 + 0) / 1
    gains = overlap_gains(first, second, BRATS)
    np.testing.assert_allclose(gains, [0.075, 0.4 / 3, 0.1, NAN])
    gain = held_out_gain(first, second, BRATS, "overlap")
    assert gain.total.cases == 3
    assert gain.left_out == 5
    by_metric = {(m.region, m.metric): m.gain for m in gain.metrics}
    assert by_metric["WT", "dice"] == pytest.approx(0.8 / 3)
    assert by_metric["WT", "nsd_1.0"] == pytest.approx(0.05)
    assert by_metric["ET", "dice"] == pytest.approx(0.0)


def test_ranks_are_between_the_two_and_volume_errors_count_by_their_size() -> None:
    first = np.array([[0.5, 9.0, -30.0], [0.5, 9.0, 30.0], [0.5, NAN, 30.0]])
    second = np.array([[0.6, 8.0, 20.0], [0.5, 9.5, -40.0], [0.4, 2.0, 30.0]])
    np.testing.assert_allclose(rank_gains(first, second, PANTHER), [1.0, -2 / 3, -0.5])


def test_a_gain_in_ranks_of_no_size_is_none() -> None:
    """Networks of a few steps: Dice 0.0010 against 0.0013 in every case, which is rank 1 of 2."""
    first, second = twelve((0.0010, 90.0, 4000.0)), twelve((0.0013, 89.98, 3995.0))
    gain = held_out_gain(first, second, PANTHER, "rank")
    assert (gain.total.mean, gain.total.low, gain.total.p) == (1.0, 1.0, 2 / 2**12)
    assert gain.failures == (
        "no metric is better by what counts: at best tumour volume RMSE better by 5 mm3, "
        "10 mm3 counts",
    )


def test_more_metrics_better_than_worse_by_what_counts() -> None:
    first = twelve((0.50, 9.0, 4000.0))
    better, even = twelve((0.51, 8.0, 4100.0)), twelve((0.51, 8.95, 4100.0))
    assert held_out_gain(first, better, PANTHER, "rank").failures == ()
    assert held_out_gain(first, even, PANTHER, "rank").failures == (
        "by what counts 1 of 3 metrics are better and 1 worse",
    )


def test_an_overlap_gain_below_what_counts_is_named_by_its_metric() -> None:
    dice = (("WT", "dice"),)
    first, second = twelve((0.8,)), twelve((0.8003,))
    assert held_out_gain(first, second, dice, "overlap").failures == (
        "gain +0.0003 Dice is below 0.002",
    )
    assert held_out_gain(first, twelve((0.803,)), dice, "overlap").failures == ()


def test_of_more_strategies_each_needs_a_smaller_p() -> None:
    """Six cases, all better: p is 2 of 64 sign patterns, enough for one strategy, not for three."""
    first, second = np.full((6, 1), 0.5), np.full((6, 1), 0.6)
    dice = (("WT", "dice"),)
    assert held_out_gain(first, second, dice, "overlap").failures == ()
    failures = held_out_gain(first, second, dice, "overlap", comparisons=3).failures
    assert failures == (
        "6 cases are too few, p below 0.0167 needs at least 7",
        "p = 0.0312 is not below 0.0167",
    )


def test_no_common_number_passes_nothing() -> None:
    first, second = np.full((8, 1), NAN), np.full((8, 1), 1.0)
    gain = held_out_gain(first, second, (("WT", "dice"),), "overlap")
    assert (gain.total.cases, gain.left_out) == (0, 8)
    assert gain.failures == ("no case has a number in both",)


def test_an_infinite_distance_counts_as_worse() -> None:
    first, second = twelve((np.inf, 0.5)), twelve((np.inf, 0.5), (3.0, 0.5))
    gain = held_out_gain(first, second, (("WT", "hd95"), ("WT", "dice")), "rank")
    assert gain.total.mean == pytest.approx(0.25)
    assert gain.metrics[1].gain == 0.0
