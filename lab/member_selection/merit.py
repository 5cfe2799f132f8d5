"""What makes one system better than another over a cohort: a mean, or positions in a ranking.

A leaderboard ranks cohort-level numbers: the mean of each metric over cases, and of volumes the
root of the mean squared error. Positions are averaged over metrics, as PANTHER does.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from challenge.scheme import Scheme
from lab.metrics.objective import objective_values
from lab.metrics.scorers import CaseScores
from lab.statistics import ranks

Column = tuple[str, str]  # region, metric
OVERLAPS = ("dice", "nsd", "surface_dice")
DISTANCES = ("hd95", "masd")
VOLUME_ERROR = "volume_error_mm3"


def columns_of(
    scores: CaseScores, scheme: Scheme, ranked_by: tuple[str, ...] = ()
) -> tuple[Column, ...]:
    """List the columns of a scorer that a leaderboard looks at, of what the challenge writes.

    These are what its organisers rank by, where that is told, and volumes.
    """
    columns: list[Column] = []
    for region, row in scores.items():
        if set(scheme.regions.get(region, (region,))) <= set(scheme.written):
            ranked = [metric for metric in ranked_by if metric in row]
            usual = [
                metric
                for kind in (OVERLAPS, DISTANCES)
                for metric in row
                if metric.startswith(kind)
            ]
            columns += [(region, metric) for metric in ranked or usual]
            if "volume_prediction_mm3" in row:
                columns.append((region, VOLUME_ERROR))
    return tuple(columns)


def row_of(scores: CaseScores, columns: Sequence[Column]) -> list[float]:
    """Return a case's numbers, a column each."""
    found = []
    for region, metric in columns:
        row = scores[region]
        if metric == VOLUME_ERROR:
            found.append(row["volume_prediction_mm3"] - row["volume_reference_mm3"])
        else:
            found.append(row[metric])
    return found


def cohort_numbers(table: np.ndarray, columns: Sequence[Column], drawn: np.ndarray) -> np.ndarray:
    """Reduce a table to what a leaderboard shows, higher is better.

    Args:
        table: (system, case, column).
        columns: what the last axis holds.
        drawn: (case,) how often each case counts.

    Returns:
        (system, column): means, of distances negated, of volume errors minus the RMSE.
    """
    found = np.empty((table.shape[0], len(columns)))
    for at, (_, metric) in enumerate(columns):
        values = table[:, :, at]
        known = ~np.isnan(values)
        filled = np.where(known, values, 0.0)
        with np.errstate(invalid="ignore", over="ignore"):
            if metric == VOLUME_ERROR:
                found[:, at] = -np.sqrt((filled**2 @ drawn) / (known @ drawn))
            else:
                mean = (filled @ drawn) / (known @ drawn)
                found[:, at] = -mean if metric.startswith(DISTANCES) else mean
    return found


def overlap(table: np.ndarray, columns: Sequence[Column], drawn: np.ndarray) -> np.ndarray:
    """Return each system's mean overlap (system,), region by region."""
    good = objective_values(np.moveaxis(table, 0, 1), columns, "overlap")
    return np.asarray(drawn @ good / drawn.sum())


def rank(table: np.ndarray, columns: Sequence[Column], drawn: np.ndarray) -> np.ndarray:
    """Return minus each system's mean position among the systems of the table (system,)."""
    numbers = cohort_numbers(table, columns, drawn)
    return -ranks(numbers.T, ties="average").mean(0)


Merit = Callable[[np.ndarray, Sequence[Column], np.ndarray], np.ndarray]
MERITS: Mapping[str, Merit] = {"overlap": overlap, "rank": rank}
