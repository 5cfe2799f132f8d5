"""Resampled rankings: by hand, against scipy, and as the ranking of the resampled cases."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab.evaluation.columns import RequestedColumns
from lab.evaluation.comparison import Comparison, comparison_of
from lab.evaluation.ranking_methods import mean_positions
from lab.evaluation.ranking_stability import (
    Stability,
    kendall_tau_b,
    mean_of_ranks,
    places_of,
    resample_ranking,
    resampled_means,
)
from lab.evaluation.results import Results
from lab.evaluation.standings import Rule, stand

NAN, INF = math.nan, math.inf
PLACES = arrays(int, (3, 5), elements=st.integers(1, 5))


@given(PLACES, arrays(int, 5, elements=st.integers(1, 5)))
def test_tau_is_that_of_scipy(places, reference) -> None:
    expected = [scipy.stats.kendalltau(row, reference).statistic for row in places]
    assert kendall_tau_b(places, reference) == pytest.approx(expected, nan_ok=True)


@given(arrays(float, (4, 5), elements=st.sampled_from([0.5, 1.0, 1.5, 2.0])))
def test_equal_systems_share_the_best_place(criterion) -> None:
    assert np.array_equal(places_of(criterion), scipy.stats.rankdata(criterion, "min", axis=-1))


def test_two_cases_by_hand() -> None:
    """A wins one case, B the other: of four equally likely samples two tie, and each wins one."""
    ranks = np.array([[1.0, 2.0], [2.0, 1.0]])
    stability = resample_ranking("mean rank", mean_of_ranks(ranks), 2, 8000, 0)
    assert stability.full.tolist() == [1, 1]
    assert stability.first == pytest.approx([0.75, 0.75], abs=0.02)
    assert stability.frequency.sum(1) == pytest.approx([1, 1])
    assert stability.median.tolist() == [1, 1]


def test_text_of_the_places() -> None:
    places = np.array([[1, 2, 3]] * 90 + [[2, 1, 3]] * 10)
    stability = Stability("any", np.array([1, 2, 3]), places)
    assert stability.frequency.tolist() == [[0.9, 0.1, 0], [0.1, 0.9, 0], [0, 0, 1]]
    assert stability.first.tolist() == [0.9, 0.1, 0]
    assert stability.interval.tolist() == [[1, 1, 3], [2, 2, 3]]
    # One of three pairs is turned: (2 - 1) / 3.
    assert sorted(set(stability.tau.round(9))) == [pytest.approx(1 / 3), 1]


def test_a_system_that_always_leads_is_always_first() -> None:
    ranks = np.tile([1.0, 2.5, 2.5], (9, 1))
    stability = resample_ranking("mean rank", mean_of_ranks(ranks), 9, 50, 0)
    assert stability.first.tolist() == [1, 0, 0]
    assert stability.places[:, 1:].tolist() == [[2, 2]] * 50
    assert np.array_equal(stability.tau, np.ones(50))


@given(
    arrays(float, (5, 2, 3), elements=st.sampled_from([0.0, 0.5, 1.0, NAN, INF])),
    arrays(int, (4, 5), elements=st.integers(0, 4)),
)
def test_means_of_a_resample_are_those_of_its_cases(values, indices) -> None:
    weights = np.stack([np.bincount(row, minlength=5) for row in indices]).astype(float)
    result = resampled_means(values, weights)
    for row, means in zip(indices, result, strict=True):
        for column in range(2):
            for system in range(3):
                drawn_values = values[row, column, system]
                numbers = drawn_values[~np.isnan(drawn_values)]
                expected = numbers.mean() if numbers.size else NAN
                assert means[column, system] == pytest.approx(expected, nan_ok=True)


def test_each_resample_is_ranked_as_its_cases_would_be() -> None:
    """The position of means of drawn cases, also where a volume RMSE takes part."""
    rng = np.random.default_rng(2)
    comparison = panther(rng, 7)
    criterion = mean_positions(comparison, Rule())
    assert criterion(np.ones((1, 7)))[0] == pytest.approx(stand(comparison, Rule()).mean_position)
    drawn_cases = [0, 0, 3, 5, 5, 5, 6]
    weights = np.bincount(drawn_cases, minlength=7)[None].astype(float)
    squares = comparison.errors_mm3[drawn_cases, 0] ** 2
    resampled = replace(
        comparison,
        values=comparison.values[drawn_cases],
        both_absent=comparison.both_absent[drawn_cases],
        totals={column: np.sqrt(squares.mean(0)) for column in comparison.totals},
    )
    assert criterion(weights)[0] == pytest.approx(stand(resampled, Rule()).mean_position)


def panther(rng: np.random.Generator, cases: int) -> Comparison:
    """Three systems with Dice, a distance, and volumes whose RMSE is one more position."""
    results = []
    for _ in range(3):
        rows = {
            f"c{i}": {
                "tumour": {
                    "dice": float(rng.random()),
                    "hd95": float(rng.random()),
                    "volume_prediction_mm3": float(rng.integers(100)),
                    "volume_reference_mm3": 50.0,
                }
            }
            for i in range(cases)
        }
        errors = [row["tumour"]["volume_prediction_mm3"] - 50 for row in rows.values()]
        rmse = {"value": float(np.sqrt(np.mean(np.square(errors)))), "n": cases}
        results.append(Results("panther", rows, extra={"tumour": {"volume_rmse_mm3": rmse}}))
    return comparison_of({name: Path(name) for name in "abc"}, results, RequestedColumns())


def test_the_same_seed_draws_the_same_samples() -> None:
    ranks = np.random.default_rng(0).permuted(np.tile([1.0, 2.0, 3.0], (12, 1)), axis=1)
    one, other, third = (
        resample_ranking("mean rank", mean_of_ranks(ranks), 12, 60, seed) for seed in (4, 4, 5)
    )
    assert np.array_equal(one.places, other.places)
    assert not np.array_equal(one.places, third.places)
