"""Gates on cases that they did not see: classifier, cut-off and scaling learned without each fold.

They are judged as they would ship: before the rules that a search chose, also without the case.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.evaluation.common_support import CommonSupport
from lab.learned_gates.fit_gates import apply_fitted, fit_gates
from lab.learned_gates.gate_cases import GateCase, Ruled
from lab.learned_gates.gate_targets import GateTarget
from lab.learned_gates.removals import Removal, removals_in
from lab.learned_gates.training import WORTHLESS
from lab.metrics.objective import Column
from lab.progress import progress
from lab.rule_search.common_support import support_of
from lab.rule_search.config import SearchConfig
from lab.rule_search.cross_validation import folds_of
from lab.rule_search.decision import GATE
from lab.rule_search.declared_answer import DeclaredAnswer, declare
from postprocess.component_gates import ComponentGate
from postprocess.declared_answers import default_empty_answer
from postprocess.rule_base import Rule


@dataclass(frozen=True)
class HeldOutGates:
    """What gates did to cases that they were learned without; arrays by case."""

    before: np.ndarray  # objective with the rules alone
    after: np.ndarray  # with gates before them
    support: CommonSupport  # what gates gain where scores with and without them are measured
    losses: np.ndarray  # share of the reference's lesions lost by both; NaN where there are none
    components: int  # that gates looked at
    removals: list[Removal]
    gates: list[tuple[ComponentGate, ...]]  # that each case got
    # What a case without a credible component gets: by rules without gates, and by both.
    answers: tuple[DeclaredAnswer, DeclaredAnswer]

    @property
    def removed(self) -> int:
        """Return how many components gates removed."""
        return len(self.removals)

    @property
    def worth_removing(self) -> int:
        """Return how many of those removed gained, each alone."""
        return sum(removal.gain > WORTHLESS for removal in self.removals)

    @property
    def gains(self) -> np.ndarray:
        """Return what gates gain (case,) over the rules alone."""
        return self.after - self.before


def evaluate(
    cases: Sequence[GateCase],
    targets: Sequence[GateTarget],
    rules: Sequence[Sequence[Rule]],
    config: SearchConfig,
    as_predicted: Sequence[bool] = (),
) -> HeldOutGates:
    """Learn gates without each fold of the cases, and apply them to it.

    A case that they leave nothing of counts by the answer that is declared for such cases.

    Args:
        cases: all.
        targets: what gates may look at.
        rules: of each case, chosen without it; none where rules do not ship.
        config: whose seed the folds have.
        as_predicted: (case,) whether no gate looks at a case, far from all others; () for none.
    """
    everything = np.arange(len(cases))
    folds = folds_of(everything, config.seed)
    components, removals = 0, list[Removal]()
    by_rules = dict[int, Ruled]()  # case -> with the rules alone
    by_both = dict[int, Ruled]()  # with gates too
    of_case: list[tuple[ComponentGate, ...]] = [()] * len(cases)
    for fold in progress(folds, len(folds), description="learning without a fold"):
        rest = np.setdiff1d(everything, fold)
        gates = fit_gates([cases[number] for number in rest], targets, config)
        for number in fold:
            case = cases[number]
            of_this = [] if as_predicted and as_predicted[number] else gates
            of_case[number] = tuple(each.gate for each in of_this)
            by_rules[number] = case.ruled(case.predicted, rules[number])
            by_both[number] = case.ruled(apply_fitted(case, of_this), rules[number])
            for gate in of_this:
                components += len(case.targets[gate.number].rows)
                removals += removals_in(case, gate, case.scheme)
    sides: list[list[Ruled]] = []
    answers: list[DeclaredAnswer] = []
    for side in (by_rules, by_both):
        ruled, answer = with_empty_answer(cases, [side[n] for n in range(len(cases))], config)
        sides.append(ruled)
        answers.append(answer)
    before, after = (np.array([ruled.objective for ruled in side]) for side in sides)
    return HeldOutGates(
        before,
        after,
        gate_support(sides, cases[0].columns, config),
        np.array([ruled.lost for ruled in sides[1]]),
        components,
        removals,
        of_case,
        (answers[0], answers[1]),
    )


def with_empty_answer(
    cases: Sequence[GateCase], ruled: Sequence[Ruled], config: SearchConfig
) -> tuple[list[Ruled], DeclaredAnswer]:
    """Choose what held-out cases get of whose tumour nothing is left, and give it to them.

    Args:
        cases: all.
        ruled: what each became without any answer but the challenge's.
        config: whose seed the bootstrap has.
    """
    emptied = [number for number, each in enumerate(ruled) if each.is_emptied]
    predicted = {n: cases[n].ruled(cases[n].predicted, ()) for n in emptied}
    gains = np.array([predicted[n].objective - ruled[n].objective for n in emptied])
    default = default_empty_answer(cases[0].scheme)
    answer = declare(default, gains, GATE, config.seed, "nothing is left of no held-out case")
    if answer.is_as_predicted:
        return [predicted.get(n, each) for n, each in enumerate(ruled)], answer
    return list(ruled), answer


def gate_support(
    sides: Sequence[Sequence[Ruled]], columns: Sequence[Column], config: SearchConfig
) -> CommonSupport:
    """Compare rules alone with gates and rules where both have a measured score.

    `sides` are what each makes of every case.
    """
    scores = [np.stack([ruled.row for ruled in side]) for side in sides]
    absent = [np.array([ruled.absent for ruled in side]) for side in sides]
    return support_of(scores, absent, columns, config.objective, config.seed)
