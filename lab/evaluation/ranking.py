"""Everything that `python -m lab rank` finds out about a comparison of systems."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lab.evaluation.case_groups import Grouping
from lab.evaluation.comparison import Comparison
from lab.evaluation.pair import Pair, Sampling
from lab.evaluation.paired import compare
from lab.evaluation.ranking_methods import case_gains, criteria
from lab.evaluation.ranking_stability import Stability, resample_ranking
from lab.evaluation.results import Results
from lab.evaluation.seed_floor import SeedFloor, seed_floors
from lab.evaluation.significance import Significance, significance
from lab.evaluation.standings import Rule, Standings, stand
from lab.evaluation.subgroups import Subgroup, rank_subgroups
from lab.evaluation.tiers import Tiers, find_tiers


@dataclass(frozen=True)
class Ranking:
    """Who stands where, how surely, and how any two systems compare."""

    comparison: Comparison
    rule: Rule
    sampling: Sampling
    standings: Standings
    pairs: tuple[Pair, ...]
    stability: tuple[Stability, ...]  # by each way to rank
    significance: Significance
    tiers: Tiers
    floors: Mapping[str, SeedFloor]
    groupings: tuple[Grouping, ...]
    subgroups: tuple[Subgroup, ...]  # of every grouping, in their order

    @property
    def names(self) -> tuple[str, ...]:
        """Systems in the order of their columns."""
        return tuple(self.comparison.systems)

    @property
    def order(self) -> list[int]:
        """Systems in the order of their places."""
        return [int(i) for i in np.argsort(self.standings.place, kind="stable")]


def rank_systems(
    comparison: Comparison,
    rule: Rule,
    sampling: Sampling,
    seeds: Mapping[Path, Results],
    groupings: tuple[Grouping, ...] = (),
    accept_in_sample: bool = False,
) -> Ranking:
    """Rank systems, rank them anew on resamples and groups of cases, and compare every two.

    Args:
        comparison: the systems.
        rule: how values become ranks.
        sampling: draws of intervals, tests and resampled rankings.
        seeds: results of two or more seeds of one of the systems; {}: no floor.
        groupings: of the comparison's cases.
        accept_in_sample: give verdicts on systems that were fitted on the cases, too.
    """
    standings = stand(comparison, rule)
    verdicts = replace(comparison, in_sample={}) if accept_in_sample else comparison
    number, gains = case_gains(comparison, standings, rule)
    floors = seed_floors(seeds, comparison, rule) if seeds else {}
    cases, resamples = len(comparison.cases), sampling.rankings
    return Ranking(
        comparison=comparison,
        rule=rule,
        sampling=sampling,
        standings=standings,
        pairs=compare(verdicts, standings, rule, sampling),
        stability=tuple(
            resample_ranking(method, criterion, cases, resamples, sampling.seed)
            for method, criterion in criteria(comparison, standings, rule, gains).items()
        ),
        significance=significance(number, gains, len(comparison.systems)),
        tiers=find_tiers(standings.case_ranks, sampling.flips, sampling.seed),
        floors=floors,
        groupings=groupings,
        subgroups=rank_subgroups(verdicts, groupings, rule, sampling, floors),
    )
