"""Gates on cases that they did not see: classifier, cut-off and scaling learned without each fold.

They are judged as they would ship: before the rules that a search chose, also without the case.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.evaluation.common_support import CommonSupport
from lab.learned_gates.fit_gates import apply_fitted, fit_gates
from lab.learned_gates.gate_cases import GateCase, GateTarget
from lab.learned_gates.training import WORTHLESS
from lab.progress import progress
from lab.rule_search.common_support import absent_in, support_of
from lab.rule_search.config import SearchConfig
from lab.rule_search.cross_validation import folds_of
from postprocess.component_gates import ComponentGate
from postprocess.rule_base import Rule


@dataclass(frozen=True)
class HeldOutGates:
    """What gates did to cases that they were learned without; arrays by case."""

    before: np.ndarray  # objective with the rules alone
    after: np.ndarray  # with gates before them
    support: CommonSupport  # what gates gain where scores with and without them are measured
    losses: np.ndarray  # share of the reference's lesions lost by both; NaN where there are none
    components: int  # that gates looked at
    removed: int
    worth_removing: int  # of those removed: each alone gained
    gates: list[tuple[ComponentGate, ...]]  # that each case got

    @property
    def gains(self) -> np.ndarray:
        """Return what gates gain (case,) over the rules alone."""
        return self.after - self.before


def evaluate(
    cases: Sequence[GateCase],
    targets: Sequence[GateTarget],
    rules: Sequence[Sequence[Rule]],
    config: SearchConfig,
) -> HeldOutGates:
    """Learn gates without each fold of the cases, and apply them to it.

    Args:
        cases: all.
        targets: what gates may look at.
        rules: of each case, chosen without it; none where rules do not ship.
        config: whose seed the folds have.
    """
    everything = np.arange(len(cases))
    folds = folds_of(everything, config.seed)
    before, after, losses = np.zeros((3, len(cases)))
    counts = np.zeros(3, int)
    finals = [[case.predicted] * 2 for case in cases]  # with the rules alone, with gates too
    of_case: list[tuple[ComponentGate, ...]] = [()] * len(cases)
    for fold in progress(folds, len(folds), description="learning without a fold"):
        rest = np.setdiff1d(everything, fold)
        gates = fit_gates([cases[number] for number in rest], targets, config)
        for number in fold:
            case, of_case[number] = cases[number], tuple(each.gate for each in gates)
            variants = case.predicted, apply_fitted(case, gates)
            finals[number] = [case.final(values, rules[number]) for values in variants]
            before[number], after[number] = map(case.value, finals[number])
            losses[number] = case.search_case.lesions.lost(case.predicted, finals[number][1])
            for gate in gates:
                removed, gains = gate.removed(case), case.targets[gate.number].gains
                counts += removed.size, removed.sum(), (removed & (gains > WORTHLESS)).sum()
    components, removed, worth_removing = counts.tolist()
    support = gate_support(cases, finals, config)
    return HeldOutGates(
        before, after, support, losses, components, removed, worth_removing, of_case
    )


def gate_support(
    cases: Sequence[GateCase], finals: Sequence[Sequence[np.ndarray]], config: SearchConfig
) -> CommonSupport:
    """Compare rules alone with gates and rules where both have a measured score.

    `finals` are the values (label component,) of each case: with the rules alone, with gates too.
    """
    scores, absent = [], []
    for side in (0, 1):
        both = [(case, values[side]) for case, values in zip(cases, finals, strict=True)]
        scores.append(np.stack([case.row(values) for case, values in both]))
        absent.append(np.array([absent_in(c.search_case, v, c.columns, c.scheme) for c, v in both]))
    return support_of(scores, absent, cases[0].columns, config.objective, config.seed)
