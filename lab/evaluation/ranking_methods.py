"""Three ways to rank systems, each as what decides on any resample of the cases."""

from dataclasses import replace
from itertools import combinations

import numpy as np

from lab.evaluation.columns import Column
from lab.evaluation.comparison import Comparison
from lab.evaluation.pair import MEAN_RANK, MEAN_SCORE
from lab.evaluation.paired import paired_rows
from lab.evaluation.ranking_stability import Criterion, mean_of_ranks, resampled_means
from lab.evaluation.significance import minus_wins
from lab.evaluation.standings import (
    Rule,
    Standings,
    column_weights,
    higher_is_better,
    rank_values,
)

# Ways to rank, in the order in which they are shown: rank then aggregate, aggregate then rank,
# test then rank.
MEAN_OF_RANKS, POSITION_OF_MEANS, WINS = "mean rank", "position of means", "significant wins"


def criteria(
    comparison: Comparison, standings: Standings, rule: Rule, gains: np.ndarray
) -> dict[str, Criterion]:
    """Return every way to rank by its name; `gains` are those of `case_gains`."""
    return {
        MEAN_OF_RANKS: mean_of_ranks(standings.case_ranks),
        POSITION_OF_MEANS: mean_positions(comparison, rule),
        WINS: minus_wins(gains, len(comparison.systems)),
    }


def case_gains(comparison: Comparison, standings: Standings, rule: Rule) -> tuple[str, np.ndarray]:
    """Return what each case is tested by, and by how much the second of a pair is better in it.

    The mean score where there is one, else the mean rank; gains are (case, pair), NaN where not
    both systems have a number.
    """
    has_score = bool(higher_is_better(comparison))
    pairs = combinations(range(len(comparison.systems)), 2)
    first_rows = [paired_rows(comparison, standings, rule, pair)[:, 0] for pair in pairs]
    gains = np.column_stack(first_rows)
    return (MEAN_SCORE, gains) if has_score else (MEAN_RANK, -gains)


def mean_positions(comparison: Comparison, rule: Rule) -> Criterion:
    """Return what averages first and ranks then: the mean position of the columns' means."""
    columns = (*comparison.columns, *resampled_totals(comparison))
    weights_of_columns = column_weights(columns)
    squares = comparison.errors_mm3**2
    worst = replace(rule, nan="worst")

    def criterion(weights: np.ndarray) -> np.ndarray:
        means = resampled_means(comparison.values, weights)
        if len(columns) > len(comparison.columns):
            means = np.concatenate([means, np.sqrt(resampled_means(squares, weights))], axis=1)
        positions = rank_values(means, columns, worst, np.zeros(means.shape, bool))
        return np.einsum("rcs,c->rs", positions, weights_of_columns)

    return criterion


def resampled_totals(comparison: Comparison) -> tuple[Column, ...]:
    """Return the numbers of the whole cohort that can be had of a resample: all, or none."""
    return () if np.isnan(comparison.errors_mm3).any() else tuple(comparison.totals)
