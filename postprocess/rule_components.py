"""The components that a rule is about, and what predicates may ask of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from challenge.scheme import Scheme

from .component_distances import is_near, is_near_larger
from .components import Components, Connectivity, find_components, neighbours
from .rule_base import RuleView


class MeasuredComponents(Protocol):
    """What predicates ask of components; arrays have one entry an id, [0] is the outside.

    The rule search answers the same from tables of a case, without its image
    (`lab.rule_search.component_groups`). Another label or region, by name, is what of it the rule
    is not about.
    """

    @property
    def voxels(self) -> np.ndarray: ...
    @property
    def voxel_volume_mm3(self) -> float: ...
    @property
    def peaks(self) -> np.ndarray:
        """Highest probability of the rule's label or region, in the type of the probabilities."""

    @property
    def means(self) -> np.ndarray:
        """Mean probability of the rule's label or region, float64."""

    @property
    def most_votes(self) -> np.ndarray:
        """Highest share of the members that see tumour in a voxel, in the type of the votes."""

    def near(self, name: str, limit_mm: float) -> np.ndarray:
        """Return which are at most so far from another label or region."""

    def near_larger(self, limit_mm: float) -> np.ndarray:
        """Return which are at most so far from a larger one; the largest is."""

    def touching(self, name: str) -> np.ndarray:
        """Return which have a voxel of another label or region beside them."""

    def inside(self, name: str) -> np.ndarray:
        """Return which have nothing but another label or region at their faces."""

    def holding(self, name: str, share: float) -> np.ndarray:
        """Return which hold a share of a component of a label or region that is a part."""


@dataclass(frozen=True)
class RuleComponents:
    """The components of what a rule is about, in the case that they are in."""

    view: RuleView
    names: tuple[str, ...]  # labels of the rule
    connectivity: Connectivity

    @cached_property
    def components(self) -> Components:
        """The components of the labels as they are now."""
        return find_components(self.view.mask(self.names), self.connectivity)

    @property
    def voxels(self) -> np.ndarray:
        """Voxels (component,) of each."""
        return self.components.voxels

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel."""
        return self.view.voxel_volume_mm3

    @property
    def peaks(self) -> np.ndarray:
        """Highest probability (component,) in each."""
        return self.components.highest(self._probability)

    @property
    def means(self) -> np.ndarray:
        """Mean probability (component,) of each."""
        return self.components.mean(self._probability)

    @property
    def most_votes(self) -> np.ndarray:
        """Highest votes (component,) in each."""
        if self.view.votes is None:
            raise ValueError("no votes of members")
        return self.components.highest(self.view.votes)

    def near(self, name: str, limit_mm: float) -> np.ndarray:
        """Return which (component,) are at most so far from another label or region."""
        return is_near(self.components, self._others(name), limit_mm, self.view.spacing_mm)

    def near_larger(self, limit_mm: float) -> np.ndarray:
        """Return which (component,) are at most so far from a larger one."""
        return is_near_larger(self.components, limit_mm, self.view.spacing_mm)

    def touching(self, name: str) -> np.ndarray:
        """Return which (component,) are next to another label or region."""
        ids, other = self._around(name, self.connectivity)
        return np.bincount(ids, other, minlength=self.voxels.size) > 0

    def inside(self, name: str) -> np.ndarray:
        """Return which (component,) have nothing but another label or region at their faces."""
        ids, other = self._around(name, 6)
        around = np.bincount(ids, minlength=self.voxels.size)
        return (around > 0) & (np.bincount(ids, other, minlength=self.voxels.size) == around)

    def holding(self, name: str, share: float) -> np.ndarray:
        """Return which (component,) hold a share of a component of a part, by name."""
        inner = names_inside(name, self.names, self.view.scheme)
        return self.components.holding(find_components(self.view.mask(inner)), share)

    @property
    def _probability(self) -> np.ndarray:
        """Probability (z, y, x) of the rule's label or region."""
        if self.view.probability is None:
            raise ValueError("no probabilities")
        return self.view.probability(self.names)

    def _others(self, name: str) -> np.ndarray:
        """Return the bool mask (z, y, x) of a label or region outside what the rule is about."""
        return self.view.mask(names_outside(name, self.names, self.view.scheme))

    def _around(self, name: str, connectivity: Connectivity) -> tuple[np.ndarray, np.ndarray]:
        """Return the component of each voxel next to one, and whether it is of another, by name."""
        ids, flat = neighbours(self.components, self.components.ids > 0, connectivity)
        return ids, self._others(name).ravel()[flat]


def names_outside(name: str, inside: Sequence[str], scheme: Scheme) -> tuple[str, ...]:
    """Return the labels of a region, or a label, by name, without those `inside`; may be none."""
    return tuple(n for n in scheme.regions.get(name, (name,)) if n not in inside)


def names_inside(name: str, outer: Sequence[str], scheme: Scheme) -> tuple[str, ...]:
    """Return the labels of a region, or a label, by name, that is a part of `outer`; else none."""
    for inner in (scheme.regions.get(name, ()), (name,)):
        if inner and set(inner) < set(outer):
            return inner
    return ()
