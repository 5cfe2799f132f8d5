"""Which gates a group of cases gets: for each label or region a classifier and a cut-off, or none.

All that is compared here is out of fold: what a gate does to a training case was learned without
it. Gates are added one by one, each on top of those before, as they apply.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lab.learned_gates.classifiers import CLASSIFIERS
from lab.learned_gates.gate_cases import GateCase
from lab.learned_gates.gate_targets import GateTarget, relabelling_targets
from lab.learned_gates.relabelling import confusion_of
from lab.learned_gates.training import Rows, Trained, rows_of, train
from lab.risk_bounds import upper_bound
from lab.rule_search.config import SearchConfig
from postprocess.component_gates import ComponentGate, GateAnswer

# The most careful first: of cut-offs that gain as much, the first one is taken.
CUTOFFS = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
ROUNDING = 1e-12


@dataclass(frozen=True)
class FittedGate:
    """A gate, and the target that it looks at."""

    number: int  # of the target
    target: GateTarget
    gate: ComponentGate
    classifier: str

    def rows_in(self, case: GateCase) -> np.ndarray:
        """Return the gate's features (component, feature) of a case's components."""
        components = case.targets[self.number]
        at = [components.names.index(name) for name in self.gate.feature_names]
        return components.rows[:, at]

    def removed(self, case: GateCase) -> np.ndarray:
        """Return which components (component,) of a case go."""
        return self.gate.removes(self.rows_in(case))


@dataclass(frozen=True)
class Stage:
    """One target's turn in a group of training cases."""

    cases: Sequence[GateCase]
    number: int  # of the target
    target: GateTarget
    rows: Rows
    before: Sequence[np.ndarray]  # (label component,) of each case, after the gates before

    @cached_property
    def finals(self) -> list[np.ndarray]:
        """Return what the gates before make of each case, as it is written."""
        return [case.final(values) for case, values in zip(self.cases, self.before, strict=True)]

    @cached_property
    def objectives(self) -> np.ndarray:
        """Return the objective (case,) after the gates before."""
        return np.array([c.value(final) for c, final in zip(self.cases, self.finals, strict=True)])

    @cached_property
    def losses(self) -> np.ndarray:
        """Return the share of the reference's lesions (case,) lost by the gates before."""
        both = zip(self.cases, self.finals, strict=True)
        return np.array([c.search_case.lesions.lost(c.predicted, final) for c, final in both])


@dataclass(frozen=True)
class Candidate:
    """One classifier at one cut-off, and what it does to each training case, out of fold."""

    trained: Trained
    cutoff: float
    values: list[np.ndarray]  # (label component,) of each case
    gains: np.ndarray  # (case,) over the gates before
    losses: np.ndarray  # (case,) share of the reference's lesions lost by all gates


def fit_gates(
    cases: Sequence[GateCase], targets: Sequence[GateTarget], config: SearchConfig
) -> list[FittedGate]:
    """Fit gates on cases, in the order in which they apply.

    Args:
        cases: to learn from.
        targets: what gates may look at.
        config: whose seed the folds have, and whose limit of lost lesions holds.
    """
    fitted: list[FittedGate] = []
    values = [case.predicted for case in cases]
    confused = relabelling_targets(cases[0].scheme, [confusion_of(cases)])
    for number, target in enumerate(targets):
        if target.relabels and target not in confused:
            continue
        stage = Stage(cases, number, target, rows_of(cases, number), values)
        chosen = choose(candidates(stage, config.seed), config.lost_at_most)
        if chosen is not None:
            values = chosen.values
            gate = freeze(chosen, target, stage.rows)
            fitted.append(FittedGate(number, target, gate, chosen.trained.classifier))
    return fitted


def apply_fitted(case: GateCase, gates: Sequence[FittedGate]) -> np.ndarray:
    """Return the values (label component,) of a case after gates."""
    values = case.predicted
    for gate in gates:
        values = case.without(values, gate.number, gate.target, gate.removed(case))
    return values


def candidates(stage: Stage, seed: int) -> list[Candidate]:
    """Train every classifier on a stage's cases, and try every cut-off; the simplest first."""
    results: list[Candidate] = []
    if not stage.rows.is_enough:
        return results
    scheme = stage.cases[0].scheme
    for classifier in CLASSIFIERS:
        trained = train(stage.rows, classifier, scheme, seed)
        if trained is not None:
            results += [_candidate(stage, trained, cutoff) for cutoff in CUTOFFS]
    return results


def _candidate(stage: Stage, trained: Trained, cutoff: float) -> Candidate:
    values, gains, losses = list(stage.before), np.zeros(len(stage.cases)), stage.losses.copy()
    for number, case in enumerate(stage.cases):
        removed = trained.out_of_fold.get(number, np.empty(0)) >= cutoff
        if removed.any():
            values[number] = case.without(values[number], stage.number, stage.target, removed)
            final = case.final(values[number])
            gains[number] = case.value(final) - stage.objectives[number]
            losses[number] = case.search_case.lesions.lost(case.predicted, final)
    return Candidate(trained, cutoff, values, gains, losses)


def choose(tried: Sequence[Candidate], lost_at_most: float = 1.0) -> Candidate | None:
    """Return the first candidate within one standard error of the best; None if none gains.

    One that may lose more lesions than the limit is none.
    """
    allowed = [
        candidate
        for candidate in tried
        if lost_at_most >= 1 or upper_bound(candidate.losses) <= lost_at_most
    ]
    if not allowed:
        return None
    best = max(allowed, key=lambda candidate: float(candidate.gains.mean()))
    if best.gains.mean() <= max(_error(best.gains), ROUNDING):
        return None
    for candidate in allowed:
        loss = best.gains - candidate.gains
        if loss.mean() <= _error(loss) + ROUNDING and candidate.gains.mean() > ROUNDING:
            return candidate
    return best


def freeze(chosen: Candidate, target: GateTarget, rows: Rows) -> ComponentGate:
    """Turn a candidate into a gate that the container applies."""
    trained = chosen.trained
    gate = ComponentGate(
        label=target.label,
        region=target.region,
        per=target.per,
        becomes=target.becomes,
        feature_names=rows.names,
        scaling=trained.scaling,
        familiarity=trained.familiarity,
        model=trained.model,
        slope=trained.slope,
        offset=trained.offset,
        cutoff=chosen.cutoff,
        known_answers=(),
        training_components=len(rows.gains),
    )
    # Rows that belong to no patient.
    answers = np.quantile(rows.features, (0.25, 0.75), axis=0)
    p = gate.probabilities(answers).tolist()
    known = tuple(GateAnswer(row, each) for row, each in zip(answers, p, strict=True))
    return ComponentGate(**vars(gate) | {"known_answers": known})


def _error(values: np.ndarray) -> float:
    """Return the standard error of the mean of values (case,)."""
    return float(values.std(ddof=1) / np.sqrt(values.size))
