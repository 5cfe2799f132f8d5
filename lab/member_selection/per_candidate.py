"""What each candidate is worth alone, metric by metric: where overlap and boundary part ways."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lab.member_selection.combine import weighted
from lab.member_selection.score_cache import Scores
from lab.metrics.metric_info import metric_info
from lab.metrics.objective import cohort_numbers
from lab.statistics import CONFIDENCE

RESAMPLES = 2000


@dataclass(frozen=True)
class Row:
    """A candidate's number as a leaderboard shows it, and its distance to the first candidate's."""

    candidate: str
    region: str
    metric: str  # of volume errors the root of the mean square
    value: float
    interval: tuple[float, float]
    over_first: float  # this minus the first candidate's, paired over cases
    over_first_interval: tuple[float, float]


def alone(scores: Scores) -> Iterator[Row]:
    """Score every candidate on the cases that its members did not see; bootstrap over cases."""
    names = [candidate.name for candidate in scores.pool.candidates]
    table = scores.of([weighted(row) for row in np.eye(len(names))])
    signs = np.array([float(metric_info(metric).sign) for _, metric in scores.columns])
    cases = table.shape[1]
    rng = np.random.default_rng(0)

    def numbers(drawn: np.ndarray) -> np.ndarray:  # (candidate, column)
        found: np.ndarray = cohort_numbers(table, scores.columns, drawn) * signs
        return found

    whole = numbers(np.ones(cases))
    draws = (np.bincount(rng.integers(0, cases, cases), minlength=cases) for _ in range(RESAMPLES))
    resampled = np.stack([numbers(counts.astype(float)) for counts in draws])
    ends = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
    with np.errstate(invalid="ignore"):
        gaps, whole_gap = resampled - resampled[:, :1], whole - whole[:1]
    own, over = np.nanquantile(resampled, ends, axis=0), np.nanquantile(gaps, ends, axis=0)
    for i, name in enumerate(names):
        for j, (region, metric) in enumerate(scores.columns):
            reach, gap_reach = (
                (float(both[0, i, j]), float(both[1, i, j])) for both in (own, over)
            )
            value, gap = float(whole[i, j]), float(whole_gap[i, j])
            yield Row(name, region, metric, value, reach, gap, gap_reach)
