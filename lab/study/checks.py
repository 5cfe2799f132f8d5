"""Checks of a search: other seeds, another hospital, and cohorts where nothing is to be gained."""

from dataclasses import replace
from typing import Any

import numpy as np

from lab.rule_search.cluster_rules import apply
from lab.rule_search.clustering import assign, fit_space, with_clusters
from lab.rule_search.decision import Decision, decide
from lab.rule_search.effects import gain_statistics
from lab.study.cohorts import Planted, make_planted
from lab.study.experiments import adaptive_row, agreement, objectives
from lab.study.planted import PlantedCohort

SEEDS = 10


def check_stability(planted: Planted, decision: Decision, shifted: Planted) -> dict[str, Any]:
    """Cluster from other seeds, and take the fitted clusters and rules to another hospital."""
    from sklearn.metrics import adjusted_rand_score

    rows, names = planted.features.rows, planted.features.names
    k = len(decision.fitted.settings)
    space = fit_space(rows, names, planted.config)
    seeds = [
        adjusted_rand_score(
            decision.assigned.clusters, assign(with_clusters(space, rows, k, seed), rows)[0]
        )
        for seed in range(1, 1 + SEEDS)
    ]
    shifted = replace(shifted, features=shifted.all_features.named(names))
    assigned = apply(shifted.features, decision.fitted, shifted.cases)
    without = objectives(shifted, [shifted.cache.no_rules] * len(shifted.cases))
    pooled = objectives(shifted, [decision.fitted.pooled] * len(shifted.cases))
    rng = np.random.default_rng(0)
    return {
        "seeds": seeds,
        "shifted_agreement": agreement(shifted, assigned.clusters),
        "shifted_fallbacks": int((assigned.clusters < 0).sum()),
        "shifted_cases": len(shifted.cases),
        "shifted_gain": gain_statistics(objectives(shifted, assigned.settings) - without, rng),
        "shifted_gain_pooled": gain_statistics(pooled - without, rng),
    }


def check_null(cohort: PlantedCohort, cases: int) -> dict[str, Any]:
    """Search where nothing is to be gained, and say what ships."""
    planted = make_planted(cohort, cases)
    decision = decide(planted.features, planted.cache, planted.config)
    row = adaptive_row(decision)
    return {
        "seed": cohort.seed,
        "ships": decision.ships,
        "in_sample": decision.gain_in_sample,
        **{key: row[key] for key in ("gain", "low", "high")},
    }
