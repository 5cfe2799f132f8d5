"""The experiments of arXiv 2512.14937, each a function from cohorts to numbers.

Several compare with what the configuration's own search decides, so they take its decision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from lab.metrics.objective import objective_values
from lab.rule_search.common_support import support_line
from lab.rule_search.config import SearchConfig
from lab.rule_search.cross_validation import HeldOut, case_objectives, cross_validate
from lab.rule_search.decision import Decision, decide
from lab.rule_search.effects import CHANGED, effect_table, gain_statistics
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import Setting, rules_of
from lab.rule_search.summary import gate_lines, rules_in_words
from lab.study.cohorts import (
    SCHEME,
    Planted,
    StudyCohort,
    features_of_groups,
    make_planted,
)
from lab.study.planted import PlantedCohort
from postprocess.apply_rules import apply_rules

GROUPS = (
    ("radiomic",),
    ("radiomic", "mask"),
    ("radiomic", "mask", "probability"),
    ("radiomic", "mask", "probability", "votes"),
)
COMPARED = ("overlap", "dice", "nsd", "rank")  # the objectives of the paper's question 1
MOST_ROUNDS = 4


def validate(cohort: StudyCohort, config: SearchConfig, k: int | None = None) -> HeldOut:
    """Cross-validate a configuration on all cases of a cohort."""
    return cross_validate(cohort.features, cohort.cache, config, cohort.cases, k)


def compare_methods(cohort: StudyCohort, decision: Decision) -> list[dict[str, Any]]:
    """Compare doing nothing, one rule set for all, and one a cluster, sizes and shares apart."""
    config = cohort.config
    sizes = replace(config, rule_types=("size",))
    shares = replace(config, rule_types=("share",))
    methods = {
        "one global pcc": validate(cohort, sizes, 1),
        "adaptive pcc": validate(cohort, sizes),
        "global lblredef": validate(cohort, shares, 1),
        "adaptive lblredef": validate(cohort, shares),
        "global, both": decision.held_out["pooled"],
        "adaptive, both": decision.held_out["adaptive"],
    }
    settings = {name: held_out.settings for name, held_out in methods.items()}
    rows = effect_table(cohort.cache, config, settings, cohort.cases)
    return [{**row, "k": _cluster_counts(methods.get(row["method"]))} for row in rows]


def compare_pairs(cohort: StudyCohort, decision: Decision) -> list[dict[str, Any]]:
    """Put intervals on the differences that matter: adaptive over global, global over nothing."""
    settings = {
        "identity": [cohort.cache.no_rules] * len(cohort.cases),
        "global": decision.held_out["pooled"].settings,
        "adaptive": decision.held_out["adaptive"].settings,
    }
    values = {name: objectives(cohort, of_method) for name, of_method in settings.items()}
    rng = np.random.default_rng(0)
    return [
        {"method": one, "over": other, **gain_statistics(values[one] - values[other], rng)}
        for one, other in (("global", "identity"), ("adaptive", "global"))
    ]


def compare_configs(results: Sequence[tuple[StudyCohort, Decision]]) -> list[dict[str, Any]]:
    """Compare configurations on the same cases: gain in sample, and held out."""
    rows = []
    for cohort, decision in results:
        held_out = adaptive_row(decision)
        rows.append(
            {
                "config": cohort.config.name,
                "k": len(decision.fitted.settings),
                "in_sample": decision.gain_in_sample,
                **{key: held_out[key] for key in ("gain", "low", "high", "better", "worse")},
                "mean_rank": held_out["mean_rank"],
                "ships": decision.ships,
            }
        )
    return rows


def compare_objectives(cohort: StudyCohort, decision: Decision) -> dict[str, Any]:
    """Choose by ranking, Dice, NSD and both; score each by all of them (the paper's question 1)."""
    cache, cases = cohort.cache, cohort.cases
    settings = {
        objective: decision.held_out["adaptive"].settings
        if objective == cohort.config.objective
        else validate(cohort, replace(cohort.config, objective=objective)).settings
        for objective in COMPARED
    }
    rng = np.random.default_rng(0)
    without = cache.scores([cache.no_rules] * len(cases), cases)
    rows = []
    for row in effect_table(cache, cohort.config, settings, cases)[1:]:
        scores = cache.scores(settings[row["method"]], cases)
        gains = {
            objective: gain_statistics(_change(cache, without, scores, objective), rng)
            for objective in ("dice", "nsd", "overlap")
        }
        rows.append({"objective": row["method"], "mean_rank": row["mean_rank"], "gains": gains})
    overlap = cache.scores(settings["overlap"], cases)
    dice, nsd = (_change(cache, without, overlap, objective) for objective in ("dice", "nsd"))
    opposite = (np.sign(dice) != np.sign(nsd)) & (np.minimum(abs(dice), abs(nsd)) > CHANGED)
    return {
        "rows": rows,
        "cases_with_equal_rules": _equal_shares(settings),
        "dice_against_nsd": {
            "spearman": float(spearmanr(dice, nsd)[0]),
            "opposite": int(opposite.sum()),
        },
    }


def compare_features(planted: Planted, with_all: Decision) -> list[dict[str, Any]]:
    """Add priors group by group: what they do to clusters and gains (the paper's question 2)."""
    rows = []
    for groups in GROUPS:
        features = features_of_groups(planted.features, groups)
        is_all = features.names == planted.features.names
        decision = with_all if is_all else decide(features, planted.cache, planted.config)
        held_out = adaptive_row(decision)
        rows.append(
            {
                "groups": list(groups),
                "features": len(features.names),
                "k": len(decision.fitted.settings),
                "agreement": agreement(planted, decision.assigned.clusters),
                **{key: held_out[key] for key in ("gain", "low", "high")},
            }
        )
    return rows


def repeat_rounds(
    cohort: PlantedCohort, planted: Planted, decision: Decision
) -> list[dict[str, Any]]:
    """Describe the refined masks again and choose again, until nothing changes (question 3)."""
    first = objectives(planted, [planted.cache.no_rules] * len(planted.cases))
    rows, rng, current = [], np.random.default_rng(0), planted
    settings = decision.held_out["adaptive"].settings
    for number in range(1, MOST_ROUNDS + 1):
        refined = [_refined(current, i, setting) for i, setting in enumerate(settings)]
        changed = sum(
            not np.array_equal(after, before.prediction)
            for after, before in zip(refined, current.pairs, strict=True)
        )
        gain = objectives(current, settings) - first
        rows.append({"round": number, "changed_cases": changed, **gain_statistics(gain, rng)})
        if not changed or number == MOST_ROUNDS:
            break
        current = make_planted(cohort, len(planted.cases), predictions=refined)
        settings = validate(current, current.config).settings
    return rows


def describe_decision(cohort: StudyCohort, decision: Decision) -> dict[str, Any]:
    """Say which rules each cluster got, what ships, and what speaks against the others."""
    fitted, parameters = decision.fitted, cohort.cache.parameters
    ids = [case.id for case in cohort.cache.search_cases]
    methods = decision.effects[1:]
    support = [support_line(row["method"], row["common_support"], ids) for row in methods]
    return {
        "ships": decision.ships,
        "why": [*gate_lines(decision.effects, cohort.config), *filter(None, support)],
        "k": decision.k,
        "clusters": [
            {"cases": int(n), "rules": rules_in_words(parameters, setting)}
            for n, setting in zip(fitted.sizes, fitted.settings, strict=True)
        ],
        "pooled": rules_in_words(parameters, fitted.pooled),
        "variants_scored": cohort.cache.variants,
    }


def objectives(cohort: StudyCohort, settings: Sequence[Setting]) -> np.ndarray:
    """Return the objective (case,) of each case with its setting."""
    return case_objectives(cohort.cache, cohort.config, settings, cohort.cases)


def _change(cache: ScoreCache, before: np.ndarray, after: np.ndarray, objective: str) -> np.ndarray:
    """Return how an objective (case,) changes between scores (case, column)."""
    one, other = (
        objective_values(scores[:, None], cache.columns, objective)[:, 0]
        for scores in (before, after)
    )
    return np.asarray(other - one)


def _equal_shares(settings: Mapping[str, Sequence[Setting]]) -> dict[str, float]:
    """Return the share of cases that get the same rules by each pair of methods."""
    return {
        f"{a} and {b}": float(
            np.mean([x == y for x, y in zip(settings[a], settings[b], strict=True)])
        )
        for a in settings
        for b in settings
        if a < b
    }


def _refined(planted: Planted, case: int, setting: Setting) -> np.ndarray:
    rules, pair = rules_of(planted.cache.parameters, setting), planted.pairs[case]
    return apply_rules(pair.prediction, rules, SCHEME, pair.spacing_mm).labels


def agreement(planted: Planted, clusters: np.ndarray) -> float:
    """Return the adjusted Rand index between planted and fitted clusters."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(planted.clusters, clusters))


def adaptive_row(decision: Decision) -> dict[str, Any]:
    """Return the effects of one rule set a cluster, held out."""
    return next(row for row in decision.effects if row["method"] == "adaptive")


def _cluster_counts(held_out: HeldOut | None) -> list[int]:
    return [] if held_out is None else sorted(set(held_out.k.tolist()))
