"""Rules as data, and how they apply to a label map (z, y, x).

A rule is a JSON object with a `kind`; each kind is one small class below and one row of KINDS.
The two kinds, their order, the strict `<` and the 26-connectivity are those of the adaptive
post-processing of Parida et al. (BraTS 2024 and 2025: "pcc" and "lblredef"); `becomes`, volumes
in mm3 and label names are ours. A new kind is a new class and a new row.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from challenge.scheme import Scheme

from .components import find_components

BACKGROUND = "background"
# Headers hold spacing as float32, so a 1 mm voxel may measure 0.9999998 mm3.
VOLUME_ROUNDING = 1e-6


class RuleError(ValueError):
    """A rule cannot be understood; the message names the key and the value."""


class Rule(Protocol):
    """What every kind of rule has."""

    @property
    def label(self) -> str:
        """Name of the label that the rule looks at."""

    @property
    def becomes(self) -> str:
        """Name of the label that the found voxels take, or "background"."""

    def check(self) -> None:
        """Raise RuleError where a number makes no sense."""

    def find(self, label: np.ndarray, foreground: int, voxel_volume_mm3: float) -> np.ndarray:
        """Return which voxels change.

        Args:
            label: bool mask (z, y, x) of the rule's label on the map as it is now.
            foreground: voxels of all labels when this kind of rule began.
            voxel_volume_mm3: volume of one voxel.
        """


@dataclass(frozen=True)
class RemoveSmall:
    """Every component of a label below a minimum size changes ("pcc")."""

    label: str
    becomes: str = BACKGROUND
    min_voxels: int | None = None
    min_volume_mm3: float | None = None

    def check(self) -> None:
        """Raise RuleError unless exactly one unit is given and it makes sense."""
        if (self.min_voxels is None) == (self.min_volume_mm3 is None):
            raise RuleError("remove-small needs exactly one of min_voxels and min_volume_mm3")
        if self.min_voxels is not None:
            _check_number("min_voxels", self.min_voxels, math.inf)
            if not isinstance(self.min_voxels, int):
                raise RuleError(f"min_voxels: {self.min_voxels!r} is not a whole number")
        else:
            _check_number("min_volume_mm3", self.min_volume_mm3, math.inf)

    def too_small(self, voxels: np.ndarray, voxel_volume_mm3: float) -> np.ndarray:
        """Return which components, given by their voxel counts, are below the minimum."""
        if self.min_volume_mm3 is None:
            return voxels < self.min_voxels
        return voxels * voxel_volume_mm3 < self.min_volume_mm3 * (1 - VOLUME_ROUNDING)

    def find(self, label: np.ndarray, foreground: int, voxel_volume_mm3: float) -> np.ndarray:
        """Return the voxels of all components that are too small."""
        components = find_components(label)
        return components.where(self.too_small(components.voxels, voxel_volume_mm3))


@dataclass(frozen=True)
class RelabelMinor:
    """A whole label changes when its share of the foreground is too small ("lblredef")."""

    label: str
    becomes: str
    min_share: float

    def check(self) -> None:
        """Raise RuleError unless the share is one."""
        _check_number("min_share", self.min_share, 1.0)

    def find(self, label: np.ndarray, foreground: int, voxel_volume_mm3: float) -> np.ndarray:
        """Return all voxels of the label, or none; nothing happens on an empty map."""
        minor = foreground > 0 and np.count_nonzero(label) / foreground < self.min_share
        return label if minor else np.zeros_like(label)


# In the order in which kinds apply: every rule of one kind, in table order, before the next kind.
KINDS: Mapping[str, type] = {"remove-small": RemoveSmall, "relabel-minor": RelabelMinor}


@dataclass(frozen=True)
class Applied:
    """Labels (z, y, x) after the rules, and which rules changed how many voxels."""

    labels: np.ndarray
    fired: list[dict[str, Any]]


def apply_rules(
    labels: np.ndarray, rules: Sequence[Rule], scheme: Scheme, voxel_volume_mm3: float
) -> Applied:
    """Apply rules to a label map (z, y, x) in `scheme`'s values; the input stays as it is.

    The foreground that shares refer to is every labelled voxel (also a resection cavity or the
    pancreas), counted once when relabel-minor begins; label counts are of the map as it then is.
    """
    labels = labels.copy()
    fired = []
    for kind in KINDS.values():
        foreground = int(np.count_nonzero(labels))
        for rule in (rule for rule in rules if isinstance(rule, kind)):
            found = rule.find(labels == scheme.labels[rule.label], foreground, voxel_volume_mm3)
            changed = int(np.count_nonzero(found))
            if changed:
                labels[found] = 0 if rule.becomes == BACKGROUND else scheme.labels[rule.becomes]
                fired.append({**row_from(rule), "voxels": changed})
    return Applied(labels, fired)


def rule_from(row: Mapping[str, Any], scheme: Scheme) -> Rule:
    """Turn one JSON object into a rule.

    Raises:
        RuleError: unknown kind, key or label, or a number that makes no sense.
    """
    kind = row.get("kind") if isinstance(row, Mapping) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise RuleError(f"not a rule of a known kind ({', '.join(KINDS)}): {row!r}")
    try:
        rule: Rule = KINDS[kind](**{key: value for key, value in row.items() if key != "kind"})
    except TypeError as error:
        raise RuleError(f"{kind}: {str(error).split('__init__() ')[-1]}") from error
    for key, name, allowed in (
        ("label", rule.label, list(scheme.labels)),
        ("becomes", rule.becomes, [BACKGROUND, *scheme.labels]),
    ):
        if name not in allowed:
            raise RuleError(f"{key}: {name!r} is not one of {', '.join(allowed)}")
    if rule.becomes == rule.label:
        raise RuleError(f"becomes: {rule.label!r} cannot become itself")
    rule.check()
    return rule


def row_from(rule: Rule) -> dict[str, Any]:
    """Turn a rule into the JSON object that `rule_from` reads."""
    kind = next(name for name, cls in KINDS.items() if isinstance(rule, cls))
    return {"kind": kind, **{key: value for key, value in vars(rule).items() if value is not None}}


def _check_number(key: str, value: Any, highest: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RuleError(f"{key}: {value!r} is not a number")
    if not math.isfinite(value) or not 0 <= value <= highest:
        raise RuleError(f"{key}: {value!r} is not between 0 and {highest:g}")
