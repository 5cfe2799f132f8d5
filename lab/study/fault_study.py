"""Who wins where: each method of post-processing on each kind of planted fault, held out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import joblib
import numpy as np

from lab.gate import Gain
from lab.learned_gates.gate_cases import GateCase, make_gate_case
from lab.learned_gates.gate_targets import make_targets
from lab.learned_gates.held_out import evaluate
from lab.metrics.scorers import scorer_named
from lab.rule_search.config import SEARCH_CONFIGS, RuleType, SearchConfig
from lab.rule_search.cross_validation import case_objectives, cross_validate
from lab.rule_search.decision import GATE
from lab.rule_search.effects import gain_statistics
from lab.rule_search.search_space import rules_of
from lab.study.cohorts import SCHEME, SCORER, Planted, make_planted, refine_input_of
from lab.study.fault_kinds import NOTHING, FaultKind
from lab.study.planted import PlantedCohort, planted_case

GATE_METHOD, ALL = "component gate", "rules and gate"
# What each method of rules may use; all of them one set for all cases.
METHODS: Mapping[str, tuple[RuleType, ...]] = {
    "sizes": ("size", "share"),
    "peaks": ("peak",),
    "size or peak": ("size or peak",),
    "hysteresis": ("threshold", "peak"),
    "best for Dice": ("dice", "peak"),
}
# A remedy is recovered where it gains this share of the best method's gain, and passes the gate.
ENOUGH = 0.8


@dataclass(frozen=True)
class FaultResult:
    """Every method's held-out gain on one cohort, and whether what was planted was recovered."""

    kind: str
    seed: int
    rows: list[dict[str, Any]]  # a method each: method, gain, low, high, p, passes
    recovered: bool


def study_fault(kind: FaultKind, cases: int, seed: int) -> FaultResult:
    """Plant a cohort of a kind, and judge every method on cases that it was not fitted on."""
    config = replace(SEARCH_CONFIGS["hysteresis"], seed=seed)
    cohort = PlantedCohort(kind.clusters, seed)
    planted = make_planted(cohort, cases, config, has_probabilities=True)
    gate_cases = joblib.Parallel(n_jobs=None)(
        joblib.delayed(_gate_case)(number, cohort, config) for number in range(cases)
    )
    gains = {name: rule_gains(planted, config, types) for name, types in METHODS.items()}
    gains[GATE_METHOD] = gate_gains(gate_cases, [()] * cases, config)
    gains[ALL] = all_gains(planted, gate_cases, config)
    rows = [row_of(name, gain, seed) for name, gain in gains.items()]
    return FaultResult(kind.name, seed, rows, recovers(kind, rows))


def recovers(kind: FaultKind, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the kind's remedy passes and gains enough; of no fault, whether nothing passes."""
    if kind.remedy == NOTHING:
        return not any(row["passes"] for row in rows)
    by_method = {row["method"]: row for row in rows if row["method"] != ALL}
    remedy, best = by_method[kind.remedy], max(row["gain"] for row in by_method.values())
    return bool(remedy["passes"] and remedy["gain"] >= ENOUGH * best)


def rule_gains(planted: Planted, config: SearchConfig, types: tuple[RuleType, ...]) -> np.ndarray:
    """Return what rules of some types gain (case,), chosen without each case."""
    restricted = replace(config, rule_types=types)
    held_out = cross_validate(planted.features, planted.cache, restricted, planted.cases, 1)
    before, after = (
        case_objectives(planted.cache, config, settings, planted.cases)
        for settings in ([planted.cache.no_rules] * len(planted.cases), held_out.settings)
    )
    return np.asarray(after - before)


def gate_gains(
    gate_cases: Sequence[GateCase], rules: Sequence[Sequence[Any]], config: SearchConfig
) -> np.ndarray:
    """Return what gates before rules gain (case,) over doing nothing, both fitted without it."""
    held_out = evaluate(gate_cases, make_targets(SCHEME, config), rules, config)
    without = [case.value(case.final(case.predicted)) for case in gate_cases]
    return np.asarray(held_out.after - np.array(without))


def all_gains(planted: Planted, gate_cases: Sequence[GateCase], config: SearchConfig) -> np.ndarray:
    """Return what sizes, shares, peaks and a gate gain together (case,).

    Thresholds are left out: they change the components that a gate looks at.
    """
    types = SEARCH_CONFIGS["validated"].rule_types
    restricted = replace(config, rule_types=types)
    held_out = cross_validate(planted.features, planted.cache, restricted, planted.cases, 1)
    rules = [rules_of(planted.cache.parameters, setting) for setting in held_out.settings]
    return gate_gains(gate_cases, rules, config)


def row_of(method: str, gains: np.ndarray, seed: int) -> dict[str, Any]:
    """Return a method's gain, its interval and p, and whether it passes the gate."""
    numbers = gain_statistics(gains, np.random.default_rng(seed))
    gain = Gain(*(numbers[key] for key in ("gain", "low", "high", "p", "cases")))
    return {"method": method, **numbers, "passes": not GATE.failures(gain)}


def study_faults(
    kinds: Sequence[FaultKind], cases: int, seeds: int, seed: int, report: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Study kinds of faults on several cohorts each; one row a kind.

    Args:
        kinds: of faults.
        cases: of each cohort.
        seeds: cohorts of each kind.
        seed: of the first one.
        report: called with the name of each kind that is done.

    Returns:
        Name, meaning, remedy, in how many cohorts it was recovered, and each method's mean gain
        over the cohorts with the rows of each cohort.
    """
    table = []
    for kind in kinds:
        results = [study_fault(kind, cases, seed + number) for number in range(seeds)]
        methods = [row["method"] for row in results[0].rows]
        gains = np.array([[row["gain"] for row in result.rows] for result in results])
        passes = np.array([[row["passes"] for row in result.rows] for result in results])
        table.append(
            {
                "name": kind.name,
                "meaning": kind.meaning,
                "remedy": kind.remedy,
                "cohorts": seeds,
                "recovered": sum(result.recovered for result in results),
                "methods": [
                    {"method": m, "gain": float(g), "passes": int(n)}
                    for m, g, n in zip(methods, gains.mean(0), passes.sum(0), strict=True)
                ],
                "results": [vars(result) for result in results],
            }
        )
        report(f"faults: {kind.name}")
    return table


def _gate_case(number: int, cohort: PlantedCohort, config: SearchConfig) -> GateCase:
    planted = planted_case(number, cohort)
    refine_input = refine_input_of(planted, planted.prediction)
    return make_gate_case(refine_input, planted.reference, scorer_named(SCORER, SCHEME), config)
