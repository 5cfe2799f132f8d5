"""Pairwise tests: challengeR's own examples, and scipy's Wilcoxon test."""

from itertools import combinations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab.evaluation.ranking_stability import places_of
from lab.evaluation.significance import minus_wins, significance, wilcoxon_p


def pair_gains(values: np.ndarray) -> np.ndarray:
    """Return the gains (case, pair) of values (case, system)."""
    pairs = combinations(range(values.shape[1]), 2)
    return np.column_stack([values[:, b] - values[:, a] for a, b in pairs])


def scipy_p(gains: np.ndarray, alternative: str) -> float:
    result = scipy.stats.wilcoxon(
        gains, zero_method="wilcox", correction=True, alternative=alternative, method="asymptotic"
    )
    return float(result.pvalue)


# github.com/wiesenfa/challengeR, tests/testthat/test-testThenRank.R: every case of A1 is 0.2 and of
# A2 is 1.0 (or 0.6 and 0.8), larger is better; significantly beaten systems and the rank, ties
# "min", alpha 0.05, not adjusted. In the example of three a missing value is removed.
@pytest.mark.parametrize(
    ("cases", "wins", "places"), [(4, [0, 1], [2, 1]), (3, [0, 0], [1, 1]), (2, [0, 0], [1, 1])]
)
def test_challengers_examples(cases, wins, places) -> None:
    gains = pair_gains(np.tile([0.2, 1.0], (cases, 1)))
    tests = significance("mean score", gains, 2)
    assert tests.wins.tolist() == wins
    assert places_of(minus_wins(gains, 2)(np.ones((1, cases))))[0].tolist() == places


def test_a_missing_value_is_removed_as_in_challengers_example() -> None:
    values = np.array([[np.nan, 1.0], *[[0.2, 1.0]] * 3])
    assert significance("mean score", pair_gains(values), 2).wins.tolist() == [0, 0]


@given(arrays(float, 9, elements=st.sampled_from([-0.5, -0.25, 0.0, 0.25, 0.25, 0.75, 1.0])))
def test_p_is_that_of_scipy_with_ties_and_zeros(gains) -> None:
    first, second = wilcoxon_p(gains[:, None], np.ones((1, 9)))[:, 0, 0]
    if not gains.any():
        assert (first, second) == (1, 1)
        return
    assert first == pytest.approx(scipy_p(gains, "less"))
    assert second == pytest.approx(scipy_p(gains, "greater"))


@given(
    arrays(float, (8, 3), elements=st.sampled_from([-1.0, -0.3, 0.0, 0.3, 0.5, np.nan])),
    arrays(int, (5, 8), elements=st.integers(0, 7)),
)
def test_a_weight_is_that_many_cases(gains, indices) -> None:
    weights = np.stack([np.bincount(row, minlength=8) for row in indices]).astype(float)
    p = wilcoxon_p(gains, weights)
    for resample, row in enumerate(indices):
        expected = wilcoxon_p(gains[row], np.ones((1, 8)))[..., 0]
        assert p[..., resample] == pytest.approx(expected)


def test_holm_is_over_all_ordered_pairs() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal([0.0, 0.05, 0.3], 0.1, (30, 3))
    tests = significance("mean score", pair_gains(values), 3)
    assert tests.p[2, 0] == pytest.approx(scipy_p(values[:, 2] - values[:, 0], "greater"))
    ordered = np.sort(tests.p[~np.isnan(tests.p)])
    assert len(ordered) == 6
    # The smallest of six is taken times six, the next times five.
    adjusted = np.sort(tests.p_holm[~np.isnan(tests.p_holm)])
    assert adjusted[:2] == pytest.approx([ordered[0] * 6, max(ordered[0] * 6, ordered[1] * 5)])
    assert np.isnan(np.diag(tests.p)).all()
    assert tests.wins_holm[2] == 2


def test_wins_are_counted_system_by_system() -> None:
    """The third beats both others in all ten cases, the first two are equal."""
    values = np.tile([0.5, 0.5, 0.9], (10, 1))
    tests = significance("mean score", pair_gains(values), 3)
    assert tests.wins.tolist() == [0, 0, 2]
    assert places_of(minus_wins(pair_gains(values), 3)(np.ones((1, 10))))[0].tolist() == [2, 2, 1]
