"""The components that a rule is about, and what predicates may ask of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from challenge.scheme import Scheme

from .components import Components, Connectivity, find_components
from .rule_base import RuleView


class MeasuredComponents(Protocol):
    """Sizes and peaks of components, one entry an id; of an image or of the rule search's groups.

    `peaks` are the highest probability of the rule's label or region, in the type of the
    probabilities.
    """

    @property
    def voxels(self) -> np.ndarray: ...
    @property
    def voxel_volume_mm3(self) -> float: ...
    @property
    def peaks(self) -> np.ndarray: ...


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
    def probability(self) -> np.ndarray:
        """Probability (z, y, x) of the rule's label or region."""
        if self.view.probability is None:
            raise ValueError("no probabilities")
        return self.view.probability(self.names)

    @property
    def peaks(self) -> np.ndarray:
        """Highest probability (component,) in each."""
        return self.components.highest(self.probability)

    @property
    def votes(self) -> np.ndarray:
        """Votes (z, y, x)."""
        if self.view.votes is None:
            raise ValueError("no votes of members")
        return self.view.votes

    def others(self, name: str) -> np.ndarray:
        """Return the bool mask (z, y, x) of a label or region outside what the rule is about."""
        return self.view.mask(names_outside(name, self.names, self.view.scheme))


def names_outside(name: str, inside: Sequence[str], scheme: Scheme) -> tuple[str, ...]:
    """Return the labels of a region, or a label, by name, without those `inside`; may be none."""
    return tuple(n for n in scheme.regions.get(name, (name,)) if n not in inside)


def names_inside(name: str, outer: Sequence[str], scheme: Scheme) -> tuple[str, ...]:
    """Return the labels of a region, or a label, by name, that is a part of `outer`; else none."""
    for inner in (scheme.regions.get(name, ()), (name,)):
        if inner and set(inner) < set(outer):
            return inner
    return ()
