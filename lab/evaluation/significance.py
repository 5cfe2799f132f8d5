"""Which systems are significantly better than which: Wilcoxon's test of every ordered pair.

As challengeR tests (Wiesenfarth et al. 2021; R's `wilcox.test(paired = TRUE, exact = FALSE)`): the
one-sided signed rank test by its normal approximation, equal values left out, variance corrected
for ties, with continuity correction. Its significance map adjusts by Holm over all ordered pairs;
its test-based ranking (`testThenRank`) counts wins without adjustment.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import ndtr

from lab.evaluation.ranking_stability import Criterion
from lab.statistics import holm

LARGEST_P = 0.05  # a win; challengeR counts p = 0.05 as one
DECIMALS = 12  # differences that differ by rounding are ties


@dataclass(frozen=True)
class Significance:
    """One-sided p-values (system, system): the system of the row is better than the column's."""

    number: str  # of each case, that is tested
    p: np.ndarray  # NaN on the diagonal
    p_holm: np.ndarray

    @property
    def wins(self) -> np.ndarray:
        """Return how many systems each one beats, unadjusted (system,)."""
        return (self.p <= LARGEST_P).sum(1)

    @property
    def wins_holm(self) -> np.ndarray:
        """Return how many systems each one beats after Holm (system,)."""
        return (self.p_holm <= LARGEST_P).sum(1)


def significance(number: str, gains: np.ndarray, systems: int) -> Significance:
    """Test every ordered pair.

    Args:
        number: what is tested, in words.
        gains: (case, pair), by how much the second of a pair is better; NaN where it is not known.
            Pairs in the order of `itertools.combinations`.
        systems: how many there are.
    """
    first, second = wilcoxon_p(gains, np.ones((1, len(gains))))[..., 0]
    p = np.full((systems, systems), np.nan)
    for i, (a, b) in enumerate(combinations(range(systems), 2)):
        p[a, b], p[b, a] = first[i], second[i]
    return Significance(number, p, holm(p.ravel()).reshape(p.shape))


def minus_wins(gains: np.ndarray, systems: int) -> Criterion:
    """Return what ranks by the number of significant wins, most first."""
    pairs = np.array(list(combinations(range(systems), 2)))

    def criterion(weights: np.ndarray) -> np.ndarray:
        first_wins, second_wins = wilcoxon_p(gains, weights) <= LARGEST_P
        wins = np.zeros((systems, len(weights)))
        np.add.at(wins, pairs[:, 0], first_wins)
        np.add.at(wins, pairs[:, 1], second_wins)
        return -wins.T

    return criterion


def wilcoxon_p(gains: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return one-sided p-values (2, pair, resample): the first is better, the second is better.

    Where all differences are zero neither is: both are 1.

    Args:
        gains: (case, pair), by how much the second is better; NaN where it is not known.
        weights: (resample, case), how often a resample holds each case.
    """
    counts = np.ascontiguousarray(weights.T)
    p = np.ones((2, gains.shape[1], len(weights)))
    for pair, column in enumerate(gains.T.round(DECIMALS)):
        moved = np.flatnonzero(np.nan_to_num(column))
        order = moved[np.argsort(np.abs(column[moved]), kind="stable")]
        if len(order):
            p[:, pair] = _signed_rank_p(column[order], counts[order])
    return p


def _signed_rank_p(gains: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return p (2, resample) of gains (case,) sorted by size, drawn `counts` (case, resample)."""
    positive = counts * (gains > 0)[:, None]
    starts = np.flatnonzero(np.diff(np.abs(gains), prepend=np.nan) != 0)
    if len(starts) < len(gains):  # cases of equal size are one group, and share its mean rank
        counts, positive = (np.add.reduceat(each, starts) for each in (counts, positive))
    ends = np.cumsum(counts, axis=0)
    n = ends[-1].copy()
    total = n * (n + 1) / 2
    ends -= (counts - 1) / 2
    of_positive = np.einsum("gr,gr->r", positive, ends)
    ties = np.einsum("gr,gr,gr->r", counts, counts, counts) - n
    variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48
    deviation = of_positive - total / 2
    sides = np.stack([-deviation, deviation]) - 0.5
    with np.errstate(invalid="ignore", divide="ignore"):
        z = sides / np.sqrt(variance)
    return np.where(variance > 0, ndtr(-z), 1.0)
