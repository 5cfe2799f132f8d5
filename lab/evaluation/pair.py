"""Two systems: every number of theirs side by side, and which of the two is better."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lab.evaluation.common_support import CommonSupport

ALPHA = 0.05
# In a pair, the ranks are between these two alone, so that no third system changes the answer; the
# difference of the ranking's own mean ranks, which are among all, stands beside it.
MEAN_RANK, MEAN_SCORE, RANK_AMONG_ALL = "mean rank", "mean score", "rank among all"


@dataclass(frozen=True)
class Sampling:
    """How many random draws the intervals and tests take."""

    resamples: int = 10_000
    flips: int = 10_000
    seed: int = 0
    rankings: int = 1000  # resamples of cases that are ranked anew


@dataclass(frozen=True)
class PairedDifference:
    """One number of two systems, case by case."""

    what: str
    better: str  # higher | lower
    first: float  # means of the two over the cases and columns where both have a number
    second: float
    difference: float  # mean over cases, second minus first
    low: float
    high: float
    p: float
    p_holm: float
    n: int  # cases where both have a number
    n_better: int  # of these, cases where the second is better
    n_worse: int

    @property
    def is_significant(self) -> bool:
        """Whether the two differ by more than chance explains."""
        return self.p_holm < ALPHA

    @property
    def second_wins(self) -> bool:
        """Whether the difference is in favour of the second system."""
        return (self.difference > 0) == (self.better == "higher")

    def reverse(self) -> "PairedDifference":
        """Return the same comparison as first minus second."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            difference=-self.difference,
            low=-self.high,
            high=-self.low,
            n_better=self.n_worse,
            n_worse=self.n_better,
        )


@dataclass(frozen=True)
class Pair:
    """Two systems, compared by the rows that `row_names` tells."""

    first: str
    second: str
    comparisons: tuple[PairedDifference, ...]
    in_sample: tuple[str, ...] = ()  # why a difference shows nothing, in words; () where it does
    # What is compared -> its common support, where some case has a score of one system only.
    support: Mapping[str, CommonSupport] = field(default_factory=dict)

    @property
    def overall(self) -> tuple[PairedDifference, ...]:
        """The rows that decide who is better: the mean score, where there is one, and the rank."""
        return tuple(row for row in self.comparisons if row.what in (MEAN_SCORE, MEAN_RANK))

    @property
    def winners(self) -> frozenset[str]:
        """Systems that score or rank show to be better: none, one, or both in contradiction."""
        return self._better - self.withheld

    @property
    def withheld(self) -> frozenset[str]:
        """Systems that would be better, but score worse where both have a score, beyond doubt."""
        support = self.support.get(MEAN_SCORE)
        if support is None:
            return frozenset()
        sides = ((self.second, support), (self.first, support.reverse()))
        return self._better & {name for name, side in sides if side.shows_loss(1)}

    @property
    def _better(self) -> frozenset[str]:
        shown_by = (row for row in self.overall if row.is_significant)
        return frozenset(self.second if row.second_wins else self.first for row in shown_by)
