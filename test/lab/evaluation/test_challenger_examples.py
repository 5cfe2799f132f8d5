"""The two extreme challenges of challengeR's README, whose stability is known beforehand.

`c_ideal`: every case ranks five algorithms alike. `c_worstcase`: the cases are all 120 orders of
five values, so that no algorithm is better than another (Wiesenfarth et al. 2021).
"""

from itertools import combinations, permutations

import numpy as np
import pytest

from lab.evaluation.ranking_stability import (
    Stability,
    mean_of_ranks,
    resample_ranking,
    resampled_means,
)
from lab.evaluation.significance import minus_wins, significance
from lab.evaluation.tiers import find_tiers
from lab.statistics import ranks

ALGORITHMS = 5


@pytest.fixture(scope="module")
def ideal() -> np.ndarray:
    """Values (case, algorithm) from bands that do not overlap."""
    low = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    return np.random.default_rng(4).uniform(low, low + 0.09, (50, ALGORITHMS))


@pytest.fixture(scope="module")
def worst_case() -> np.ndarray:
    return np.array(list(permutations(np.linspace(0.8, 1, ALGORITHMS))))


def gains_of(values: np.ndarray) -> np.ndarray:
    pairs = combinations(range(ALGORITHMS), 2)
    return np.column_stack([values[:, b] - values[:, a] for a, b in pairs])


def stabilities(values: np.ndarray) -> list[Stability]:
    """Rank by each of the three methods, in 400 samples."""
    criteria = (
        mean_of_ranks(ranks(values)),
        lambda weights: -resampled_means(values[:, None], weights)[:, 0],
        minus_wins(gains_of(values), ALGORITHMS),
    )
    return [resample_ranking("any", each, len(values), 400, 1) for each in criteria]


def test_the_ideal_challenge_has_one_ranking_in_every_sample(ideal) -> None:
    for stability in stabilities(ideal):
        assert stability.full.tolist() == [1, 2, 3, 4, 5]
        assert np.array_equal(stability.frequency, np.eye(ALGORITHMS))
        assert np.array_equal(stability.tau, np.ones(400))


def test_in_the_ideal_challenge_each_beats_all_behind_it(ideal) -> None:
    tests = significance("value", gains_of(ideal), ALGORITHMS)
    assert tests.wins.tolist() == tests.wins_holm.tolist() == [4, 3, 2, 1, 0]
    assert find_tiers(ranks(ideal), 2000, 0).tier.tolist() == [1, 2, 3, 4, 5]


def test_in_the_worst_case_all_are_equal_and_any_may_be_first(worst_case) -> None:
    by_rank, by_mean, by_wins = stabilities(worst_case)
    for stability in (by_rank, by_mean, by_wins):
        assert stability.full.tolist() == [1] * ALGORITHMS
        assert np.isnan(stability.tau).all()  # a ranking of one place has no order to agree with
    assert by_rank.first == pytest.approx(np.full(ALGORITHMS, 0.2), abs=0.08)
    assert by_rank.interval.tolist() == [[1] * ALGORITHMS, [5] * ALGORITHMS]
    tests = significance("value", gains_of(worst_case), ALGORITHMS)
    assert tests.wins.tolist() == [0] * ALGORITHMS
    assert find_tiers(ranks(worst_case), 2000, 0).tier.tolist() == [1] * ALGORITHMS
