"""What WORK/search.json holds."""

from typing import Any

import numpy as np

from lab.metrics.scorer import Scorer
from lab.rule_search.config import SearchConfig
from lab.rule_search.decision import Decision, curves
from lab.rule_search.feature_table import FeatureTable
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import Setting, rules_of
from postprocess.rule_kinds import row_from


def search_content(
    features: FeatureTable,
    cache: ScoreCache,
    config: SearchConfig,
    decision: Decision,
    scorer: Scorer,
) -> dict[str, Any]:
    """Return what later verbs read of a search, and what people look up."""
    fitted, clusters = decision.fitted, decision.assigned.clusters
    held_out = decision.held_out[decision.held_out_method]
    everything = np.arange(len(features.ids))
    thresholds = sum(len(cache.parameters[p].grid) for p in fitted.parameters)

    def rows_of(setting: Setting) -> list[dict[str, Any]]:
        return [row_from(rule) for rule in rules_of(cache.parameters, setting)]

    def rule_set(setting: Setting, cases: np.ndarray) -> dict[str, Any]:
        return {
            "setting": list(setting),
            "rules": rows_of(setting),
            "curves": curves(cache, config, setting, cases, fitted.parameters),
        }

    return {
        "scorer": scorer.name,
        "objective": config.objective,
        "config": config.name,
        "scheme": cache.scheme.name,
        "cases": list(features.ids),
        "ships": decision.ships,
        "pooled_ships": decision.pooled_ships,
        "far": decision.far_record(),
        "k": decision.k,
        "held_out_rules": [rows_of(setting) for setting in held_out.settings],
        "held_out_far": (held_out.clusters < 0).tolist(),
        "held_out_k": decision.held_out["adaptive"].k.tolist(),
        "assigned": clusters.tolist(),
        "points": fitted.model.project(np.nan_to_num(features.rows))[:, :2].tolist(),
        "centres": fitted.model.centres[:, :2].tolist(),
        "parameters": [p.to_json() for p in cache.parameters],
        "searched": list(fitted.parameters),
        "clusters": [
            {"cases": int(n), **rule_set(setting, np.flatnonzero(clusters == k))}
            for k, (n, setting) in enumerate(zip(fitted.sizes, fitted.settings, strict=True))
        ],
        "pooled": rule_set(fitted.pooled, everything),
        "effects": decision.effects,
        "gain_in_sample": decision.gain_in_sample,
        "variants_scored": cache.variants,
        "grid_points": len(everything) * thresholds,
    }
