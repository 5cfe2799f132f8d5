"""What ships: rules a cluster, one set for all, or nothing, and the numbers behind that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.gate import Gain, Gate
from lab.metrics.objective import POSITIONS, case_objective
from lab.rule_search.cluster_rules import AssignedRules, ClusterRules, apply, fit
from lab.rule_search.common_support import describe_support, rule_support, support_failures
from lab.rule_search.config import SearchConfig
from lab.rule_search.cross_validation import (
    HeldOut,
    case_objectives,
    choose_k,
    cross_validate,
    expected_fits,
)
from lab.rule_search.declared_answer import DeclaredAnswer
from lab.rule_search.effects import effect_table
from lab.rule_search.far_answer import declare_far, leave_out_farthest, with_far_answer
from lab.rule_search.feature_table import FeatureTable
from lab.rule_search.group import Group
from lab.rule_search.loss_limit import LossLimit, describe_loss, rule_losses
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import Setting
from lab.statistics import bootstrap_interval
from postprocess.declared_answers import IDENTITY

CURVE_RESAMPLES = 1000
TIED = 1.5  # mean position of two systems that are equal
# A gain that four decimals do not show is none.
GATE = Gate(least_gain=1e-4)


@dataclass(frozen=True)
class Decision:
    """The fit on all cases, what of it ships, and why."""

    fitted: ClusterRules
    assigned: AssignedRules  # to the same cases
    ships: str  # adaptive | pooled | identity
    pooled_ships: bool  # whether cases that belong to no cluster get the pooled rules
    k: list[dict[str, float]]  # a row for every candidate number of clusters
    effects: list[dict[str, Any]]  # held out; see `effect_table`
    gain_in_sample: float  # of the same rules on the cases they were chosen on
    held_out: Mapping[str, HeldOut]  # method -> what each case gets from what was fitted without it
    far: Mapping[str, DeclaredAnswer]  # method -> what its cases get that belong to no cluster

    @property
    def held_out_method(self) -> str:
        """The method whose held-out labels are shown: what ships, else the best that might have."""
        return "adaptive" if self.ships == "identity" else self.ships

    def far_record(self, is_forced: bool = False) -> dict[str, Any]:
        """Say what a case that belongs to no cluster gets, and what held-out cases say of that.

        Pooled rules only where these ship, so that no other answer counts where they do not.
        """
        declared = self.far["adaptive" if is_forced else self.held_out_method].to_json()
        ships = declared["answer"] if self.pooled_ships or is_forced else IDENTITY
        return {"ships": ships, **declared}


def decide(
    features: FeatureTable, cache: ScoreCache, config: SearchConfig, k: int | None = None
) -> Decision:
    """Choose clusters and rules on all cases, and evaluate that procedure by cross-validation.

    A gated configuration ships rules only where nothing speaks against them; see `failures`.

    Args:
        features: of all cases.
        cache: scores of the same cases, in the same order.
        config: how to fit and choose.
        k: number of clusters; None lets the configuration choose.
    """
    cases = np.arange(len(features.ids))
    count = choose_k(features, cache, config, cases)
    tried = sum(not np.isnan(row["held_out_gain"]) for row in count.candidates)
    cache.progress.expect(expected_fits(tried, len(cases), is_nested=k is None))
    fitted = fit(features, cache, config, cases, k or count.k)
    held_out: dict[str, HeldOut] = {}
    far: dict[str, DeclaredAnswer] = {}
    for name, count_of_method in (("pooled", 1), ("adaptive", k)):
        of_folds = cross_validate(features, cache, config, cases, count_of_method)
        outer = leave_out_farthest(features, cache, config, fitted, count_of_method)
        far[name] = declare_far(cache, config, of_folds, outer, GATE)
        held_out[name] = with_far_answer(of_folds, far[name], cache.no_rules)
    methods = {name: each.settings for name, each in held_out.items()}
    effects = effect_table(cache, config, methods, cases)
    assigned = with_far_answer(apply(features, fitted, cases), far["adaptive"], cache.no_rules)
    for row in effects:
        settings = methods.get(row["method"], [cache.no_rules] * len(cases))
        row["lost"] = describe_loss(rule_losses(cache, settings, cases), assigned.clusters)
        support = rule_support(cache, settings, cases, config.objective, config.seed)
        row["common_support"] = describe_support(support, features.ids)
    clear = {row["method"]: not failures(row, config) for row in effects}
    if not config.gated:
        ships, pooled_ships = "adaptive", True
    else:
        pooled_ships = clear["pooled"]
        is_adaptive = clear["adaptive"] and len(fitted.settings) > 1
        ships = "adaptive" if is_adaptive else "pooled" if pooled_ships else "identity"
    without = case_objectives(cache, config, [cache.no_rules] * len(cases), cases)
    gain = case_objectives(cache, config, assigned.settings, cases) - without
    return Decision(
        fitted=fitted,
        assigned=assigned,
        ships=ships,
        pooled_ships=pooled_ships,
        k=count.candidates,
        effects=effects,
        gain_in_sample=float(gain.mean()),
        held_out=held_out,
        far=far,
    )


def failures(row: Mapping[str, Any], config: SearchConfig) -> tuple[str, ...]:
    """Say why a method of the effect table may not ship; () passes.

    Its held-out gain is to be more than chance and more than nothing, its losses within the limit,
    and it may not lose where both have a score.
    """
    limit = LossLimit(config.lost_at_most)
    words = [*GATE.failures(gain_of(row)), *limit.failures(row["lost"])]
    words += support_failures(row["common_support"])
    if config.objective == POSITIONS and not row["position"] < TIED:
        words.append(f"position {row['position']:.2f} of the cohort's numbers is not below {TIED}")
    return tuple(words)


def gain_of(row: Mapping[str, Any]) -> Gain:
    """Return the held-out gain of a row of the effect table."""
    return Gain(row["gain"], row["low"], row["high"], row["p"], cases=row["cases"])


def curves(
    cache: ScoreCache,
    config: SearchConfig,
    setting: Setting,
    cases: np.ndarray,
    parameters: Sequence[int],
) -> list[dict[str, Any]]:
    """Return, for `parameters`, what each grid point gains over no rule, the others as set.

    Means over `cases` (case,), with a 95 % bootstrap interval.
    """
    weights = np.zeros(len(cache.search_cases))
    weights[cases] = 1 / max(len(cases), 1)
    group = Group(cache, weights, case_objective(config.objective))
    rng = np.random.default_rng(0)
    rows = []
    for parameter in parameters:
        others = (*setting[:parameter], 0, *setting[parameter + 1 :])
        gains = group.gains(others, parameter)
        low, high = bootstrap_interval(gains, CURVE_RESAMPLES, rng)
        rows.append(
            {
                "parameter": parameter,
                "grid_index": setting[parameter],
                "mean": gains.mean(0).tolist(),
                "low": low.tolist(),
                "high": high.tolist(),
            }
        )
    return rows
