"""Kinds of rules by size: what each looks at, and which voxels of a label map (z, y, x) it changes.

Removing by size and relabelling by share, the strict `<` and the 26-connectivity are those of the
adaptive post-processing of Parida et al. (BraTS 2024 and 2025: "pcc" and "lblredef"). Size and mean
probability together, and sparing what holds a nested object, are after MBZUAI BioMedIA's BraTS
2024 entry; rules on regions after Ferreira et al. (BraTS 2023). Volumes in mm3 and names are ours.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from challenge.scheme import Scheme

from .component_predicates import Conditions, check_held
from .components import find_components, largest_component
from .rule_base import BEFORE, Rule, RuleError, RuleView, check_name, check_number, check_whole
from .rules_by_component import ComponentRule

HALF = 0.5


@dataclass(frozen=True)
class RemoveSmall(ComponentRule):
    """Every component below a minimum size changes ("pcc").

    With `min_mean_probability` it must also be less probable than that, as the mean over its
    voxels. One that holds `holds_share` or more of a 26-connected component of `unless_holds`, a
    label or region inside that of the rule, stays; below a connectivity of 26 such a component can
    be spread over several of the rule's. This is short for remove-component with `unless_any`.
    """

    min_voxels: int | None = None
    min_volume_mm3: float | None = None
    min_mean_probability: float | None = None
    unless_holds: str = ""
    holds_share: float = HALF

    def check(self, scheme: Scheme) -> None:
        """Raise RuleError unless exactly one unit is given and all else makes sense."""
        super().check(scheme)
        if (self.min_voxels is None) == (self.min_volume_mm3 is None):
            raise RuleError("remove-small needs exactly one of min_voxels and min_volume_mm3")
        if self.unless_holds != "":
            check_held("unless_holds", self.unless_holds, self, scheme)
        elif self.holds_share != HALF:
            raise RuleError(f"holds_share: {self.holds_share!r} without unless_holds")
        check_number("holds_share", self.holds_share, 1.0)
        if self.holds_share == 0:
            raise RuleError(f"holds_share: {self.holds_share!r} would spare everything")
        self.conditions()[0].check("remove-small", self, scheme)

    def conditions(self) -> tuple[Conditions, bool]:
        """Return the predicates of the keys, any of which spares a component."""
        held = {self.unless_holds: self.holds_share} if self.unless_holds else None
        rows = {
            "min_voxels": self.min_voxels,
            "min_volume_mm3": self.min_volume_mm3,
            "min_mean_probability": self.min_mean_probability,
            "holds": held,
        }
        return Conditions({name: v for name, v in rows.items() if v is not None}), False


@dataclass(frozen=True)
class KeepLargest(Rule):
    """All but the `k` components with the most voxels change.

    Of equally large ones the first in scan order stay, or, with `ties` "all", every one that is as
    large as the k-th, as in nnU-Net.
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ("k",)

    k: int = 0
    ties: str = "first"

    def check(self, scheme: Scheme) -> None:
        """Raise RuleError unless at least one component stays."""
        super().check(scheme)
        check_whole("k", self.k, 1)
        check_name("ties", self.ties, "first", "all")

    def select(self, view: RuleView) -> np.ndarray:
        """Return the voxels of all components but the largest."""
        components = find_components(view.mask(self.names(view.scheme)), self.connectivity)
        order = 1 + np.argsort(-components.voxels[1:], kind="stable")
        changes = np.ones(components.voxels.size, bool)
        changes[order[: self.k]] = False
        if self.ties == "all" and order.size > self.k:
            changes[components.voxels == components.voxels[order[self.k - 1]]] = False
        return components.where(changes)


@dataclass(frozen=True)
class RelabelMinor(Rule):
    """All voxels change when their share of the foreground is too small ("lblredef").

    The share is that of the whole case, or, with `per` "component", of each component of the
    foreground by itself.
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ("becomes", "min_share")

    min_share: float = math.nan
    per: str = "case"

    def check(self, scheme: Scheme) -> None:
        """Raise RuleError unless the share is one."""
        super().check(scheme)
        check_number("min_share", self.min_share, 1.0)
        check_name("per", self.per, "case", "component")

    def select(self, view: RuleView) -> np.ndarray:
        """Return all voxels of the label, those in some components, or none."""
        mask = view.mask(self.names(view.scheme))
        if self.per == "component":
            components = find_components(view.foreground, self.connectivity)
            return mask & components.where(components.mean(mask) < self.min_share)
        foreground = np.count_nonzero(view.foreground)
        minor = foreground > 0 and np.count_nonzero(mask) / foreground < self.min_share
        return mask if minor else np.zeros_like(mask)


@dataclass(frozen=True)
class KeepOne(Rule):
    """What the other rules left nothing of gets its largest component from before them back."""

    becomes: str = field(default=BEFORE, init=False)

    def check_becomes(self, scheme: Scheme) -> None:
        """Do nothing: what voxels become is not for a row to say."""

    def select(self, view: RuleView) -> np.ndarray:
        """Return the largest component before the rules if they left no voxel, else nothing."""
        names = self.names(view.scheme)
        if view.mask(names).any():
            return np.zeros(view.labels.shape, bool)
        return largest_component(view.mask_before(names), connectivity=self.connectivity)
