"""The ranking, means and gains of every group of cases: does the same system lead everywhere?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lab.evaluation.case_groups import Grouping
from lab.evaluation.comparison import Comparison
from lab.evaluation.pair import ALPHA, MEAN_SCORE, Sampling
from lab.evaluation.pair_support import find_support
from lab.evaluation.ranking_methods import case_gains
from lab.evaluation.ranking_stability import kendall_tau_b
from lab.evaluation.seed_floor import SeedFloor
from lab.evaluation.standings import Rule, Standings, stand
from lab.gate import Gate
from lab.statistics import bootstrap_interval, holm, mean_over_cases, sign_flip_p

FEWEST_CASES = Gate(0.0, largest_p=ALPHA).fewest_cases  # below it no p can be small enough
FEWEST_TO_RANK = 2
LOSES = "loses on common support"


@dataclass(frozen=True)
class GroupGain:
    """By how much a system is better than the first one in a group of cases."""

    system: str
    gain: float
    low: float  # of the paired bootstrap interval; NaN below two cases
    high: float
    p: float  # two-sided, by sign flips
    p_holm: float  # adjusted for all groups with a verdict and all systems
    n: int
    verdict: str  # better | worse | not shown | too few cases | in sample | LOSES
    below_floor: bool  # no larger than the difference between seeds


@dataclass(frozen=True)
class Subgroup:
    """One group of cases; what is by system is in the order of the comparison."""

    column: str
    name: str
    cases: int
    standings: Standings | None  # None: too few cases to rank
    tau: float  # Kendall's tau-b with the ranking of all cases
    number: str  # what gains are of
    gains: tuple[GroupGain, ...]  # of every system but the first


def rank_subgroups(
    comparison: Comparison,
    groupings: Sequence[Grouping],
    rule: Rule,
    sampling: Sampling,
    floors: Mapping[str, SeedFloor],
) -> tuple[Subgroup, ...]:
    """Rank the systems in every group, and compare each with the first."""
    overall = stand(comparison, rule).place
    groups = [
        _rank(take_cases(comparison, cases), grouping.column, name, rule, sampling, overall)
        for grouping in groupings
        for name, cases in grouping.groups.items()
    ]
    tested = [
        gain.p if gain.n >= FEWEST_CASES else np.nan for group in groups for gain in group.gains
    ]
    adjusted = iter(holm(np.array(tested, float)).tolist())
    return tuple(
        replace(
            group,
            gains=tuple(
                _judge(replace(gain, p_holm=next(adjusted)), group, floors) for gain in group.gains
            ),
        )
        for group in groups
    )


def take_cases(comparison: Comparison, cases: Sequence[int]) -> Comparison:
    """Return a comparison over some of the cases, without numbers of the whole cohort."""
    index = list(cases)
    return replace(
        comparison,
        cases=tuple(comparison.cases[i] for i in index),
        values=comparison.values[index],
        both_absent=comparison.both_absent[index],
        defined=comparison.defined[index],
        summary_values=comparison.summary_values[:0],
        totals={},
        errors_mm3=comparison.errors_mm3[index][:, :0],
    )


def _rank(
    group: Comparison,
    column: str,
    name: str,
    rule: Rule,
    sampling: Sampling,
    overall: np.ndarray,
) -> Subgroup:
    n = len(group.cases)
    if n < FEWEST_TO_RANK:
        return Subgroup(column, name, n, None, np.nan, "", ())
    standings = stand(group, rule)
    number, gains = case_gains(group, standings, rule)
    names = tuple(group.systems)
    gains = gains[:, : len(names) - 1]  # pairs with the first system come first
    low, high = bootstrap_interval(gains, sampling.resamples, np.random.default_rng(sampling.seed))
    p = sign_flip_p(gains, sampling.flips, np.random.default_rng(sampling.seed))
    means = mean_over_cases(gains)
    rows = tuple(
        GroupGain(
            system=other,
            gain=float(means[i]),
            low=float(low[i]),
            high=float(high[i]),
            p=float(p[i]),
            p_holm=np.nan,
            n=int(np.count_nonzero(~np.isnan(gains[:, i]))),
            verdict=_objection(group, i + 1, gains[:, i], sampling),
            below_floor=False,
        )
        for i, other in enumerate(names[1:])
    )
    tau = float(kendall_tau_b(standings.place[None], overall)[0])
    return Subgroup(column, name, n, standings, tau, number, rows)


def _objection(group: Comparison, other: int, gains: np.ndarray, sampling: Sampling) -> str:
    """Say why gains (case,) over the first system show nothing; "" where nothing is against it."""
    names = tuple(group.systems)
    if {names[0], names[other]} & set(group.in_sample):
        return "in sample"
    if np.count_nonzero(~np.isnan(gains)) < FEWEST_CASES:
        return "too few cases"
    support = find_support(group, (0, other), sampling).get(MEAN_SCORE)
    if support is None:
        return ""
    winner = support if np.nansum(gains) > 0 else support.reverse()
    return LOSES if winner.shows_loss(1) else ""


def _judge(gain: GroupGain, group: Subgroup, floors: Mapping[str, SeedFloor]) -> GroupGain:
    floor = floors.get(group.number)
    below = floor is not None and abs(gain.gain) <= floor.value
    is_significant = gain.p_holm < ALPHA
    verdict = gain.verdict
    if verdict in ("", LOSES) and not is_significant:
        verdict = "not shown"
    elif not verdict:
        verdict = "better" if gain.gain > 0 else "worse"
    return replace(gain, verdict=verdict, below_floor=below)
