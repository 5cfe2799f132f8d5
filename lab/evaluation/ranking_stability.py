"""How stable a ranking is: what becomes of it when the test cases are drawn anew.

As challengeR defines it (Wiesenfarth et al., Scientific Reports 11:2369, 2021): a bootstrap sample
holds as many cases as the data, drawn with replacement; each is ranked as the data are; equal
systems share the best of their places; agreement with the ranking of all cases is Kendall's tau-b.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lab.statistics import CONFIDENCE, bootstrap_weights, ranks

# Sums of the same ranks in another order differ by rounding, and must count as equal.
DECIMALS = 9
RANKINGS_AT_ONCE = 200  # fits the processor's cache

# From how often each case is drawn (resample, case) to the number that decides (resample, system),
# lower is better.
Criterion = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Stability:
    """Places of systems by one way to rank: of all cases, and of every resample of cases."""

    method: str
    full: np.ndarray  # (system,), 1 is best
    places: np.ndarray  # (resample, system)

    @property
    def frequency(self) -> np.ndarray:
        """Return the share of resamples (system, place) in which a system takes each place."""
        taken = np.arange(1, len(self.full) + 1)
        return (self.places[..., None] == taken).mean(0)

    @property
    def first(self) -> np.ndarray:
        """Return the share of resamples (system,) in which a system is first, alone or shared."""
        return self.frequency[:, 0]

    @property
    def median(self) -> np.ndarray:
        """Return the median place (system,) over resamples."""
        return np.median(self.places, axis=0)

    @property
    def interval(self) -> np.ndarray:
        """Return the percentile interval (2, system) of the place."""
        tail = (1 - CONFIDENCE) / 2
        return np.quantile(self.places, (tail, 1 - tail), axis=0)

    @property
    def tau(self) -> np.ndarray:
        """Return Kendall's tau-b (resample,) of each resample with the ranking of all cases.

        NaN where all systems share one place.
        """
        return kendall_tau_b(self.places, self.full)


def resample_ranking(
    method: str, criterion: Criterion, cases: int, resamples: int, seed: int
) -> Stability:
    """Rank all cases, and as many bootstrap samples of them as wanted.

    Every method that is asked with the same seed meets the same samples.
    """
    rng = np.random.default_rng(seed)
    blocks = [
        places_of(criterion(part))
        for block in bootstrap_weights(cases, resamples, rng)
        for part in np.array_split(block, -(-len(block) // RANKINGS_AT_ONCE))
    ]
    full = places_of(criterion(np.ones((1, cases))))[0]
    return Stability(method, full, np.concatenate(blocks))


def places_of(criterion: np.ndarray) -> np.ndarray:
    """Return the places (..., system) by a number of which lower is better; equal ones share."""
    return ranks(-criterion.round(DECIMALS), "competition").astype(int)


def kendall_tau_b(places: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return Kendall's tau-b (resample,) between rankings (resample, system) and one (system,)."""
    first, second = np.triu_indices(len(reference), 1)
    signs = np.sign(places[:, first] - places[:, second])
    expected = np.sign(reference[first] - reference[second])
    untied = np.abs(signs).sum(1) * np.abs(expected).sum()
    with np.errstate(invalid="ignore"):
        return (signs @ expected) / np.sqrt(untied)


def mean_of_ranks(case_ranks: np.ndarray) -> Criterion:
    """Return what ranks first and averages then: the mean over cases of ranks (case, system)."""

    def criterion(weights: np.ndarray) -> np.ndarray:
        return weights @ case_ranks / weights.sum(1, keepdims=True)

    return criterion


def resampled_means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the means (resample, column, system) of values (case, column, system) without NaN.

    NaN where a resample holds no number, infinite where it holds an infinite one.
    """
    flat = values.reshape(len(values), -1)
    finite = np.isfinite(flat)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (weights @ np.where(finite, flat, 0.0)) / (
            weights @ (~np.isnan(flat)).astype(float)
        )
    for infinity in (np.inf, -np.inf):
        columns = np.flatnonzero((flat == infinity).any(0))
        held = weights @ (flat[:, columns] == infinity).astype(float) > 0
        means[:, columns] = np.where(held, infinity, means[:, columns])
    return means.reshape(-1, *values.shape[1:])
