"""What a search or a selection maximises: scores of cases reduced to one number a candidate.

The search of rules compares candidates case by case: means of scores, distances or squared volume
errors, or dense ranks. `positions` and the selection of members compare what a leaderboard shows:
means of metrics over the cohort, of volume errors the root mean square, and positions among them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np

from challenge.refusal import Refusal
from challenge.scheme import Scheme
from lab.metrics.metric_info import VOLUME_ERROR, ObjectiveName, metric_info
from lab.metrics.scorer import CaseScores, Scorer, without_scores
from lab.statistics import ranks

Column = tuple[str, str]  # region, metric
POSITIONS = "positions"
SEARCH_OBJECTIVES: tuple[str, ...] = (*get_args(ObjectiveName), POSITIONS)
MM3_PER_ML = 1000.0
DIGITS = 9  # decimals of cohort numbers that differ; further ones are those of sums
# What a value of an objective is that is no score, in words; more is better, as of a score.
IN_WORDS: Mapping[str, str] = {
    "hd95": "minus HD95, mm",
    "masd": "minus MASD, mm",
    "volume": "minus the squared volume error, mL2, whose mean orders as the RMSE does",
    POSITIONS: "ranks against no rules, case by case: 1 where better in every metric, -1 worse",
}


def objective_values(scores: np.ndarray, columns: Sequence[Column], objective: str) -> np.ndarray:
    """Reduce scores (case, candidate, column) to (case, candidate), higher is better.

    `rank` is the challenge's ranking among the candidates themselves: a case's dense rank in every
    column, averaged and negated (Parida et al.'s ranker, 2025). The others are means of columns,
    region by region, so that a region with two tolerances weighs no more than one with one. A
    region that the scorer leaves out, as neither map holds it, has the best value. Of `volume` a
    case's value is minus its squared error, so that the mean over cases is minus the RMSE squared.

    Raises:
        Refusal: no column counts for the objective.
    """
    counted = _counted_columns(tuple(columns), objective)
    of_counted = squared_ml(scores[..., counted.at], objective)
    values = np.where(np.isnan(of_counted), counted.best, of_counted) * counted.signs
    if objective == "rank":
        return -ranks(np.moveaxis(values, -2, -1), ties="dense").mean(-2)
    return np.asarray(values @ counted.weights)


def check_counted(columns: Sequence[Column], objective: str) -> None:
    """Raise Refusal where none of the columns counts for an objective."""
    _counted_columns(tuple(columns), objective)


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
    return squared_ml(scores, objective) * signs, weights


def squared_ml(scores: np.ndarray, objective: str) -> np.ndarray:
    """Return the scores (..., column), of `volume` the squares of its errors, in mL2."""
    return (scores / MM3_PER_ML) ** 2 if objective == "volume" else scores


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


def comparable(scores: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    """Return scores (..., column) of which more is better; of no number the best value.

    Volume errors, which are signed, count by their size.
    """
    metrics = [metric_info(metric) for _, metric in columns]
    best, signs = (np.array([getattr(m, name) for m in metrics]) for name in ("best", "sign"))
    is_signed = np.array([metric == VOLUME_ERROR for _, metric in columns])
    filled = np.where(np.isnan(scores), best, scores)
    return np.asarray(np.where(is_signed, np.abs(filled), filled) * signs)


def reported_objective(objective: str) -> str:
    """Return the objective that differences are reported in: a rank has no meaning by itself."""
    return "overlap" if objective == "rank" else objective


def case_objective(objective: str) -> str:
    """Return what one case, or one component, is worth by: ranks and positions have no such."""
    return "overlap" if objective in ("rank", POSITIONS) else objective


def reported_values(
    scores: np.ndarray, without: np.ndarray, columns: Sequence[Column], objective: str
) -> np.ndarray:
    """Return what differences are reported and tested in, case by case; (case, candidate).

    Positions are of a cohort. Of a case they count as the mean over columns of +1 where it is
    better than without rules, and -1 where it is worse. `scores` are (case, candidate, column),
    `without` (case, column) those of the same cases without rules.
    """
    if objective != POSITIONS:
        return objective_values(scores, columns, reported_objective(objective))
    before = comparable(without, columns)[:, None]
    return np.asarray(np.sign(comparable(scores, columns) - before).mean(-1))


def selection_columns(scorer: Scorer, scheme: Scheme) -> tuple[Column, ...]:
    """List the columns that a leaderboard reads, of regions that are written, and volume errors.

    They are those that the organisers rank by where they say so, else overlaps and distances.
    """
    columns: list[Column] = []
    for region, row in written_scores(without_scores(scorer), scheme):
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


def written_scores(scores: CaseScores, scheme: Scheme) -> list[tuple[str, dict[str, float]]]:
    """Return the rows of the regions whose labels the challenge asks for."""
    written = set(scheme.written)
    return [
        (region, row)
        for region, row in scores.items()
        if set(scheme.regions.get(region, (region,))) <= written
    ]


def selection_row(
    scores: Mapping[str, Mapping[str, float]], columns: Sequence[Column]
) -> list[float]:
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
            weight = (known * case_weights).sum(1)
            # Summed row by row: equal rows give equal numbers to the bit, as ties need it.
            if metric == VOLUME_ERROR:
                numbers[:, at] = -np.sqrt((filled**2 * case_weights).sum(1) / weight)
            else:
                mean = (filled * case_weights).sum(1) / weight
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
    numbers = cohort_numbers(table, columns, case_weights).round(DIGITS)
    return -ranks(numbers.T, ties="average").mean(0)


# Of tables (candidate, case, column), what the columns are, and case weights (case,): (candidate,).
Objective = Callable[[np.ndarray, Sequence[Column], np.ndarray], np.ndarray]
OBJECTIVES: Mapping[str, Objective] = {"overlap": mean_overlap, "rank": mean_position}
