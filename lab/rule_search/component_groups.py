"""The components that a rule is about, as groups of the label components of a case.

They answer what predicates ask (`postprocess.rule_components.MeasuredComponents`) without an image:
a peak is the highest of the group's, a distance the least, a neighbour any of its.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from challenge.scheme import Scheme
from lab.metrics.label_components import connected_groups
from lab.rule_search.case_components import CaseComponents
from lab.rule_search.close_pairs import ClosePairs
from postprocess.rule_base import RuleError
from postprocess.rule_components import names_inside, names_outside
from postprocess.rules_by_component import ComponentRule


@dataclass(frozen=True)
class ComponentGroups:
    """The components of a set of labels, each a group of label components; [0] is the outside."""

    case: CaseComponents
    values: np.ndarray  # (component,) label value that each label component has now
    names: tuple[str, ...]  # the set of labels
    scheme: Scheme
    groups: np.ndarray  # (component,) group of each label component
    voxels: np.ndarray  # (group,), 0 outside

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel."""
        return self.case.voxel_volume_mm3

    @cached_property
    def peaks(self) -> np.ndarray:
        """Highest probability (group,) of the set of labels, as it is on the image."""
        of_component = self.case.peaks.get(self.names)
        if of_component is None:
            raise RuleError(f"no probabilities of {', '.join(self.names)}")
        return self._highest(of_component)

    @cached_property
    def means(self) -> np.ndarray:
        """Mean probability (group,) of the set of labels."""
        sums = self.case.sums.get(self.names)
        if sums is None:
            raise RuleError(f"no mean probabilities of {', '.join(self.names)}")
        of_group = np.bincount(self.groups, sums, minlength=self.voxels.size)
        return np.asarray(of_group / np.maximum(self.voxels, 1))

    @cached_property
    def most_votes(self) -> np.ndarray:
        """Highest votes (group,) in each."""
        if self.case.votes is None:
            raise RuleError("no votes of members")
        return self._highest(self.case.votes)

    def near(self, name: str, limit_mm: float) -> np.ndarray:
        """Return which (group,) are at most so far from another label or region."""
        one, other = self._close_pairs.within(limit_mm).T
        return self._any(one[self._others(name)[other]])

    def near_larger(self, limit_mm: float) -> np.ndarray:
        """Return which (group,) are at most so far from a larger one; the largest is."""
        order = 1 + np.argsort(-self.voxels[1:], kind="stable")
        place = np.zeros(self.voxels.size, np.int64)
        place[order] = np.arange(order.size)
        one, other = self._close_pairs.within(limit_mm).T
        larger = (self.groups[other] > 0) & (place[self.groups[other]] < place[self.groups[one]])
        near = self._any(one[larger])
        near[order[:1]] = True
        return near

    def touching(self, name: str) -> np.ndarray:
        """Return which (group,) are next to another label or region."""
        one, other = self.case.touching.T
        return self._any(one[self._others(name)[other]])

    def inside(self, name: str) -> np.ndarray:
        """Return which (group,) have nothing but another label or region at their faces."""
        if self.case.facing is None:
            raise RuleError("the rule search did not look at what is at the faces of components")
        one, other = self.case.facing.T
        outside = self.groups[one] != self.groups[other]
        around, stranger = self._any(one[outside]), ~self._others(name)[other]
        return around & ~self._any(one[outside & stranger])

    def holding(self, name: str, share: float) -> np.ndarray:
        """Return which (group,) hold a share of a component of a part, by name.

        Components of the part are 26-connected as those around them, and so wholly in one of them.
        """
        inner = selected_values(names_inside(name, self.names, self.scheme), self.scheme)
        return self._any(np.flatnonzero(inner[self.values]))

    def changed_by(self, rule: ComponentRule) -> np.ndarray:
        """Return which groups (group,) a rule changes."""
        changes = rule.changes(self)
        changes[0] = False
        return changes

    @property
    def _close_pairs(self) -> ClosePairs:
        if self.case.close_pairs is None:
            raise RuleError("the rule search did not measure distances of components")
        return self.case.close_pairs

    def _highest(self, of_component: np.ndarray) -> np.ndarray:
        """Return the highest of values (component,) in each group (group,)."""
        highest = np.full(self.voxels.size, -np.inf, of_component.dtype)
        np.maximum.at(highest, self.groups, of_component)
        return highest

    def _any(self, components: np.ndarray) -> np.ndarray:
        """Return which groups (group,) some label components (n,) by number are of."""
        any_of = np.zeros(self.voxels.size, bool)
        any_of[self.groups[components]] = True
        any_of[0] = False
        return any_of

    def _others(self, name: str) -> np.ndarray:
        """Return which label components (component,) are now of another label or region."""
        names = names_outside(name, self.names, self.scheme)
        others = selected_values(names, self.scheme)[self.values]
        others[0] = False
        return others


def group_components(
    case: CaseComponents, values: np.ndarray, names: tuple[str, ...], scheme: Scheme
) -> ComponentGroups:
    """Join label components, with the label values that they have now, to those of some labels."""
    inside = selected_values(names, scheme)[values]
    inside[0] = False
    lowest = connected_groups(inside, case.touching)
    is_first = inside & (lowest == np.arange(values.size))
    groups = np.where(inside, np.cumsum(is_first)[lowest], 0)
    voxels = np.bincount(groups, weights=case.voxels, minlength=1).astype(np.int64)
    voxels[0] = 0
    return ComponentGroups(case, values, names, scheme, groups, voxels)


def selected_values(names: Sequence[str], scheme: Scheme) -> np.ndarray:
    """Return which label values (256,) bool some labels have."""
    selected = np.zeros(256, bool)
    selected[[scheme.labels[name] for name in names]] = True
    return selected
