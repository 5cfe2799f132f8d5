"""From the scores of several systems to ranks, positions of means, and paired comparisons."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from lab.evaluation.columns import Column
from lab.evaluation.comparison import Comparison
from lab.statistics import (
    Ties,
    bootstrap_interval,
    differences,
    holm,
    mean_over_cases,
    ranks,
    sign_flip_p,
    weighted_mean,
)

ALPHA = 0.05
# In a pair, the ranks are between these two alone, so that no third system changes the answer; the
# difference of the ranking's own mean ranks, which are among all, stands beside it.
MEAN_RANK, MEAN_SCORE, RANK_AMONG_ALL = "mean rank", "mean score", "rank among all"
# How a value that is not a number ranks among the systems of a case: before all where it stands for
# a region that is rightly empty and behind all elsewhere, behind all, before all, or as if all
# systems were equal there.
Nan = Literal["by-cause", "worst", "best", "tie"]


@dataclass(frozen=True)
class Rule:
    """How values become ranks."""

    ties: Ties = "average"
    nan: Nan = "by-cause"


@dataclass(frozen=True)
class Sampling:
    """How many random draws the intervals and tests take."""

    resamples: int = 10_000
    flips: int = 10_000
    seed: int = 0


@dataclass(frozen=True)
class Standings:
    """Who stands where; 1 is best everywhere."""

    ranks: np.ndarray  # (row, column, system), mean over rows not yet taken; cases come first
    case_ranks: np.ndarray  # (case, system), mean over columns within a region, then over regions
    mean_rank: np.ndarray  # (system,)
    region_rank: Mapping[str, np.ndarray]  # region -> (system,)
    place: np.ndarray  # (system,), by mean rank; equal ones share the first
    mean_score: np.ndarray | None  # (system,), over columns where higher is better
    mean_columns: tuple[Column, ...]  # the comparison's columns, then numbers of the whole cohort
    means: np.ndarray  # (mean column, system), over the cases that have a number
    positions: np.ndarray  # (mean column, system)
    mean_position: np.ndarray  # (system,)
    nan_cells: tuple[int, int]  # (case, column) where any system is NaN, and where not all are


@dataclass(frozen=True)
class PairedDifference:
    """One number of two systems, case by case."""

    what: str
    better: str  # higher | lower
    difference: float  # mean over cases, second minus first
    low: float
    high: float
    p: float
    p_holm: float
    n: int  # cases where both have a number
    n_better: int  # of these, cases where the second is better
    n_worse: int

    @property
    def shown(self) -> bool:
        """Whether the two differ by more than chance explains."""
        return self.p_holm < ALPHA

    @property
    def second_wins(self) -> bool:
        """Whether the difference is in favour of the second system."""
        return (self.difference > 0) == (self.better == "higher")

    def reverse(self) -> "PairedDifference":
        """Return the same comparison as first minus second."""
        return replace(
            self,
            difference=-self.difference,
            low=-self.high,
            high=-self.low,
            n_better=self.n_worse,
            n_worse=self.n_better,
        )


@dataclass(frozen=True)
class Pair:
    """Two systems, compared by the rows that `row_names` tells."""

    first: str
    second: str
    comparisons: tuple[PairedDifference, ...]


def column_weights(columns: Iterable[Column]) -> np.ndarray:
    """Return what makes a sum the mean over metrics within a region, then over regions."""
    regions = [column.region for column in columns]
    return np.array([1 / regions.count(region) for region in regions]) / len(set(regions))


def rank_values(
    values: np.ndarray, columns: Iterable[Column], rule: Rule, both_absent: np.ndarray
) -> np.ndarray:
    """Rank values (row, column, system) among the systems of each row and column."""
    goodness = values * np.array([column.sign for column in columns])[:, None]
    absent = np.isnan(goodness)
    if rule.nan == "by-cause":
        goodness = np.where(both_absent, np.inf, goodness)
    if rule.nan == "best":
        goodness = np.where(absent, np.inf, goodness)
    if rule.nan == "tie":
        goodness = np.where(absent.any(-1, keepdims=True), 0.0, goodness)
    return ranks(goodness, rule.ties)


def stand(comparison: Comparison, rule: Rule) -> Standings:
    """Rank the systems case by case, and by the positions of their means."""
    rows = np.concatenate([comparison.values, comparison.summary_values])
    told = np.zeros(rows.shape, bool)
    told[: len(comparison.cases)] = comparison.both_absent
    ranked = rank_values(rows, comparison.columns, rule, told)
    weights = column_weights(comparison.columns)
    by_column = ranked.mean(0)
    mean_rank = weights @ by_column
    regions = np.array([column.region for column in comparison.columns])
    mean_columns = (*comparison.columns, *comparison.totals)
    means = np.vstack([mean_over_cases(comparison.values), *comparison.totals.values()])
    positions = rank_values(
        means[None], mean_columns, replace(rule, nan="worst"), np.zeros(means.shape, bool)
    )[0]
    absent = np.isnan(comparison.values)
    higher = higher_is_better(comparison)
    return Standings(
        ranks=ranked,
        case_ranks=mean_ranks(ranked[: len(comparison.cases)], comparison),
        mean_rank=mean_rank,
        region_rank={r: by_column[regions == r].mean(0) for r in dict.fromkeys(regions.tolist())},
        place=ranks(-mean_rank.round(9), "competition").astype(int),
        mean_score=score(means[higher].T, comparison, higher) if higher else None,
        mean_columns=mean_columns,
        means=means,
        positions=positions,
        mean_position=column_weights(mean_columns) @ positions,
        nan_cells=(int(absent.any(-1).sum()), int((absent.any(-1) & ~absent.all(-1)).sum())),
    )


def compare(
    comparison: Comparison, standings: Standings, rule: Rule, sampling: Sampling
) -> tuple[Pair, ...]:
    """Compare every two systems over the cases, with p-values also adjusted for all the pairs.

    All pairs meet the same draws: but for the adjustment and the rank among all, a pair's numbers
    depend neither on the other systems nor on which of the two comes first.
    """
    pairs = list(combinations(range(len(comparison.systems)), 2))
    tables = [paired_rows(comparison, standings, rule, pair) for pair in pairs]
    side_by_side = np.column_stack(tables)
    generators = (np.random.default_rng(sampling.seed) for _ in range(2))
    interval = bootstrap_interval(side_by_side, sampling.resamples, next(generators))
    p = sign_flip_p(side_by_side, sampling.flips, next(generators)).reshape(len(pairs), -1)
    numbers = (*interval.reshape(2, *p.shape), p, np.apply_along_axis(holm, 0, p))
    names = tuple(comparison.systems)
    return tuple(
        Pair(names[first], names[second], describe(comparison, tables[i], [n[i] for n in numbers]))
        for i, (first, second) in enumerate(pairs)
    )


def row_names(comparison: Comparison) -> list[tuple[str, str]]:
    """Return what a pair is compared by, and which values are better."""
    rows = [(MEAN_SCORE, "higher")] if higher_is_better(comparison) else []
    rows.append((MEAN_RANK, "lower"))
    if len(comparison.systems) > 2:
        rows.append((RANK_AMONG_ALL, "lower"))
    return rows + [(str(column), column.better) for column in comparison.columns]


def paired_rows(
    comparison: Comparison, standings: Standings, rule: Rule, pair: tuple[int, int]
) -> np.ndarray:
    """Return second - first (case, row), in the order of `row_names`."""
    by_column = differences(*(comparison.values[..., system] for system in pair))
    higher = higher_is_better(comparison)
    rows = [score(by_column[:, higher], comparison, higher)] if higher else []
    both = list(pair)
    between = rank_values(
        comparison.values[..., both], comparison.columns, rule, comparison.both_absent[..., both]
    )
    case_ranks = [mean_ranks(between, comparison)]
    if len(comparison.systems) > 2:
        case_ranks.append(standings.case_ranks[:, list(pair)])
    # The same ranks in another order have a sum that differs by rounding, and must count as equal.
    rows += [np.diff(values)[:, 0].round(12) for values in case_ranks]
    return np.column_stack([*rows, by_column])


def describe(
    comparison: Comparison, table: np.ndarray, numbers: list[np.ndarray]
) -> tuple[PairedDifference, ...]:
    """Describe each row of paired differences (case, row).

    `numbers` are the interval's lower and upper end, p and adjusted p, each (row,).
    """
    means = mean_over_cases(table)
    found = []
    for i, (what, better) in enumerate(row_names(comparison)):
        gains = table[:, i] if better == "higher" else -table[:, i]
        low, high, p, p_holm = (float(values[i]) for values in numbers)
        n, n_better, n_worse = (
            int(np.count_nonzero(kept)) for kept in (~np.isnan(gains), gains > 0, gains < 0)
        )
        found.append(
            PairedDifference(
                what, better, float(means[i]), low, high, p, p_holm, n, n_better, n_worse
            )
        )
    return tuple(found)


def mean_ranks(ranked: np.ndarray, comparison: Comparison) -> np.ndarray:
    """Average ranks (case, column, system) over metrics in a region, then over regions."""
    return np.einsum("rcs,c->rs", ranked, column_weights(comparison.columns))


def higher_is_better(comparison: Comparison) -> list[int]:
    """Return the places of the columns that a mean score is over: the others have other units."""
    return [i for i, column in enumerate(comparison.columns) if column.better == "higher"]


def score(values: np.ndarray, comparison: Comparison, higher: list[int]) -> np.ndarray:
    """Average (case or system, column of `higher`) over metrics in a region, then over regions."""
    return weighted_mean(values, column_weights(comparison.columns[i] for i in higher))
