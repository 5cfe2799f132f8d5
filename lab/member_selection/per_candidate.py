"""What each candidate scores by itself, metric by metric: where overlap and boundary part ways."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lab.member_selection.combine import weighted
from lab.member_selection.score_cache import EnsembleScores
from lab.metrics.metric_info import metric_info
from lab.metrics.objective import cohort_numbers
from lab.statistics import CONFIDENCE, RESAMPLES, bootstrap_weights, differences


@dataclass(frozen=True)
class CandidateScore:
    """A candidate's number as a leaderboard shows it, and its difference to the first candidate."""

    candidate: str
    region: str
    metric: str  # of volume errors the root of the mean square
    value: float
    interval: tuple[float, float]
    over_first: float  # minus the first candidate's, over the cases where both have a number
    over_first_interval: tuple[float, float]


def candidate_scores(scores: EnsembleScores) -> Iterator[CandidateScore]:
    """Score every candidate on the cases that its members did not see; bootstrap over cases."""
    names = [candidate.name for candidate in scores.pool.candidates]
    table = scores.of([weighted(row) for row in np.eye(len(names))])
    signs = np.array([float(metric_info(metric).sign) for _, metric in scores.columns])
    absent = np.isnan(table) | np.isnan(table[:1])
    ours, first = (np.where(absent, np.nan, each) for each in (table, table[:1]))
    cases = table.shape[1]
    rng = np.random.default_rng(0)

    def numbers(case_weights: np.ndarray) -> np.ndarray:  # (value and gap, candidate, column)
        value, on_common, of_first = (
            cohort_numbers(each, scores.columns, case_weights) * signs
            for each in (table, ours, first)
        )
        return np.stack([value, differences(of_first, on_common)])

    whole, whole_gap = numbers(np.ones(cases))
    blocks = bootstrap_weights(cases, RESAMPLES, rng)
    resampled = np.stack([numbers(weights) for block in blocks for weights in block])
    ends = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
    value_ends, gap_ends = np.moveaxis(np.nanquantile(resampled, ends, axis=0), 1, 0)
    for i, name in enumerate(names):
        for j, (region, metric) in enumerate(scores.columns):
            interval, gap_interval = (
                (float(both[0, i, j]), float(both[1, i, j])) for both in (value_ends, gap_ends)
            )
            value, gap = float(whole[i, j]), float(whole_gap[i, j])
            yield CandidateScore(name, region, metric, value, interval, gap, gap_interval)
