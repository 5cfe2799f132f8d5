"""By how much one system scores better than another on held-out cases, and if that passes the gate.

On common support: of every case and column only where both systems have a number, as `lab rank`
compares two. What is compared case by case follows the objective:

    overlap   the mean of overlaps, region by region
    rank      the two systems' ranks, mean over columns: +1 where the second is better in all

A rank says nothing of size, so that with it a gain counts only if the numbers of the cohort say so
too: more metrics better than worse, each by at least what counts in its own unit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lab.gate import LARGEST_P, Gain, Gate, measure_gain
from lab.metrics.metric_info import VOLUME_ERROR, Kind, metric_info, title
from lab.metrics.objective import Column, cohort_numbers
from lab.statistics import CONFIDENCE, differences, weighted_mean

# The least difference between two ensembles that counts: a training with another seed moves more.
LEAST_GAIN: Mapping[Kind, float] = {
    "overlap": 0.002,
    "score": 0.002,
    "distance": 0.1,  # mm
    "volume": 10.0,  # mm3
    "volume_ml": 0.01,  # mL
    "count": 0.1,
}


@dataclass(frozen=True)
class MetricGain:
    """By how much a cohort's number is better, in the metric's own unit; lower ones turned over."""

    region: str
    metric: str
    gain: float

    @property
    def least(self) -> float:
        """Return the least gain that counts."""
        return LEAST_GAIN[metric_info(self.metric).kind]

    @property
    def in_steps(self) -> float:
        """Return the gain in units of the least one; 0 where there is no number."""
        return 0.0 if np.isnan(self.gain) else self.gain / self.least

    @property
    def words(self) -> str:
        """Return the gain as a person says it."""
        unit = metric_info(self.metric).unit
        how = f"{'better' if self.gain >= 0 else 'worse'} by {abs(self.gain):.4g}"
        return f"{self.region} {title(self.metric)} {how}{' ' * bool(unit)}{unit}"


@dataclass(frozen=True)
class HeldOutGain:
    """A gain, metric by metric, and why it does not pass the gate."""

    total: Gain  # in the objective, case by case
    metrics: tuple[MetricGain, ...]
    left_out: int  # numbers (case, column) that one of the two systems, or both, have not
    failures: tuple[str, ...] = ()


def held_out_gain(
    first: np.ndarray,
    second: np.ndarray,
    columns: Sequence[Column],
    objective: str,
    comparisons: int = 1,
) -> HeldOutGain:
    """Return by how much the second of two tables (case, column) is better.

    Args:
        first: of the system that ships otherwise.
        second: of the system that would ship.
        columns: what the second axis holds.
        objective: of `CASE_GAINS`.
        comparisons: so many gains are looked at, and one passes by chance as rarely as one alone.
    """
    absent = np.isnan(first) | np.isnan(second)
    by_case = CASE_GAINS[objective](first, second, columns)
    known, rng = by_case[~np.isnan(by_case)], np.random.default_rng(0)
    total = measure_gain(known, rng, confidence_of(comparisons))
    both = np.where(absent, np.nan, np.stack([first, second]))
    numbers = cohort_numbers(both, columns, np.ones(len(first)))
    metrics = tuple(
        MetricGain(region, metric, float(gain))
        for (region, metric), gain in zip(columns, differences(*numbers), strict=True)
    )
    gate = _gate(objective, columns, LARGEST_P / comparisons)
    failures = gate.failures(total)
    if objective == "rank" and total.mean > 0:
        failures += _size_failures(metrics)
    return HeldOutGain(total, metrics, int(absent.sum()), failures)


def confidence_of(comparisons: int) -> float:
    """Return the confidence of each of so many intervals that all hold with 95 %."""
    return 1 - (1 - CONFIDENCE) / comparisons


def overlap_gains(first: np.ndarray, second: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    """Return the gains (case,) in mean overlap, region by region; NaN without a common number."""
    at = _overlaps(columns)
    regions = [columns[i][0] for i in at]
    weights = np.array([1 / regions.count(region) for region in regions])
    return weighted_mean(differences(first[:, at], second[:, at]), weights)


def rank_gains(first: np.ndarray, second: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    """Return the gains (case,) in mean rank between the two; NaN without a common number."""
    signs = np.array([metric_info(metric).sign for _, metric in columns])
    signed = [metric == VOLUME_ERROR for _, metric in columns]
    one, other = (np.where(signed, np.abs(table), table) * signs for table in (first, second))
    return weighted_mean(np.sign(differences(one, other)), np.ones(len(columns)))


CaseGains = Callable[[np.ndarray, np.ndarray, Sequence[Column]], np.ndarray]
CASE_GAINS: Mapping[str, CaseGains] = {"overlap": overlap_gains, "rank": rank_gains}


def unit_of(objective: str, columns: Sequence[Column]) -> str:
    """Return what a gain is counted in."""
    if objective == "rank":
        return "ranks"
    metrics = {columns[i][1] for i in _overlaps(columns)}
    return title(metrics.pop()) if len(metrics) == 1 else "mean overlap"


def _gate(objective: str, columns: Sequence[Column], largest_p: float) -> Gate:
    least = 0.0 if objective == "rank" else LEAST_GAIN["overlap"]
    return Gate(least, unit_of(objective, columns), largest_p)


def _overlaps(columns: Sequence[Column]) -> list[int]:
    return [
        i for i, (_, metric) in enumerate(columns) if "overlap" in metric_info(metric).objectives
    ]


def _size_failures(metrics: Sequence[MetricGain]) -> tuple[str, ...]:
    """Say why a gain in ranks is none in the metrics' own units; () where it is one."""
    better, worse = (sum(sign * m.in_steps >= 1 for m in metrics) for sign in (1, -1))
    if better > worse:
        return ()
    if better:
        total = len(metrics)
        return (f"by what counts {better} of {total} metrics are better and {worse} worse",)
    best = max(metrics, key=lambda metric: metric.in_steps)
    unit = metric_info(best.metric).unit
    least = f"{best.least:g}{' ' * bool(unit)}{unit}"
    return (f"no metric is better by what counts: at best {best.words}, {least} counts",)
