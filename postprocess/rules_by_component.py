"""The kind of rule that removes components unless predicates spare them.

Hysteresis thresholding is add-probable at a low threshold, then this kind by the peak: a component
of voxels above the low threshold stays where one of them reaches the high one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from challenge.scheme import Scheme

from .component_predicates import Conditions
from .rule_base import BACKGROUND, BEFORE, SURROUNDING, Input, Rule, RuleError, RuleView, check_name
from .rule_components import MeasuredComponents, RuleComponents


@dataclass(frozen=True)
class ComponentRule(Rule):
    """What kinds have that decide on whole components by predicates."""

    def conditions(self) -> tuple[Conditions, bool]:
        """Return the predicates, and whether all of them spare a component, or any does."""
        raise NotImplementedError

    def required_inputs(self) -> frozenset[Input]:
        """Return the inputs that the predicates need."""
        return self.conditions()[0].required_inputs()

    def changes(self, components: MeasuredComponents) -> np.ndarray:
        """Return which components (component,) are not spared; [0], the outside, says nothing."""
        conditions, all_spare = self.conditions()
        hold = list(conditions.hold(components))
        return ~(np.logical_and.reduce(hold) if all_spare else np.logical_or.reduce(hold))

    def select(self, view: RuleView) -> np.ndarray:
        """Return the voxels of all components that nothing spares."""
        components = RuleComponents(view, self.names(view.scheme), self.connectivity)
        return components.components.where(self.changes(components))


@dataclass(frozen=True)
class RemoveComponent(ComponentRule):
    """Every component changes unless any of `unless_any`, or all of `unless_all`, hold.

    With `becomes` "before", each voxel takes the label that it had before any rule, which undoes
    add-probable; where that is one of the rule's labels, it takes the surrounding one.
    """

    unless_any: Mapping[str, Any] | None = None
    unless_all: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Make the predicates hashable."""
        for key in ("unless_any", "unless_all"):
            if isinstance(rows := getattr(self, key), Mapping):
                object.__setattr__(self, key, Conditions(rows))

    def check(self, scheme: Scheme) -> None:
        """Raise RuleError unless exactly one set of predicates is given and makes sense."""
        super().check(scheme)
        if (self.unless_any is None) == (self.unless_all is None):
            raise RuleError("remove-component needs exactly one of unless_any and unless_all")
        key = "unless_any" if self.unless_all is None else "unless_all"
        rows = getattr(self, key)
        if not isinstance(rows, Conditions):
            raise RuleError(f"{key}: {rows!r} is not an object of predicates")
        rows.check(key, self, scheme)

    def check_becomes(self, scheme: Scheme) -> None:
        """Raise RuleError where voxels cannot become what `becomes` says."""
        if self.becomes != BEFORE:
            check_name("becomes", self.becomes, BACKGROUND, SURROUNDING, BEFORE, *scheme.labels)
            super().check_becomes(scheme)

    def conditions(self) -> tuple[Conditions, bool]:
        """Return the predicates of the row."""
        rows = self.unless_any if self.unless_all is None else self.unless_all
        assert isinstance(rows, Conditions)
        return rows, self.unless_all is not None
