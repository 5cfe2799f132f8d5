"""What a case gets that lies far from all others: the pooled rules, or its labels as predicted.

Held-out cases decide: those that belong to no cluster of the fold that left them out, and of the
outermost fifth of all cases those that belong to none of a fit without that fifth. Folds at random
leave out few cases that are unlike all others, and none where there are several of a kind.
"""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from lab.gate import Gate
from lab.rule_search.cluster_rules import AssignedRules, ClusterRules, apply, fit
from lab.rule_search.clustering import assign
from lab.rule_search.config import SearchConfig
from lab.rule_search.cross_validation import FOLDS, HeldOut, case_objectives, choose_k
from lab.rule_search.declared_answer import DeclaredAnswer, declare
from lab.rule_search.feature_table import FeatureTable
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import Setting
from postprocess.declared_answers import POOLED

FEWEST = 3  # different cases that are left to fit without the outermost ones
NO_CASE = "no held-out case lies far from the others"
NO_LIMIT = "the configuration takes no case for far"


@dataclass(frozen=True)
class Outermost:
    """The cases farthest out, and what a fit without them gives them; all (case,)."""

    cases: np.ndarray
    assigned: AssignedRules


def declare_far(
    cache: ScoreCache,
    config: SearchConfig,
    held_out: HeldOut,
    outer: Outermost | None,
    gate: Gate,
) -> DeclaredAnswer:
    """Choose a method's answer to far cases.

    Args:
        cache: scores of all cases.
        config: whose objective is reported and whose seed the bootstrap has.
        held_out: what each case gets from what was fitted without it.
        outer: what the outermost cases get; None where these were not left out.
        gate: what the labels as predicted have to pass.
    """
    gains = far_gains(cache, config, held_out, outer)
    if_none = NO_CASE if config.gated else NO_LIMIT
    return declare(POOLED, gains, gate, config.seed, if_none)


def leave_out_farthest(
    features: FeatureTable,
    cache: ScoreCache,
    config: SearchConfig,
    fitted: ClusterRules,
    k: int | None,
) -> Outermost | None:
    """Fit without the outermost cases, and apply that to them.

    None where no case can be far, or too few others differ.

    Args:
        features: of all cases.
        cache: scores of the same cases, in the same order.
        config: how to fit and choose.
        fitted: on all of them; says which lie farthest out.
        k: number of clusters; None chooses it without the outermost cases.
    """
    outer = farthest(features, fitted)
    rest = np.setdiff1d(np.arange(len(features.ids)), outer)
    different = np.unique(features.rows[rest[features.described[rest]]], axis=0)
    if not config.gated or not len(outer) or len(different) < FEWEST:
        return None
    count = choose_k(features, cache, config, rest).k if k is None else min(k, len(different))
    assigned = apply(features, fit(features, cache, config, rest, count), outer)
    cache.progress.fitted()
    return Outermost(outer, assigned)


def farthest(features: FeatureTable, fitted: ClusterRules) -> np.ndarray:
    """Return the numbers (case,) of the fifth of all cases with features that is farthest out.

    A distance from a centre counts by how far from it a case may lie.
    """
    described = np.flatnonzero(features.described)
    nearest, distances = assign(fitted.model, features.rows[described])
    limits = fitted.max_distance[nearest]
    ratios = np.divide(distances, limits, out=np.zeros(len(limits)), where=limits > 0)
    return np.sort(described[np.argsort(-ratios, kind="stable")[: len(described) // FOLDS]])


def far_gains(
    cache: ScoreCache, config: SearchConfig, held_out: HeldOut, outer: Outermost | None
) -> np.ndarray:
    """Return what the labels as predicted gain over the pooled rules (case,), where case is far.

    A case that is far both in its fold and among the outermost counts once, by its fold.
    """
    pooled = _of_no_cluster(outer.cases, outer.assigned) if outer else {}
    pooled |= _of_no_cluster(np.arange(len(held_out.settings)), held_out)
    numbers = np.array(sorted(pooled), int)
    if not config.gated or not pooled:
        return np.zeros(0)
    as_predicted, by_rules = (
        case_objectives(cache, config, settings, numbers)
        for settings in ([cache.no_rules] * len(numbers), [pooled[n] for n in numbers.tolist()])
    )
    return np.asarray(as_predicted - by_rules)


Assigned = TypeVar("Assigned", AssignedRules, HeldOut)


def with_far_answer(assigned: Assigned, declared: DeclaredAnswer, no_rules: Setting) -> Assigned:
    """Return what each case gets: no rules, where it is far and such labels stay as predicted."""
    return spare_far(assigned, no_rules) if declared.is_as_predicted else assigned


def spare_far(assigned: Assigned, no_rules: Setting) -> Assigned:
    """Return what each case gets if those of no cluster get no rules."""
    pairs = zip(assigned.settings, assigned.clusters, strict=True)
    return replace(assigned, settings=[s if cluster >= 0 else no_rules for s, cluster in pairs])


def _of_no_cluster(cases: np.ndarray, assigned: AssignedRules | HeldOut) -> dict[int, Setting]:
    """Return the number and the setting of each of `cases` (case,) that belongs to no cluster."""
    rows = zip(cases.tolist(), assigned.settings, assigned.clusters.tolist(), strict=True)
    return {number: setting for number, setting, cluster in rows if cluster < 0}
