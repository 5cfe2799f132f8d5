"""Means and correlations with percentile bootstrap intervals, seeded so that a report repeats."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

RESAMPLES = 2000
LEVEL = 0.95
SEED = 2025
# Fewer cases give too few different resamples for an interval to mean anything.
FEWEST_FOR_INTERVAL = 5
FEWEST_FOR_CORRELATION = 3


@dataclass(frozen=True)
class Estimate:
    """A number, its bootstrap interval (NaN where there are too few cases), and n."""

    value: float
    low: float
    high: float
    n: int


def mean_estimate(values: np.ndarray) -> Estimate:
    """Return the mean of the values (case,) that are not NaN; one infinity makes it infinite."""
    kept = values[~np.isnan(values)]
    if kept.size == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    return _estimate(lambda rows: rows[..., 0].mean(-1), kept[:, None])


def root_mean_square_estimate(values: np.ndarray) -> Estimate:
    """Return the root of the mean square of values (case,), such as volume differences."""
    return _estimate(lambda rows: np.sqrt((rows[..., 0] ** 2).mean(-1)), values[:, None])


def pearson_estimate(x: np.ndarray, y: np.ndarray) -> Estimate:
    """Return Pearson's correlation of x and y (case,); NaN for a constant or below three cases."""
    return _estimate(lambda rows: pearson(rows[..., 0], rows[..., 1]), np.stack((x, y), 1))


def spearman_estimate(x: np.ndarray, y: np.ndarray) -> Estimate:
    """Return Spearman's correlation of x and y (case,), ties ranked by their mean rank."""
    return _estimate(lambda rows: spearman(rows[..., 0], rows[..., 1]), np.stack((x, y), 1))


def pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation along the last axis; NaN where either is constant."""
    if x.shape[-1] < FEWEST_FOR_CORRELATION:
        return np.full(x.shape[:-1], np.nan)
    constant = (np.ptp(x, -1) == 0) | (np.ptp(y, -1) == 0)
    x, y = x - x.mean(-1, keepdims=True), y - y.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (x * y).sum(-1) / np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    return np.where(constant, np.nan, np.clip(r, -1, 1))


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation along the last axis; NaN where either is constant."""
    if x.shape[-1] < FEWEST_FOR_CORRELATION:
        return np.full(x.shape[:-1], np.nan)
    return pearson(rankdata(x, axis=-1), rankdata(y, axis=-1))


def _estimate(statistic: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> Estimate:
    """Estimate a statistic of rows (case, variable) that reduces the axis before the last."""
    n = rows.shape[0]
    value = float(statistic(rows)) if n else np.nan
    if n < FEWEST_FOR_INTERVAL or np.isnan(value):
        return Estimate(value, np.nan, np.nan, n)
    # Each estimate starts its own generator, so a number never depends on which others are shown.
    drawn = np.random.default_rng(SEED).integers(0, n, (RESAMPLES, n))
    resampled = statistic(rows[drawn])
    resampled = resampled[~np.isnan(resampled)]
    if resampled.size == 0:
        return Estimate(value, np.nan, np.nan, n)
    tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    # No interpolation: between a finite and an infinite mean it would give NaN.
    low, high = np.quantile(resampled, tails, method="inverted_cdf")
    return Estimate(value, float(low), float(high), n)
