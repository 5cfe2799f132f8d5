"""Who wins where: each method of post-processing on each kind of planted fault, held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import joblib
import numpy as np

from lab.gate import Gain
from lab.learned_gates.fit_gates import apply_fitted, fit_gates
from lab.learned_gates.gate_cases import GateCase, make_gate_case
from lab.learned_gates.gate_targets import make_targets
from lab.metrics.scorers import scorer_named
from lab.rule_search.cluster_rules import apply, fit
from lab.rule_search.config import SEARCH_CONFIGS, RuleType, SearchConfig
from lab.rule_search.cross_validation import case_objectives, choose_k, folds_of
from lab.rule_search.decision import GATE
from lab.rule_search.effects import CHANGED, gain_statistics
from lab.rule_search.far_answer import spare_far
from lab.rule_search.search_space import Setting, rules_of
from lab.study.cohorts import SCHEME, SCORER, Planted, make_planted, refine_input_of
from lab.study.fault_kinds import NOTHING, FaultKind
from lab.study.planted import PlantedCohort, planted_case

GATE_METHOD, ALL, BY_CLUSTER = "component gate", "rules and gate", "sizes by cluster"
SPARING = "sizes, far as predicted"  # what is far from all that was fitted on stays as predicted
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
# A method spares cases that lose no more than this on average.
SPARED = 0.001


@dataclass(frozen=True)
class FaultResult:
    """Every method's held-out gain on one cohort, and whether what was planted was recovered."""

    kind: str
    seed: int
    rows: list[dict[str, Any]]  # a method each; see `row_of`
    recovered: bool


@dataclass(frozen=True)
class FaultCohort:
    """A cohort with planted faults, as rules and as gates see it."""

    planted: Planted
    gate_cases: Sequence[GateCase]
    config: SearchConfig

    def gains(self, train: np.ndarray, test: np.ndarray, by_cluster: bool) -> dict[str, np.ndarray]:
        """Return what each method, fitted on cases `train`, gains on each of `test`; both (case,).

        `by_cluster` adds sizes chosen for each cluster of cases, and sizes that spare far ones.
        """
        settings = {m: self.settings(types, train, test) for m, types in METHODS.items()}
        if by_cluster:
            settings[BY_CLUSTER] = self.settings(METHODS["sizes"], train, test, k=None)
            settings[SPARING] = self.settings(METHODS["sizes"], train, test, spares_far=True)
        gains = {method: self.rule_gains(of_cases, test) for method, of_cases in settings.items()}
        # Thresholds are left out: they change the components that a gate looks at.
        with_gate = self.settings(SEARCH_CONFIGS["validated"].rule_types, train, test)
        targets = make_targets(SCHEME, self.config)
        gates = fit_gates([self.gate_cases[number] for number in train], targets, self.config)
        by_gate, by_both = np.zeros((2, len(test)))
        for i, (number, setting) in enumerate(zip(test, with_gate, strict=True)):
            case = self.gate_cases[number]
            values = apply_fitted(case, gates)
            rules = rules_of(self.planted.cache.parameters, setting)
            finals = [case.final(case.predicted), case.final(values), case.final(values, rules)]
            before, *after = map(case.value, finals)
            by_gate[i], by_both[i] = np.array(after) - before
        return {**gains, GATE_METHOD: by_gate, ALL: by_both}

    def settings(
        self,
        types: tuple[RuleType, ...],
        train: np.ndarray,
        test: np.ndarray,
        k: int | None = 1,
        spares_far: bool = False,
    ) -> list[Setting]:
        """Return what each of `test` (case,) gets by rules of some types.

        `k` None chooses clusters; `spares_far` gives no rules to cases that belong to none, instead
        of those of all.
        """
        features, cache = self.planted.features, self.planted.cache
        config = replace(self.config, rule_types=types)
        k = choose_k(features, cache, config, train).k if k is None else k
        assigned = apply(features, fit(features, cache, config, train, k), test)
        return (spare_far(assigned, cache.no_rules) if spares_far else assigned).settings

    def rule_gains(self, settings: Sequence[Setting], cases: np.ndarray) -> np.ndarray:
        """Return what rules gain on each of some cases (case,)."""
        cache = self.planted.cache
        before, after = (
            case_objectives(cache, self.config, each, cases)
            for each in ([cache.no_rules] * len(cases), settings)
        )
        return np.asarray(after - before)


def study_fault(kind: FaultKind, cases: int, seed: int) -> FaultResult:
    """Plant a cohort of a kind, and judge every method on cases that it was not fitted on."""
    cohort = make_fault_cohort(kind, cases, seed)
    numbers, is_far = np.arange(cases), kind.is_far(cases)
    gains: dict[str, np.ndarray] = {}
    for fold in folds_of(numbers, seed):
        rest = np.setdiff1d(numbers, fold)
        for method, of_fold in cohort.gains(rest, fold, bool(is_far.any())).items():
            gains.setdefault(method, np.zeros(cases))[fold] = of_fold
    new = {}
    if is_far.any():
        new = cohort.gains(numbers[~is_far], numbers[is_far], by_cluster=True)
    rows = [row_of(m, gain, seed, is_far, new.get(m)) for m, gain in gains.items()]
    return FaultResult(kind.name, seed, rows, recovers(kind, rows))


def make_fault_cohort(kind: FaultKind, cases: int, seed: int) -> FaultCohort:
    """Plant a cohort of a kind, and tabulate it for rules and gates."""
    config = replace(SEARCH_CONFIGS["hysteresis"], seed=seed)
    cohort = PlantedCohort(kind.clusters, seed)
    planted = make_planted(cohort, cases, config, has_probabilities=True)
    gate_cases = joblib.Parallel(n_jobs=None)(
        joblib.delayed(_gate_case)(number, cohort, config) for number in range(cases)
    )
    return FaultCohort(planted, gate_cases, config)


def recovers(kind: FaultKind, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether what is planted is answered rightly.

    The kind's remedy passes and gains enough; of no fault, nothing passes; beside far cases, some
    method passes that spares them where it was fitted on none.
    """
    if kind.remedy == NOTHING:
        return not any(row["passes"] for row in rows)
    if kind.far:
        return any(row["passes"] and row["new"]["gain"] >= -SPARED for row in rows)
    by_method = {row["method"]: row for row in rows if row["method"] != ALL}
    remedy, best = by_method[kind.remedy], max(row["gain"] for row in by_method.values())
    return bool(remedy["passes"] and remedy["gain"] >= ENOUGH * best)


def row_of(
    method: str,
    gains: np.ndarray,
    seed: int,
    is_far: np.ndarray | None = None,
    new: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return a method's gain, its interval and p, and whether it passes the gate.

    Args:
        method: its name.
        gains: held out (case,).
        seed: of the bootstrap.
        is_far: which cases (case,) are far from all others; adds what the usual and the far gain.
        new: what far cases (far case,) gain by what was fitted without any of them.
    """
    row = {"method": method, **gain_statistics(gains, np.random.default_rng(seed))}
    row["passes"] = not GATE.failures(Gain(row["gain"], *(row[k] for k in GAIN_KEYS)))
    if is_far is not None and is_far.any():
        row["usual"] = gain_statistics(gains[~is_far], np.random.default_rng(seed))
        row["far"] = _far(gains[is_far])
        row["new"] = _far(gains[is_far] if new is None else new)
    return row


GAIN_KEYS = ("low", "high", "p", "cases")


def _far(gains: np.ndarray) -> dict[str, Any]:
    """Return the mean gain (case,) of far cases, and how many score as predicted."""
    unchanged = int((np.abs(gains) <= CHANGED).sum())
    return {"cases": len(gains), "unchanged": unchanged, "gain": float(gains.mean())}


def _gate_case(number: int, cohort: PlantedCohort, config: SearchConfig) -> GateCase:
    planted = planted_case(number, cohort)
    refine_input = refine_input_of(planted, planted.prediction)
    return make_gate_case(refine_input, planted.reference, scorer_named(SCORER, SCHEME), config)
