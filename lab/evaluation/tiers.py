"""Tiers: systems that the test cases do not tell from the best of them, as BraTS groups teams.

BraTS 2026 (Synapse wiki syn74274097, "Ranking details"): teams in ranked order, their rankings
randomly permuted in a pair-wise manner 500,000 times, the p-values in an upper triangular matrix,
and teams that are not significantly different "grouped together in tiers". What is permuted is in
the paper of BraTS 2018 (Bakas et al., arXiv 1811.02629): for two teams, which of the two cumulative
ranks of a patient is whose; p is the share of permutations whose difference of final ranking
scores is beyond the observed one, in the direction of the ranked order.

The texts leave open what follows, and this is chosen here. A tier starts with the best system that
is in none, and goes on down the ranking until one is significantly worse than that best one, at
p < 0.05 without adjustment for the number of pairs. A permutation that gives the same difference
counts as beyond. A case's cumulative rank is the ranking's: the mean over the metrics of a region,
then over regions, which is the sum of ranks where regions have the same metrics.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lab.statistics import mean_over_cases, sign_flip_p

LARGEST_P = 0.05
DECIMALS = 12  # the same ranks in another order have a sum that differs by rounding


@dataclass(frozen=True)
class Tiers:
    """Systems by tier, the best first."""

    order: tuple[int, ...]  # systems from the best mean rank to the worst
    tier: np.ndarray  # (system,), 1 is the best
    # (system, system): p that the system of the row is ahead of the column's; NaN where it is not.
    p: np.ndarray

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Return the systems of every tier, best first."""
        return tuple(
            tuple(system for system in self.order if self.tier[system] == number)
            for number in range(1, int(self.tier.max()) + 1)
        )

    @property
    def apart_within(self) -> tuple[tuple[int, int], ...]:
        """Return pairs of one tier whose first is significantly ahead, neither the tier's best."""
        return tuple(
            (a, b)
            for group in self.groups
            for a, b in combinations(group[1:], 2)
            if self.p[a, b] < LARGEST_P
        )


def find_tiers(case_ranks: np.ndarray, flips: int, seed: int) -> Tiers:
    """Group systems by pairwise permutation tests of their cumulative ranks.

    Args:
        case_ranks: (case, system), lower is better.
        flips: random permutations a pair; all of them where the cases that differ allow no more.
        seed: of the permutations; all pairs meet the same.
    """
    means = mean_over_cases(case_ranks)
    order = np.argsort(means.round(DECIMALS), kind="stable")
    pairs = list(combinations(order.tolist(), 2))
    behind = np.column_stack([case_ranks[:, b] - case_ranks[:, a] for a, b in pairs])
    # The null distribution is symmetric: one side has half of what both have.
    p_one_sided = sign_flip_p(behind.round(DECIMALS), flips, np.random.default_rng(seed)) / 2
    p = np.full((len(order), len(order)), np.nan)
    for (a, b), value in zip(pairs, p_one_sided, strict=True):
        p[a, b] = value
    tier = np.ones(len(order), int)
    best, number = order[0], 1
    for system in order[1:]:
        if p[best, system] < LARGEST_P:
            best, number = system, number + 1
        tier[system] = number
    return Tiers(tuple(order.tolist()), tier, p)
