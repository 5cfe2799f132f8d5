"""Ranks, means, correlations, bootstrap intervals and tests on plain arrays."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import rankdata

Ties = Literal["average", "dense", "competition"]

CONFIDENCE = 0.95
RESAMPLES = 2000
# Of estimates: each starts a generator of its own, so that no number depends on the others.
SEED = 2025
# Fewer cases give too few different resamples for an interval to mean anything.
FEWEST_FOR_INTERVAL = 5
FEWEST_FOR_CORRELATION = 3
# Random numbers held at a time; bounds memory whatever the cohort.
BLOCK_CELLS = 2_000_000
# Sums of the same differences in another order differ by rounding, and must count as equal.
ROUNDING = 1e-12


def ranks(values: np.ndarray, ties: Ties = "average") -> np.ndarray:
    """Rank systems along the last axis; 1 is the highest value, and equal means bit for bit.

    Equal systems share a rank: the average of the places they take, the first of them
    (`competition`: 1 1 3), or the first with the next place directly behind (`dense`: 1 1 2).
    NaN ranks behind every number, minus infinity included; NaN are equal among themselves.

    Args:
        values: (..., system), higher is better.
    """
    if ties == "dense":
        return _dense_ranks(values)
    absent = np.isnan(values)
    one, other = values[..., :, None], values[..., None, :]
    absent_one, absent_other = absent[..., :, None], absent[..., None, :]
    better = (other > one) | (absent_one & ~absent_other)
    equal = (other == one) | (absent_one & absent_other)
    shared = (equal.sum(-1) - 1) / 2 if ties == "average" else 0.0
    return 1.0 + better.sum(-1) + shared


def _dense_ranks(values: np.ndarray) -> np.ndarray:
    """Rank by sorting: a search ranks the thresholds of every case and column again and again."""
    order = np.argsort(-values, axis=-1, kind="stable")  # NaN come last
    ordered = np.take_along_axis(values, order, -1)
    before, after = ordered[..., :-1], ordered[..., 1:]
    is_next = (before != after) & ~(np.isnan(before) & np.isnan(after))
    ranks_behind = np.zeros(values.shape)
    ranks_behind[..., 1:] = np.cumsum(is_next, axis=-1)
    ranked = np.empty(values.shape)
    np.put_along_axis(ranked, order, 1.0 + ranks_behind, -1)
    return ranked


def differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return second - first; NaN where either is NaN, 0 where both are the same infinity."""
    with np.errstate(invalid="ignore"):
        return np.where(first == second, 0.0, second - first)


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average (case, column) over columns, leaving NaN out; NaN where a case has no number."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0) @ weights / (known @ weights)


def mean_over_cases(values: np.ndarray) -> np.ndarray:
    """Average over the first axis, leaving NaN out; NaN where no case has a number."""
    known = (~np.isnan(values)).sum(0)
    with np.errstate(invalid="ignore"):
        return np.nansum(values, axis=0) / known


def bootstrap_interval(
    paired: np.ndarray, resamples: int, rng: np.random.Generator, confidence: float = CONFIDENCE
) -> np.ndarray:
    """Return the percentile bootstrap interval of the mean of each row of paired differences.

    Cases are drawn with replacement, the same ones for every row. Rows with fewer than two numbers
    or with an infinite one have no interval.

    Args:
        paired: (case, row); NaN where a case has no difference.

    Returns:
        (2, row): lower and upper end, NaN where there is none.
    """
    known = ~np.isnan(paired)
    usable = (known.sum(0) >= 2) & ~np.isinf(paired).any(0)
    filled = np.where(known & usable, paired, 0.0)
    blocks = bootstrap_weights(len(paired), resamples, rng)
    means = np.concatenate([_means(weights, filled, known) for weights in blocks])
    tail = (1 - confidence) / 2
    interval = np.full((2, paired.shape[1]), np.nan)
    if usable.any():  # a resample may miss the few cases that a row has
        interval[:, usable] = np.nanquantile(means[:, usable], (tail, 1 - tail), axis=0)
    return interval


def bootstrap_weights(cases: int, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield blocks (resample, case) of how often a resample with replacement holds each case."""
    for size in _blocks(resamples, cases):
        indices = rng.integers(0, cases, (size, cases)) + np.arange(size)[:, None] * cases
        counts = np.bincount(indices.ravel(), minlength=size * cases)
        yield counts.reshape(size, cases).astype(float)


def sign_flip_p(paired: np.ndarray, flips: int, rng: np.random.Generator) -> np.ndarray:
    """Return the two-sided p of each row: is the mean of its paired differences zero?

    Under the null hypothesis the two systems may change places in any case, which flips the sign of
    its difference. Where the cases that differ have at most `flips` sign patterns, all are counted
    and p is exact; else `flips` random ones are, and p = (count + 1) / (flips + 1). NaN where a row
    has no number or an infinite one.

    Args:
        paired: (case, row); NaN where a case has no difference.
    """
    known = ~np.isnan(paired)
    filled = np.where(known, paired, 0.0)
    usable = known.any(0) & ~np.isinf(paired).any(0)
    moved = np.count_nonzero(filled, axis=0)
    exact = np.array([2 ** int(count) <= flips for count in moved])
    p = np.full(paired.shape[1], np.nan)
    for row in np.flatnonzero(usable & exact):
        values = filled[filled[:, row] != 0, row][:, None]
        p[row] = _at_least_as_far(values, _all_signs(len(values)))[0] / 2 ** len(values)
    sampled = usable & ~exact
    if sampled.any():
        values = filled[:, sampled]
        count = _at_least_as_far(values, _random_signs(len(values), flips, rng))
        p[sampled] = (count + 1) / (flips + 1)
    return p


def holm(p: np.ndarray) -> np.ndarray:
    """Adjust the p-values of one family for their number (Holm 1979); NaN are no part of it."""
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


@dataclass(frozen=True)
class Estimate:
    """A number, its bootstrap interval (NaN where there are too few cases), and n."""

    value: float
    low: float
    high: float
    n: int


def mean_estimate(values: np.ndarray) -> Estimate:
    """Return the mean of the values (case,) that are not NaN; one infinity makes it infinite."""
    values = values[~np.isnan(values)]
    if values.size == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    return _estimate(lambda rows: rows[..., 0].mean(-1), values[:, None])


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
    indices = np.random.default_rng(SEED).integers(0, n, (RESAMPLES, n))
    resampled = statistic(rows[indices])
    resampled = resampled[~np.isnan(resampled)]
    if resampled.size == 0:
        return Estimate(value, np.nan, np.nan, n)
    tails = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
    # No interpolation: between a finite and an infinite mean it would give NaN.
    low, high = np.quantile(resampled, tails, method="inverted_cdf")
    return Estimate(value, float(low), float(high), n)


def _means(weights: np.ndarray, filled: np.ndarray, known: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (weights @ filled) / (weights @ known.astype(float))


def _at_least_as_far(values: np.ndarray, signs: Iterator[np.ndarray]) -> np.ndarray:
    """Count, for each row of `values` (case, row), the sign patterns whose sum is as far from 0."""
    limit = np.abs(values.sum(0)) - ROUNDING * np.abs(values).sum(0)
    count = np.zeros(values.shape[1])
    for block in signs:
        count += (np.abs(block @ values) >= limit).sum(0)
    return count


def _all_signs(cases: int) -> Iterator[np.ndarray]:
    start = 0
    for size in _blocks(2**cases, max(cases, 1)):
        bits = np.arange(start, start + size)[:, None] >> np.arange(cases) & 1
        yield 1.0 - 2.0 * bits
        start += size


def _random_signs(cases: int, flips: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    for size in _blocks(flips, cases):
        yield 1.0 - 2.0 * rng.integers(0, 2, (size, cases), dtype=np.int8)


def _blocks(total: int, width: int) -> Iterator[int]:
    block = max(1, BLOCK_CELLS // width)
    yield from (min(block, total - start) for start in range(0, total, block))
