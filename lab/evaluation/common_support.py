"""By how much two systems differ where both have a defined score: a gain without its denominator.

A region that neither map holds has no score: 0 of 0 voxels agree. Scorers leave such a case out of
the mean or give it a value by convention. So a rule that deletes false voxels of rightly empty
regions turns zeros into cases that no longer count, or count in full, and the mean rises while no
region is segmented better. On common support the same cases count for both systems.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lab.evaluation.number_text import interval_text, p_text, signed, value_text
from lab.statistics import (
    bootstrap_interval,
    differences,
    mean_over_cases,
    sign_flip_p,
    weighted_mean,
)

MOST_NAMES = 5  # of cases in a sentence


@dataclass(frozen=True)
class CommonSupport:
    """One number of two systems, first and second: as their means are, and on common support."""

    first: float  # mean over the cases that count for this system, as the scorer counts them
    second: float
    n_first: int
    n_second: int
    difference: float  # on common support: mean over its cases of second minus first
    low: float  # of the paired bootstrap interval of `difference`; NaN below two cases
    high: float
    p: float  # two-sided, by sign flips, not adjusted
    n: int  # cases on common support
    left: tuple[int, ...]  # cases (index) with a defined score of the first system only
    entered: tuple[int, ...]  # cases with a defined score of the second only

    @property
    def official(self) -> float:
        """The difference of the means, second minus first."""
        return float(differences(np.array(self.first), np.array(self.second)))

    def reverse(self) -> "CommonSupport":
        """Return the same numbers as first minus second."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            n_first=self.n_second,
            n_second=self.n_first,
            difference=-self.difference,
            low=-self.high,
            high=-self.low,
            left=self.entered,
            entered=self.left,
        )

    def shows_loss(self, sign: int) -> bool:
        """Whether the second system is worse on common support, its interval beyond zero.

        `sign` is 1 where higher is better, -1 where lower is.
        """
        return (self.high if sign > 0 else -self.low) < 0

    def gains_by_denominator(self, sign: int) -> bool:
        """Whether the means show a gain of the second system, and common support a loss."""
        return self.official * sign > 0 and self.shows_loss(sign)


def defined_scores(values: np.ndarray, both_absent: np.ndarray) -> np.ndarray:
    """Return which values are measured scores, and not what a convention gives or leaves out.

    Args:
        values: of any shape; NaN where there is no score.
        both_absent: of the same shape, where neither map holds the region, whatever the value.
    """
    return ~np.isnan(values) & ~both_absent


def common_support(
    values: np.ndarray, defined: np.ndarray, resamples: int, flips: int, seed: int
) -> tuple[CommonSupport, ...]:
    """Compare two systems column by column. All columns meet the same draws.

    Args:
        values: (case, column, 2), as the scorer gives them; NaN leaves a case out of a mean.
        defined: (case, column, 2), as `defined_scores` returns.
        resamples: bootstrap resamples of cases.
        flips: random sign flips at most.
        seed: of both.
    """
    means = mean_over_cases(values)
    counts = (~np.isnan(values)).sum(0)
    paired = _paired(values, defined)
    return _describe(means, counts, paired, defined, (resamples, flips, seed))


def common_support_of_score(
    values: np.ndarray,
    defined: np.ndarray,
    weights: np.ndarray,
    resamples: int,
    flips: int,
    seed: int,
) -> CommonSupport:
    """Compare two systems by one weighted mean of columns, all with the same better direction.

    A case left or entered if it did so in any column; it is on common support where any column is.

    Args:
        values: (case, column, 2), as the scorer gives them; NaN leaves a case out of a mean.
        defined: (case, column, 2), as `defined_scores` returns.
        weights: (column,), of the columns in the mean.
        resamples: bootstrap resamples of cases.
        flips: random sign flips at most.
        seed: of both.
    """
    means = weighted_mean(mean_over_cases(values).T, weights)[None]
    counts = (~np.isnan(values)).any(1).sum(0)[None]
    paired = weighted_mean(_paired(values, defined), weights)[:, None]
    return _describe(means, counts, paired, defined, (resamples, flips, seed))[0]


def support_sentence(support: CommonSupport, what: str, names: tuple[str, str]) -> str:
    """Say both differences of second minus first, and over how many cases each is."""
    first, second = names
    return (
        f"{what}: mean {value_text(support.second)} of {second} (n = {support.n_second}) minus "
        f"{value_text(support.first)} of {first} (n = {support.n_first}) is "
        f"{signed(support.official)}; over the {support.n} cases with a score of both it is "
        f"{signed(support.difference)} {interval_text(support.low, support.high)}, "
        f"p = {p_text(support.p)}"
    )


def moved_sentence(support: CommonSupport, cases: Sequence[str], names: tuple[str, str]) -> str:
    """Name the cases that have a score of one system only; "" where there are none."""
    moved = zip(names, (support.left, support.entered), strict=True)
    return "; ".join(
        f"{len(places)} {'case has' if len(places) == 1 else 'cases have'} a score of {name} only: "
        f"{some_names([cases[place] for place in places])}"
        for name, places in moved
        if places
    )


def some_names(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _paired(values: np.ndarray, defined: np.ndarray) -> np.ndarray:
    """Return second minus first (case, column), NaN where not both have a defined score."""
    paired = differences(values[..., 0], values[..., 1])
    return np.where(defined.all(-1), paired, np.nan)


def _describe(
    means: np.ndarray,
    counts: np.ndarray,
    paired: np.ndarray,
    defined: np.ndarray,
    draws: tuple[int, int, int],
) -> tuple[CommonSupport, ...]:
    """Describe rows: means and counts (row, 2), paired (case, row), defined (case, column, 2)."""
    resamples, flips, seed = draws
    low, high = bootstrap_interval(paired, resamples, np.random.default_rng(seed))
    p = sign_flip_p(paired, flips, np.random.default_rng(seed))
    one_only = defined[..., 0] != defined[..., 1]
    places = []
    for side in range(2):
        only = one_only & defined[..., side]
        if only.shape[1] != paired.shape[1]:  # one row for all columns
            only = only.any(1, keepdims=True)
        places.append([tuple(np.flatnonzero(column).tolist()) for column in only.T])
    return tuple(
        CommonSupport(
            first=float(means[row, 0]),
            second=float(means[row, 1]),
            n_first=int(counts[row, 0]),
            n_second=int(counts[row, 1]),
            difference=float(difference),
            low=float(low[row]),
            high=float(high[row]),
            p=float(p[row]),
            n=int(np.count_nonzero(~np.isnan(paired[:, row]))),
            left=places[0][row],
            entered=places[1][row],
        )
        for row, difference in enumerate(mean_over_cases(paired))
    )
