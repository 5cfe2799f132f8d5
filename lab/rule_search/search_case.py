"""One case as the search sees it, also after minimum probabilities of labels, and its variants.

Rules by which voxels join apply before all others that are searched, and change which components
there are. A case is tabulated anew for each set of them, and everything else is searched on that.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from challenge.scheme import Scheme
from lab.metrics.variant_scorers import VariantScorer
from lab.rule_search.case_components import CaseComponents
from lab.rule_search.component_rules import values_after
from lab.rule_search.lost_lesions import ReferenceLesions
from postprocess.rule_base import Rule, RuleError
from postprocess.rule_kinds import row_from
from postprocess.rules_by_probability import Added

Thresholds = tuple[Added, ...]  # rules by which voxels join


@dataclass(frozen=True)
class SearchCase:
    """One case, ready to be scored in any variant."""

    id: str
    components: CaseComponents
    scorer: VariantScorer
    confusion: np.ndarray  # (1 + label, 1 + label) voxels by reference and prediction, 0 background
    lesions: ReferenceLesions = field(default_factory=ReferenceLesions)
    thresholds: Thresholds = ()  # that were applied before it was tabulated
    tabulate: "Tabulate | None" = None  # the same case after thresholds

    def after(self, thresholds: Thresholds, values: np.ndarray | None = None) -> "SearchCase":
        """Return the case as it is after some thresholds; itself where there are none.

        Args:
            thresholds: the rules.
            values: label value (component,) of each component before them; None: as predicted.
        """
        if not thresholds:
            return self
        if self.tabulate is None:
            raise RuleError(f"{self.id}: no probabilities for {row_from(thresholds[0])}")
        return self.tabulate(thresholds, values)


# Thresholds, and the values (component,) before them where these are not the predicted ones.
Tabulate = Callable[[Thresholds, np.ndarray | None], SearchCase]


@dataclass(frozen=True)
class Variant:
    """What rules make of a case: its label components after thresholds, and their values."""

    thresholds: Thresholds
    values: np.ndarray  # (component,) label value of each

    @property
    def key(self) -> bytes:
        """What tells a case's variants apart."""
        rows = [row_from(rule) for rule in self.thresholds]
        return (json.dumps(rows).encode() if rows else b"") + self.values.tobytes()


def split_thresholds(rules: Sequence[Rule]) -> tuple[Thresholds, tuple[Rule, ...]]:
    """Return the rules that move a threshold, and the others, each in their order."""
    thresholds = tuple(rule for rule in rules if isinstance(rule, Added))
    return thresholds, tuple(rule for rule in rules if not isinstance(rule, Added))


def variant_after(case: SearchCase, rules: Sequence[Rule], scheme: Scheme) -> Variant:
    """Return what rules make of a case."""
    thresholds, others = split_thresholds(rules)
    tabulated = case.after(thresholds)
    return Variant(tabulated.thresholds, values_after(tabulated.components, others, scheme))
