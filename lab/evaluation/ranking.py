"""Everything that `python -m lab rank` finds out about a comparison of systems."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from lab.evaluation.columns import Column
from lab.evaluation.comparison import Comparison
from lab.evaluation.pair import MEAN_RANK, MEAN_SCORE, Pair, Sampling
from lab.evaluation.paired import compare, paired_rows
from lab.evaluation.ranking_stability import (
    Criterion,
    Stability,
    mean_of_ranks,
    resample_ranking,
    resampled_means,
)
from lab.evaluation.results import Results
from lab.evaluation.seed_floor import SeedFloor, seed_floors
from lab.evaluation.significance import Significance, minus_wins, significance
from lab.evaluation.standings import (
    Rule,
    Standings,
    column_weights,
    higher_is_better,
    rank_values,
    stand,
)
from lab.evaluation.tiers import Tiers, find_tiers

# Ways to rank, in the order in which they are shown: rank then aggregate, aggregate then rank,
# test then rank.
MEAN_OF_RANKS, POSITION_OF_MEANS, WINS = "mean rank", "position of means", "significant wins"


@dataclass(frozen=True)
class Ranking:
    """Who stands where, how surely, and how any two systems compare."""

    comparison: Comparison
    rule: Rule
    sampling: Sampling
    standings: Standings
    pairs: tuple[Pair, ...]
    stability: tuple[Stability, ...]  # by each way to rank
    significance: Significance
    tiers: Tiers
    floors: Mapping[str, SeedFloor]

    @property
    def names(self) -> tuple[str, ...]:
        """Systems in the order of their columns."""
        return tuple(self.comparison.systems)

    @property
    def order(self) -> list[int]:
        """Systems in the order of their places."""
        return [int(i) for i in np.argsort(self.standings.place, kind="stable")]


def rank_systems(
    comparison: Comparison,
    rule: Rule,
    sampling: Sampling,
    seeds: Mapping[Path, Results],
    accept_in_sample: bool = False,
) -> Ranking:
    """Rank systems, rank them anew on resamples of cases, and compare every two.

    Args:
        comparison: the systems.
        rule: how values become ranks.
        sampling: draws of intervals, tests and resampled rankings.
        seeds: results of two or more seeds of one of the systems; {}: no floor.
        accept_in_sample: give verdicts on systems that were fitted on the cases, too.
    """
    standings = stand(comparison, rule)
    verdicts = replace(comparison, in_sample={}) if accept_in_sample else comparison
    number, gains = case_gains(comparison, standings, rule)
    systems = len(comparison.systems)
    criteria: dict[str, Criterion] = {
        MEAN_OF_RANKS: mean_of_ranks(standings.case_ranks),
        POSITION_OF_MEANS: mean_positions(comparison, rule),
        WINS: minus_wins(gains, systems),
    }
    return Ranking(
        comparison=comparison,
        rule=rule,
        sampling=sampling,
        standings=standings,
        pairs=compare(verdicts, standings, rule, sampling),
        stability=tuple(
            resample_ranking(
                method, criterion, len(comparison.cases), sampling.rankings, sampling.seed
            )
            for method, criterion in criteria.items()
        ),
        significance=significance(number, gains, systems),
        tiers=find_tiers(standings.case_ranks, sampling.flips, sampling.seed),
        floors=seed_floors(seeds, comparison, rule) if seeds else {},
    )


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
