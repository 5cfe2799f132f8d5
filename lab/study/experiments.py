"""The experiments that the paper asks for, each a function from planted cohorts to numbers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from lab.metrics.objective import SEARCH_OBJECTIVES, objective_values
from lab.rule_search.clustering import assign, fit_space, with_clusters
from lab.rule_search.cross_validation import Cohort, HeldOut, apply, cross_fit, judged
from lab.rule_search.decision import Decision, decide
from lab.rule_search.effects import CHANGED, effect_table, gain_of
from lab.rule_search.search_space import Setting, rules_of
from lab.rule_search.summary import rules_in_words
from lab.study.cohorts import SCHEME, Planted, make_planted, with_groups, with_parameters
from lab.study.planted import SPACING_MM, PlantedCluster
from postprocess.apply_rules import apply_rules

VOXEL_MM3 = float(np.prod(SPACING_MM))
GROUPS = (("radiomic",), ("radiomic", "mask"), ("radiomic", "mask", "probability"),
          ("radiomic", "mask", "probability", "votes"))  # fmt: skip
MOST_ROUNDS = 4
SEEDS = 10


def everyone(cohort: Cohort) -> np.ndarray:
    """Return the numbers of all cases."""
    return np.arange(len(cohort.table.ids))


def compare_methods(planted: Planted) -> list[dict[str, Any]]:
    """Compare doing nothing, one rule set for all, and one a cluster, sizes and shares apart."""
    cohort, cases = planted.cohort, everyone(planted.cohort)
    sizes, shares = with_parameters(cohort, "size"), with_parameters(cohort, "share")
    methods = {
        "one global pcc": cross_fit(sizes, cases, 1),
        "adaptive pcc": cross_fit(sizes, cases, None),
        "global lblredef": cross_fit(shares, cases, 1),
        "adaptive lblredef": cross_fit(shares, cases, None),
        "global, both": cross_fit(cohort, cases, 1),
        "adaptive, both": cross_fit(cohort, cases, None),
    }
    rows = effect_table(cohort, {name: held.settings for name, held in methods.items()}, cases)
    return [{**row, "k": _k(methods.get(row["method"]))} for row in rows]


def compare_pairs(planted: Planted) -> list[dict[str, Any]]:
    """Put intervals on the differences that matter: adaptive over global, global over nothing."""
    cohort, cases = planted.cohort, everyone(planted.cohort)
    values = {
        "identity": judged(cohort, [cohort.cache.nothing] * len(cases), cases),
        "global": judged(cohort, cross_fit(cohort, cases, 1).settings, cases),
        "adaptive": judged(cohort, cross_fit(cohort, cases, None).settings, cases),
    }
    rng = np.random.default_rng(0)
    return [
        {"method": method, "over": other, **gain_of(values[method] - values[other], rng)}
        for method, other in (("global", "identity"), ("adaptive", "global"))
    ]


def compare_configs(
    clusters: Sequence[PlantedCluster], cases: int, seed: int, validated: tuple[Planted, Decision]
) -> list[dict[str, Any]]:
    """Compare the published configuration with ours on the same cases: promised and kept."""
    published = make_planted(clusters, cases, seed, "published")
    rows = []
    for planted, decision in (validated, (published, decide(published.cohort))):
        held_out = next(row for row in decision.effects if row["method"] == "adaptive")
        rows.append(
            {
                "config": planted.cohort.config.name,
                "k": len(decision.fitted.settings),
                "agreement": _agreement(planted, decision.clusters),
                "in_sample": decision.gain_in_sample,
                **{key: held_out[key] for key in ("gain", "low", "high", "better", "worse")},
                "mean_rank": held_out["mean_rank"],
                "ships": decision.ships,
            }
        )
    return rows


def compare_objectives(planted: Planted) -> dict[str, Any]:
    """Choose by ranking, Dice, NSD and both; judge each by all of them (the paper's question 1)."""
    cases, found = everyone(planted.cohort), {}
    for objective in SEARCH_OBJECTIVES:
        found[objective] = cross_fit(replace(planted.cohort, objective=objective), cases, None)
    methods = {name: held.settings for name, held in found.items()}
    cohort, rng = planted.cohort, np.random.default_rng(0)
    nothing = cohort.cache.scores([cohort.cache.nothing] * len(cases), cases)[:, None]
    rows = []
    for row in effect_table(cohort, methods, cases)[1:]:
        scores = cohort.cache.scores(methods[row["method"]], cases)[:, None]
        judges = {}
        for judge in ("dice", "nsd", "overlap"):
            before, after = (
                objective_values(s, cohort.cache.columns, judge) for s in (nothing, scores)
            )
            judges[judge] = gain_of((after - before)[:, 0], rng)
        rows.append({"objective": row["method"], "mean_rank": row["mean_rank"], "judges": judges})
    overlap = cohort.cache.scores(methods["overlap"], cases)[:, None]
    dice, nsd = (
        np.subtract(
            *(objective_values(s, cohort.cache.columns, judge)[:, 0] for s in (overlap, nothing))
        )
        for judge in ("dice", "nsd")
    )
    opposite = (np.sign(dice) != np.sign(nsd)) & (np.minimum(abs(dice), abs(nsd)) > CHANGED)
    same = {
        f"{a} and {b}": float(
            np.mean([x == y for x, y in zip(methods[a], methods[b], strict=True)])
        )
        for a in methods
        for b in methods
        if a < b
    }
    return {
        "rows": rows,
        "cases_with_equal_rules": same,
        "dice_against_nsd": {
            "spearman": float(spearmanr(dice, nsd)[0]),
            "opposite": int(opposite.sum()),
        },
    }


def compare_features(planted: Planted) -> list[dict[str, Any]]:
    """Add priors group by group: what they do to clusters and gains (the paper's question 2)."""
    rows = []
    for groups in GROUPS:
        cohort = with_groups(planted, groups)
        decision = decide(cohort)
        row = next(row for row in decision.effects if row["method"] == "adaptive")
        rows.append(
            {
                "groups": list(groups),
                "features": len(cohort.table.names),
                "k": len(decision.fitted.settings),
                "agreement": _agreement(planted, decision.clusters),
                **{key: row[key] for key in ("gain", "low", "high")},
            }
        )
    return rows


def repeat_rounds(
    clusters: Sequence[PlantedCluster], planted: Planted, seed: int
) -> list[dict[str, Any]]:
    """Describe the refined masks again and choose again, until nothing changes (question 3)."""
    cases = everyone(planted.cohort)
    first = judged(planted.cohort, [planted.cohort.cache.nothing] * len(cases), cases)
    rows, rng, now = [], np.random.default_rng(0), planted
    for number in range(1, MOST_ROUNDS + 1):
        held = cross_fit(now.cohort, cases, None)
        changed = [_refined(now, i, setting) for i, setting in enumerate(held.settings)]
        moved = sum(
            not np.array_equal(after, before)
            for after, (before, _) in zip(changed, now.pairs, strict=True)
        )
        gain = judged(now.cohort, held.settings, cases) - first
        rows.append({"round": number, "changed_cases": moved, **gain_of(gain, rng)})
        if not moved:
            break
        now = make_planted(clusters, len(cases), seed, "validated", changed)
    return rows


def check_stability(planted: Planted, decision: Decision, shifted: Planted) -> dict[str, Any]:
    """Cluster from other seeds, and take the frozen chain and rules to another hospital."""
    from sklearn.metrics import adjusted_rand_score

    cohort, table = planted.cohort, planted.cohort.table
    k = len(decision.fitted.settings)
    space = fit_space(table.rows, table.names, cohort.config)
    seeds = [
        adjusted_rand_score(
            decision.clusters, assign(with_clusters(space, table.rows, k, seed), table.rows)[0]
        )
        for seed in range(1, 1 + SEEDS)
    ]
    other = replace(shifted.cohort, table=shifted.features.named(table.names))
    other = replace(other, cache=replace_parameters(other, cohort))
    cases = everyone(other)
    settings, found = apply(other, decision.fitted, cases)
    nothing = judged(other, [other.cache.nothing] * len(cases), cases)
    pooled = judged(other, [decision.fitted.pooled] * len(cases), cases)
    rng = np.random.default_rng(0)
    return {
        "seeds": seeds,
        "shifted_agreement": _agreement(shifted, found),
        "shifted_fallbacks": int((found < 0).sum()),
        "shifted_cases": len(cases),
        "shifted_gain": gain_of(judged(other, settings, cases) - nothing, rng),
        "shifted_gain_pooled": gain_of(pooled - nothing, rng),
    }


def replace_parameters(other: Cohort, cohort: Cohort) -> Any:
    """Return the score cache of other cases with this cohort's parameters."""
    return type(other.cache)(
        other.cache.search_cases, cohort.cache.parameters, cohort.cache.columns, cohort.cache.scheme
    )


def check_null(clusters: Sequence[PlantedCluster], cases: int, seed: int) -> dict[str, Any]:
    """Search where nothing is to be gained, and say what ships."""
    planted = make_planted(clusters, cases, seed)
    decision = decide(planted.cohort)
    row = next(row for row in decision.effects if row["method"] == "adaptive")
    return {
        "seed": seed,
        "ships": decision.ships,
        "in_sample": decision.gain_in_sample,
        **{key: row[key] for key in ("gain", "low", "high")},
    }


def describe_decision(planted: Planted, decision: Decision) -> dict[str, Any]:
    """Say which rules each cluster got, and what ships."""
    parameters = planted.cohort.cache.parameters
    return {
        "ships": decision.ships,
        "agreement": _agreement(planted, decision.clusters),
        "k": decision.k,
        "clusters": [
            {"cases": int(n), "rules": rules_in_words(parameters, setting)}
            for n, setting in zip(decision.fitted.sizes, decision.fitted.settings, strict=True)
        ],
        "pooled": rules_in_words(parameters, decision.fitted.pooled),
        "variants_scored": planted.cohort.cache.states,
    }


def _refined(planted: Planted, case: int, setting: Setting) -> np.ndarray:
    rules = rules_of(planted.cohort.cache.parameters, setting)
    return apply_rules(planted.pairs[case][0], rules, SCHEME, SPACING_MM).labels


def _agreement(planted: Planted, found: np.ndarray) -> float:
    """Return the adjusted Rand index between planted and found clusters."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(planted.clusters, found))


def _k(held: HeldOut | None) -> list[int]:
    return [] if held is None else sorted(set(held.k.tolist()))
