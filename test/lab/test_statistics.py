"""Ranks, correlations, intervals and p-values, by hand and against scipy."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab import statistics as significance
from lab.statistics import (
    bootstrap_interval,
    differences,
    holm,
    mean_estimate,
    mean_over_cases,
    pearson_estimate,
    ranks,
    sign_flip_p,
    spearman_estimate,
    weighted_mean,
)

NAN, INF = math.nan, math.inf
SCIPY = {"average": "average", "dense": "dense", "competition": "min"}
FEW_VALUES = arrays(float, (4, 5), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0]))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("ties", "expected"),
    [("average", [2.5, 1, 2.5, 4]), ("dense", [2, 1, 2, 3]), ("competition", [2, 1, 2, 4])],
)
def test_equal_systems_share_a_rank_by_the_rule(ties, expected):
    assert ranks(np.array([0.8, 0.9, 0.8, 0.7]), ties).tolist() == expected


@given(FEW_VALUES, st.sampled_from(sorted(SCIPY)))
def test_ranks_are_those_of_scipy(values, ties):
    expected = scipy.stats.rankdata(-values, SCIPY[ties], axis=-1)
    assert np.array_equal(ranks(values, ties), expected)


def test_nan_is_behind_even_the_worst_number():
    assert ranks(np.array([NAN, -INF, NAN, 0.1])).tolist() == [3.5, 2, 3.5, 1]
    assert ranks(np.array([NAN, -INF, NAN, 0.1]), "dense").tolist() == [3, 2, 3, 1]
    assert ranks(np.array([NAN, NAN])).tolist() == [1.5, 1.5]


def test_differences_of_infinities_are_none_or_infinite():
    result = differences(np.array([INF, 1.0, INF, NAN, 2.0]), np.array([INF, INF, 1.0, 0.0, 5.0]))
    assert result[[0, 1, 2, 4]].tolist() == [0, INF, -INF, 3]
    assert np.isnan(result[3])


def test_means_leave_nan_out():
    values = np.array([[1.0, NAN, 4.0], [NAN, NAN, NAN]])
    assert mean_over_cases(values)[[0, 2]].tolist() == [1, 4]
    assert np.isnan(mean_over_cases(values)[1])
    # Weights 1 and 2 remain for 1 and 4.
    assert weighted_mean(values, np.array([1.0, 5.0, 2.0]))[0] == 3
    assert np.isnan(weighted_mean(values, np.ones(3))[1])


def test_sign_flips_by_hand():
    """Of the 8 sums +-1 +-2 +-3 only 6 and -6 are as far from 0 as 6; 4 of them as far as 4."""
    paired = np.array([[1.0, -1.0, 1.0], [2.0, 2.0, -1.0], [3.0, 3.0, 0.0]])
    assert sign_flip_p(paired, 8, rng()).tolist() == [2 / 8, 4 / 8, 1]


def test_cases_that_do_not_differ_change_no_p():
    paired = np.array([0.5, 0.2, 0.1, 0.3, 0.4, 0.0, 0.0, NAN])[:, None]
    assert sign_flip_p(paired, 32, rng())[0] == 2 / 32  # 5 cases differ, 2**5 patterns
    assert sign_flip_p(np.zeros((9, 1)), 100, rng())[0] == 1


def test_sampled_p_counts_the_observed_sum():
    """20 equal gains: no sample is as far but by chance of 2 in a million."""
    assert sign_flip_p(np.ones((20, 1)), 999, rng())[0] == 1 / 1000


def test_rows_without_finite_differences_have_no_p():
    paired = np.array([[NAN, INF, 1.0], [NAN, 1.0, 1.0]])
    assert np.isnan(sign_flip_p(paired, 10, rng())[:2]).all()
    assert sign_flip_p(paired, 10, rng())[2] == 0.5


def test_p_agrees_with_scipy():
    paired = rng(1).normal(0.4, 1, (9, 1))
    expected = scipy.stats.permutation_test(
        (paired[:, 0],), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p(paired, 2**9, rng())[0] == pytest.approx(expected.pvalue)


def test_sampled_p_agrees_with_the_exact_one():
    paired = rng(2).normal(0.4, 1, (14, 3))
    exact = sign_flip_p(paired, 2**14, rng())
    # 4 standard errors of a share of 10 000.
    assert sign_flip_p(paired, 10_000, rng()) == pytest.approx(exact, abs=0.02)


def test_p_keeps_its_level_when_nothing_differs():
    """Of tests of pure noise 5 % may reject at 0.05: here 400, four standard errors allowed."""
    p = sign_flip_p(rng(3).normal(size=(25, 400)), 999, rng())
    assert 0.05 - 0.044 < (p <= 0.05).mean() < 0.05 + 0.044


@given(arrays(float, (6, 2), elements=st.floats(-1, 1, width=16)))
def test_neither_system_comes_first(paired):
    """Minus the differences: the same p, and the interval with its ends exchanged."""
    assert np.array_equal(sign_flip_p(-paired, 20, rng()), sign_flip_p(paired, 20, rng()))
    there, back = (bootstrap_interval(sign * paired, 50, rng()) for sign in (1, -1))
    assert np.allclose(back, -there[::-1], atol=1e-12)


def test_blocks_change_nothing(monkeypatch):
    paired = rng(4).normal(0.3, 1, (13, 2))
    whole = sign_flip_p(paired, 2**13, rng())
    monkeypatch.setattr(significance, "BLOCK_CELLS", 100)
    assert np.array_equal(sign_flip_p(paired, 2**13, rng()), whole)
    assert bootstrap_interval(paired, 200, rng()).shape == (2, 2)


def test_the_interval_of_two_cases_is_known():
    """Two cases, 0 and 1: resampled means are 0, 1/2, 1 with shares 1/4, 1/2, 1/4."""
    paired = np.array([[0.0], [1.0]])
    assert bootstrap_interval(paired, 1000, rng())[:, 0].tolist() == [0, 1]
    assert bootstrap_interval(paired, 1000, rng(), confidence=0.4)[:, 0].tolist() == [0.5, 0.5]


def test_the_interval_agrees_with_scipy():
    paired = rng(5).normal(1, 2, (40, 1))
    expected = scipy.stats.bootstrap(
        (paired[:, 0],), np.mean, n_resamples=10_000, method="percentile", rng=rng(6)
    ).confidence_interval
    result = bootstrap_interval(paired, 10_000, rng())[:, 0]
    assert result == pytest.approx([expected.low, expected.high], abs=0.05)


def test_the_interval_is_of_the_cases_that_have_a_difference():
    paired = np.array([[2.0, 2.0, NAN, INF], [2.0, NAN, NAN, 1.0], [NAN, NAN, NAN, 1.0]])
    result = bootstrap_interval(paired, 100, rng())
    assert result[:, 0].tolist() == [2, 2]
    assert np.isnan(result[:, 1:]).all()


def test_holm_by_hand():
    """0.01 x 3, 0.03 x 2, and 0.04 x 1 held up by the one before it; NaN is no test."""
    assert holm(np.array([0.04, 0.01, NAN, 0.03])) == pytest.approx(
        [0.06, 0.03, NAN, 0.06], nan_ok=True
    )
    assert holm(np.array([0.6, 0.9])).tolist() == [1, 1]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=20))
def test_correlations_are_scipys(pairs):
    x, y = np.array(pairs, float).T
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert math.isnan(spearman_estimate(x, y).value)
        return
    assert spearman_estimate(x, y).value == pytest.approx(
        scipy.stats.spearmanr(x, y).statistic, abs=1e-9
    )
    assert pearson_estimate(x, y).value == pytest.approx(
        scipy.stats.pearsonr(x, y).statistic, abs=1e-9
    )


def test_an_interval_is_seeded_and_holds_the_mean():
    values = np.random.default_rng(0).normal(0.8, 0.1, 50)
    first = mean_estimate(values)
    assert first == mean_estimate(values)
    standard_error = values.std(ddof=1) / math.sqrt(50)
    assert first.low == pytest.approx(first.value - 1.96 * standard_error, abs=0.005)
    assert first.high == pytest.approx(first.value + 1.96 * standard_error, abs=0.005)
    few = mean_estimate(np.array([1.0, math.nan, 3.0]))
    assert (few.value, few.n, math.isnan(few.low)) == (2.0, 2, True)
