"""The components of each case: what they look like, and what removing each is worth.

What a component is worth is the scorer's answer: the case's objective without it less that with it,
all else as predicted. A false component that touches the reference may be worth removing, and one
that the scorer does not look at is worth nothing either way.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import joblib
import numpy as np

from challenge.box import bounding_box
from challenge.scheme import Scheme
from lab.data.cohort import CohortCase
from lab.learned_gates.gate_targets import GateTarget, make_targets
from lab.metrics.label_components import find_label_components
from lab.metrics.objective import (
    Column,
    case_objective,
    objective_values,
    selection_row,
)
from lab.metrics.pair import Pair
from lab.metrics.scorer import Scorer
from lab.metrics.search_columns import search_columns, searched_scorer
from lab.progress import progress
from lab.rule_search.common_support import absent_in
from lab.rule_search.component_groups import selected_values
from lab.rule_search.component_rules import (
    new_values,
    restore_largest_tumour,
    values_after,
    values_between,
)
from lab.rule_search.config import SearchConfig
from lab.rule_search.features import read_inputs
from lab.rule_search.search_case import SearchCase, split_thresholds
from lab.rule_search.tabulate_case import make_search_case
from lab.rule_search.workspace import Setup
from lab.rule_search.written_scorer import Scores
from postprocess.component_features import available_names, describe_components
from postprocess.refine_input import RefineInput, probability_function
from postprocess.rule_base import EnsembleMaps, Rule


@dataclass(frozen=True)
class TargetComponents:
    """The components of one target in one case; component 1 is row 0."""

    names: tuple[str, ...]  # of the features that the case has all it takes for
    rows: np.ndarray  # (component, feature) float64
    groups: np.ndarray  # (label component,) the component that each is a part of, 0 outside
    # (component,) what removing it alone is worth, or relabelling it over keeping and removing it
    gains: np.ndarray


@dataclass(frozen=True)
class Ruled:
    """What gates and rules make of a case; columns are the case's."""

    objective: float
    row: np.ndarray  # (column,) scores
    absent: list[bool]  # columns whose region neither the reference nor the labels hold
    lost: float  # share of the reference's lesions; NaN where there are none
    is_emptied: bool  # whether a tumour was predicted, and nothing of it is left


@dataclass
class GateCase:
    """One case, with every target's components, and a score for each variant, computed once."""

    search_case: SearchCase
    scheme: Scheme
    columns: tuple[Column, ...]
    objective: str
    targets: list[TargetComponents] = field(default_factory=list)
    _objectives: dict[bytes, float] = field(default_factory=dict)

    @property
    def predicted(self) -> np.ndarray:
        """Return the label value (label component,) of each label component as predicted."""
        return self.search_case.components.values

    def final(self, values: np.ndarray, rules: Sequence[Rule] = ()) -> np.ndarray:
        """Return the values (label component,) after gates, then rules, as they are written."""
        components = self.search_case.components
        after, _ = values_between(replace(components, values=values), rules, self.scheme)
        return restore_largest_tumour(components, after, self.scheme)

    def ruled(self, values: np.ndarray, rules: Sequence[Rule]) -> Ruled:
        """Return what rules make of a case whose label components carry values (component,).

        Where they lower a threshold, other components are there afterwards.
        """
        thresholds, others = split_thresholds(rules)
        if not thresholds:
            case = self.search_case
            left, _ = values_between(replace(case.components, values=values), rules, self.scheme)
            final = restore_largest_tumour(case.components, left, self.scheme)
        else:
            case = self.search_case.after(thresholds, values)
            left = final = values_after(case.components, others, self.scheme)
        scores = case.scorer.score(final)
        return Ruled(
            self.reduce(scores),
            np.array(selection_row(scores, self.columns)),
            absent_in(case, final, self.columns, self.scheme),
            self.search_case.lesions.lost(self.predicted, final, case.lesions),
            self.has_tumour(self.predicted) and not self.has_tumour(left),
        )

    def has_tumour(self, values: np.ndarray) -> bool:
        """Return whether any label component is tumour when they carry values (component,)."""
        tumour = selected_values(self.scheme.regions[self.scheme.tumour], self.scheme)
        return bool(tumour[values].any())

    def value(self, values: np.ndarray) -> float:
        """Return the case's objective when label components carry these values."""
        key = values.tobytes()
        if key not in self._objectives:
            self._objectives[key] = self.reduce(self.search_case.scorer.score(values))
        return self._objectives[key]

    def reduce(self, scores: Scores) -> float:
        """Return the objective of the case's scores."""
        row = np.array(selection_row(scores, self.columns))
        return float(objective_values(row[None, None], self.columns, self.objective)[0, 0])

    def without(
        self, values: np.ndarray, number: int, target: GateTarget, removed: np.ndarray
    ) -> np.ndarray:
        """Return the values (label component,) after a gate removed components of a target.

        The same as `postprocess.component_gates` does on the image.

        Args:
            values: before it.
            number: of the target.
            target: what its components are of, and what they become.
            removed: (component,) bool.
        """
        scheme, components = self.scheme, self.search_case.components
        inside = selected_values(target.labels(scheme), scheme)[values]
        groups = np.where(inside, self.targets[number].groups, 0)
        gone = np.where(np.concatenate([[False], removed])[groups], groups, 0)
        if not gone.any():
            return values
        becomes = new_values(components, values, gone, target.becomes, scheme)
        return np.where(gone > 0, becomes[gone], values).astype(np.uint8)


def open_gate_cases(
    cases: Sequence[CohortCase], setup: Setup, scorer: Scorer, config: SearchConfig
) -> list[GateCase]:
    """Read, describe and score every case, in the processes of the surrounding joblib backend."""
    run = joblib.Parallel(n_jobs=None, return_as="generator")
    results = run(joblib.delayed(open_gate_case)(case, setup, scorer, config) for case in cases)
    return list(progress(results, len(cases), description="describing components"))


def open_gate_case(
    case: CohortCase, setup: Setup, scorer: Scorer, config: SearchConfig
) -> GateCase:
    """Read, describe and score one case."""
    refine_input = read_inputs(case, setup)
    reference = case.read_reference().array
    return make_gate_case(refine_input, reference, scorer, config)


def make_gate_case(
    refine_input: RefineInput, reference: np.ndarray, scorer: Scorer, config: SearchConfig
) -> GateCase:
    """Describe and score one case; the reference is a label map (z, y, x)."""
    scheme, labels, case = refine_input.scheme, refine_input.labels, refine_input.case
    pair = Pair(labels, reference, case.spacing_mm)
    # A gate may remove a component of any size.
    anything = replace(config, sizes=(math.inf,))
    objective = case_objective(config.objective)
    columns = search_columns(scorer, scheme, objective)
    scorer = searched_scorer(scorer, columns)
    maps = EnsembleMaps(probability_function(refine_input), refine_input.votes)
    gate_case = GateCase(
        make_search_case(case.id, pair, scheme, anything, scorer, maps),
        scheme,
        columns,
        objective,
    )
    for number, target in enumerate(make_targets(scheme, config)):
        names = available_names(refine_input, target.labels(scheme))
        described = describe_components(refine_input, target.labels(scheme), names, target.per)
        groups = _groups(labels, described.components.ids, gate_case.predicted.size)
        nothing = np.zeros(len(described.rows))
        gate_case.targets.append(TargetComponents(names, described.rows, groups, nothing))
        gains = component_gains(gate_case, number, target)
        gate_case.targets[number] = replace(gate_case.targets[number], gains=gains)
    return gate_case


def component_gains(case: GateCase, number: int, target: GateTarget) -> np.ndarray:
    """Return what removing each component (component,) of a target alone is worth."""
    count = len(case.targets[number].rows)
    before = case.value(case.final(case.predicted))
    variants = [
        case.final(case.without(case.predicted, number, target, only))
        for only in np.eye(count, dtype=bool)
    ]
    return np.array([case.value(variant) - before for variant in variants]).reshape(count)


def _groups(labels: np.ndarray, ids: np.ndarray, label_components: int) -> np.ndarray:
    """Return the component (label component,) of a target that each label component is part of."""
    groups, box = np.zeros(label_components, np.intp), bounding_box(labels)
    if box is not None:
        # Numbered in scan order, in any box around the labels.
        numbers = find_label_components(labels[box]).ids
        groups[numbers.ravel()] = ids[box].ravel()
        groups[0] = 0
    return groups
