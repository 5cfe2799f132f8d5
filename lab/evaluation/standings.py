"""From the scores of several systems to ranks and positions of means."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lab.evaluation.columns import Column
from lab.evaluation.comparison import Comparison
from lab.metrics.scorers import SCORERS
from lab.statistics import (
    Ties,
    mean_over_cases,
    ranks,
    weighted_mean,
)

# How a value that is not a number ranks among the systems of a case: before all where it stands for
# a region that is rightly empty and behind all elsewhere, behind all, before all, as if all systems
# were equal there, or last of all: with the number of systems as its rank, however many lack one.
Nan = Literal["by-cause", "worst", "best", "tie", "last"]


@dataclass(frozen=True)
class Rule:
    """How values become ranks."""

    ties: Ties = "average"
    nan: Nan = "by-cause"


def default_rule(scorer: str) -> Rule:
    """Return how the organisers of a scorer rank what lacks, else the usual rule."""
    ranks_last = scorer in SCORERS and SCORERS[scorer].missing == "last"
    return Rule(nan="last") if ranks_last else Rule()


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


def column_weights(columns: Iterable[Column]) -> np.ndarray:
    """Return what makes a sum the mean over metrics within a region, then over regions."""
    regions = [column.region for column in columns]
    return np.array([1 / regions.count(region) for region in regions]) / len(set(regions))


def rank_values(
    values: np.ndarray, columns: Iterable[Column], rule: Rule, both_absent: np.ndarray
) -> np.ndarray:
    """Rank values (row, column, system) among the systems of each row and column."""
    oriented = values * np.array([column.sign for column in columns])[:, None]
    absent = np.isnan(oriented)
    if rule.nan == "by-cause":
        oriented = np.where(both_absent, np.inf, oriented)
    if rule.nan == "best":
        oriented = np.where(absent, np.inf, oriented)
    if rule.nan == "tie":
        oriented = np.where(absent.any(-1, keepdims=True), 0.0, oriented)
    ranked = ranks(oriented, rule.ties)
    return np.where(absent, float(values.shape[-1]), ranked) if rule.nan == "last" else ranked


def stand(comparison: Comparison, rule: Rule) -> Standings:
    """Rank the systems case by case, and by the positions of their means."""
    rows = np.concatenate([comparison.values, comparison.summary_values])
    both_absent = np.zeros(rows.shape, bool)
    both_absent[: len(comparison.cases)] = comparison.both_absent
    ranked = rank_values(rows, comparison.columns, rule, both_absent)
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


def mean_ranks(ranked: np.ndarray, comparison: Comparison) -> np.ndarray:
    """Average ranks (case, column, system) over metrics in a region, then over regions."""
    return np.einsum("rcs,c->rs", ranked, column_weights(comparison.columns))


def higher_is_better(comparison: Comparison) -> list[int]:
    """Return the places of the columns that a mean score is over: the others have other units."""
    return [i for i, column in enumerate(comparison.columns) if column.better == "higher"]


def score(values: np.ndarray, comparison: Comparison, higher: list[int]) -> np.ndarray:
    """Average (case or system, column of `higher`) over metrics in a region, then over regions."""
    return weighted_mean(values, column_weights(comparison.columns[i] for i in higher))
