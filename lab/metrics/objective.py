"""What a search or a selection maximises: scores of cases reduced to one number a candidate.

The search of rules compares candidates case by case: means of scores, or dense ranks. The selection
of members compares what a leaderboard shows: means of each metric over the cohort, of volume errors
the root of the mean square, or positions among the candidates.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np

from challenge.refusal import Refusal
from challenge.scheme import Scheme
from lab.metrics.metric_info import VOLUME_ERROR, ObjectiveName, metric_info
from lab.metrics.pair import Pair
from lab.metrics.scorer import CaseScores, Scorer, without_scores
from lab.statistics import ranks

Column = tuple[str, str]  # region, metric
SEARCH_OBJECTIVES: tuple[str, ...] = get_args(ObjectiveName)


def search_columns(scorer: Scorer, scheme: Scheme) -> tuple[Column, ...]:
    """List the columns that the objectives of a search read, of regions that are written.

    They are those that the organisers rank by, where any of these counts for an objective.

    Raises:
        Refusal: the scorer's fast scorer does not compute one of them; the message names it.
    """
    ranked = {metric for metric in scorer.ranked_by if metric_info(metric).objectives}
    columns = tuple(
        (region, metric)
        for region, row in _written(without_scores(scorer), scheme)
        for metric in row
        if (metric in ranked if ranked else metric_info(metric).objectives)
    )
    _check_fast_scorer(scorer, columns)
    return columns


def _check_fast_scorer(scorer: Scorer, columns: Sequence[Column]) -> None:
    if scorer.fast_scorer is None:
        return
    nothing = np.zeros((1, 1, 1), np.uint8)
    scores = scorer.fast_scorer(Pair(nothing, nothing, (1.0, 1.0, 1.0))).score(
        np.zeros(1, np.uint8)
    )
    missing = [f"{metric} of {r}" for r, metric in columns if metric not in scores.get(r, {})]
    if missing:
        raise Refusal(
            f"scorer {scorer.name}: its fast_scorer does not compute {', '.join(missing)}; "
            "add them to it, or set fast_scorer to None to score whole volumes"
        )


def objective_values(scores: np.ndarray, columns: Sequence[Column], objective: str) -> np.ndarray:
    """Reduce scores (case, candidate, column) to (case, candidate), higher is better.

    `rank` is the challenge's ranking among the candidates themselves: a case's dense rank in every
    column, averaged and negated (Parida et al.'s ranker, 2025). The others are means of columns,
    region by region, so that a region with two tolerances weighs no more than one with one. A
    region that the scorer leaves out, as neither map holds it, has the best value.

    Raises:
        Refusal: no column counts for the objective.
    """
    counted = _counted_columns(tuple(columns), objective)
    of_counted = scores[..., counted.at]
    values = np.where(np.isnan(of_counted), counted.best, of_counted) * counted.signs
    if objective == "rank":
        return -ranks(np.moveaxis(values, -2, -1), ties="dense").mean(-2)
    return np.asarray(values @ counted.weights)


def objective_terms(
    scores: np.ndarray, columns: Sequence[Column], objective: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return what an objective is the mean of, higher is better, and the weight of each column.

    Args:
        scores: (..., column).
        columns: what the last axis holds.
        objective: no rank.

    Returns:
        Terms (..., column), NaN where there is no score, and weights (column,) that add up to 1; 0
        of a column that does not count.

    Raises:
        Refusal: no column counts for the objective.
    """
    counted = _counted_columns(tuple(columns), objective)
    signs, weights = np.zeros(len(columns)), np.zeros(len(columns))
    signs[counted.at], weights[counted.at] = counted.signs, counted.weights
    return scores * signs, weights


@dataclass(frozen=True)
class _CountedColumns:
    """Those that count for an objective; arrays (counted column,)."""

    at: list[int]  # among all columns
    best: np.ndarray
    signs: np.ndarray
    weights: np.ndarray


@lru_cache(maxsize=64)  # a search asks for the same ones a hundred thousand times
def _counted_columns(columns: tuple[Column, ...], objective: str) -> _CountedColumns:
    metrics = [metric_info(metric) for _, metric in columns]
    at = [i for i, metric in enumerate(metrics) if objective in metric.objectives]
    if not at:
        names = ", ".join(dict.fromkeys(metric for _, metric in columns))
        raise Refusal(f"objective {objective}: none of the scorer's metrics counts ({names})")
    best, signs = (np.array([getattr(metrics[i], name) for i in at]) for name in ("best", "sign"))
    regions = [columns[i][0] for i in at]
    weights = np.array([1 / regions.count(region) for region in regions])
    return _CountedColumns(at, best, signs, weights / weights.sum())


def reported_objective(objective: str) -> str:
    """Return the objective that differences are reported in: a rank has no meaning by itself."""
    return "overlap" if objective == "rank" else objective


def selection_columns(scorer: Scorer, scheme: Scheme) -> tuple[Column, ...]:
    """List the columns that a leaderboard reads, of regions that are written, and volume errors.

    They are those that the organisers rank by where they say so, else overlaps and distances.
    """
    columns: list[Column] = []
    for region, row in _written(without_scores(scorer), scheme):
        ranked = [metric for metric in scorer.ranked_by if metric in row]
        usual = [
            metric
            for kind in ("overlap", "distance")
            for metric in row
            if metric_info(metric).headline and metric_info(metric).kind == kind
        ]
        columns += [(region, metric) for metric in ranked or usual]
        if "volume_prediction_mm3" in row:
            columns.append((region, VOLUME_ERROR))
    return tuple(columns)


def unmeasured_line(scorer: Scorer) -> str:
    """Say which metrics that rank no label map alone has; "" where there are none."""
    measured = {metric for row in without_scores(scorer).values() for metric in row}
    names = ", ".join(metric for metric in scorer.ranked_by if metric not in measured)
    reason = "label maps are compared here, no probability maps"
    return f"{names}, by which {scorer.name} ranks too, is not measured: {reason}" if names else ""


def _written(scores: CaseScores, scheme: Scheme) -> list[tuple[str, dict[str, float]]]:
    """Return the rows of the regions whose labels the challenge asks for."""
    written = set(scheme.written)
    return [
        (region, row)
        for region, row in scores.items()
        if set(scheme.regions.get(region, (region,))) <= written
    ]


def selection_row(scores: CaseScores, columns: Sequence[Column]) -> list[float]:
    """Return a case's numbers, one a column."""
    return [
        scores[region]["volume_prediction_mm3"] - scores[region]["volume_reference_mm3"]
        if metric == VOLUME_ERROR
        else scores[region][metric]
        for region, metric in columns
    ]


def cohort_numbers(
    table: np.ndarray, columns: Sequence[Column], case_weights: np.ndarray
) -> np.ndarray:
    """Reduce a table to what a leaderboard shows, higher is better.

    Args:
        table: (candidate, case, column).
        columns: what the last axis holds.
        case_weights: (case,) how often each case counts.

    Returns:
        (candidate, column): means, negated where lower is better, of volume errors minus the RMSE.
    """
    numbers = np.empty((table.shape[0], len(columns)))
    for at, (_, metric) in enumerate(columns):
        values = table[:, :, at]
        known = ~np.isnan(values)
        # An infinite number of a case that does not count must not count: 0 times it is NaN.
        filled = np.where(known & (case_weights > 0), values, 0.0)
        with np.errstate(invalid="ignore", over="ignore"):
            if metric == VOLUME_ERROR:
                numbers[:, at] = -np.sqrt((filled**2 @ case_weights) / (known @ case_weights))
            else:
                mean = (filled @ case_weights) / (known @ case_weights)
                numbers[:, at] = metric_info(metric).sign * mean
    return numbers


def mean_overlap(
    table: np.ndarray, columns: Sequence[Column], case_weights: np.ndarray
) -> np.ndarray:
    """Return each candidate's mean overlap (candidate,), region by region."""
    values = objective_values(np.moveaxis(table, 0, 1), columns, "overlap")
    return np.asarray(case_weights @ values / case_weights.sum())


def mean_position(
    table: np.ndarray, columns: Sequence[Column], case_weights: np.ndarray
) -> np.ndarray:
    """Return minus each candidate's mean position among those of the table (candidate,)."""
    numbers = cohort_numbers(table, columns, case_weights)
    return -ranks(numbers.T, ties="average").mean(0)


# Of tables (candidate, case, column), what the columns are, and case weights (case,): (candidate,).
Objective = Callable[[np.ndarray, Sequence[Column], np.ndarray], np.ndarray]
OBJECTIVES: Mapping[str, Objective] = {"overlap": mean_overlap, "rank": mean_position}
