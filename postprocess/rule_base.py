"""What every kind of rule has: what it looks at, what it sees of a case, and how it is checked."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from challenge.refusal import Refusal
from challenge.scheme import Scheme

from .components import CONNECTIVITIES, Connectivity, SpacingMm

BACKGROUND, SURROUNDING, BEFORE = "background", "surrounding", "before"
FOREGROUND = "foreground"  # the region of all labels, which not every challenge has a name for

Input = Literal["probabilities", "votes"]  # what a rule may need beside labels

# Label names -> probability (z, y, x) that a voxel carries one of them.
Probability = Callable[[tuple[str, ...]], np.ndarray]


@dataclass(frozen=True)
class EnsembleMaps:
    """What is known of a case beside its labels; arrays are (z, y, x), None where not known."""

    probability: Probability | None = None
    votes: np.ndarray | None = None  # share of the members that see tumour
    # Labels before gates, where there are any: what a gate took does not join again.
    predicted: np.ndarray | None = None


ONLY_LABELS = EnsembleMaps()


class RuleError(Refusal):
    """A rule cannot be understood; the message names the key and the value."""


@dataclass(frozen=True)
class RuleView:
    """What a rule sees of a case; arrays are (z, y, x)."""

    labels: np.ndarray  # as they are now
    before: np.ndarray  # labels before any rule
    foreground: np.ndarray  # bool, voxels of any label when this kind of rule started
    scheme: Scheme
    spacing_mm: SpacingMm
    probability: Probability | None = None
    votes: np.ndarray | None = None  # share of the ensemble's members that see tumour in a voxel
    predicted: np.ndarray | None = None  # labels before gates, which come before rules

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel."""
        return float(np.prod(self.spacing_mm))

    def mask(self, names: tuple[str, ...]) -> np.ndarray:
        """Return the bool mask of labels as they are now."""
        return _mask(self.labels, names, self.scheme)

    def mask_before(self, names: tuple[str, ...]) -> np.ndarray:
        """Return the bool mask of labels before any rule."""
        return _mask(self.before, names, self.scheme)

    def may_join(self, names: tuple[str, ...]) -> np.ndarray:
        """Return which voxels labels may gain: all others, but for those that a gate took."""
        outside = ~self.mask(names)
        if self.predicted is not None:
            outside &= self.mask_before(names) | ~_mask(self.predicted, names, self.scheme)
        return outside


@dataclass(frozen=True)
class Rule:
    """What every kind of rule has: exactly one of a label and a region to look at."""

    REQUIRED: ClassVar[tuple[str, ...]] = ()  # keys that a JSON object cannot leave out

    label: str = ""
    # A label, "background", "surrounding" (see `surrounding_labels`), or what a kind adds to these.
    becomes: str = BACKGROUND
    region: str = field(default="", kw_only=True)
    connectivity: Connectivity = field(default=26, kw_only=True)

    def names(self, scheme: Scheme) -> tuple[str, ...]:
        """Return the labels that the rule is about.

        It changes no voxel of another, but for add-probable and fill-holes, which change none of
        these.
        """
        if self.region == FOREGROUND:
            return tuple(scheme.labels)
        return (self.label,) if self.label else scheme.regions[self.region]

    def check(self, scheme: Scheme) -> None:
        """Raise RuleError where a name is unknown or a number makes no sense."""
        if bool(self.label) == bool(self.region):
            raise RuleError(f"exactly one of label and region: {self.label!r}, {self.region!r}")
        if self.label:
            check_name("label", self.label, *scheme.labels)
        else:
            check_name("region", self.region, *scheme.regions, FOREGROUND)
        self.check_becomes(scheme)
        if type(self.connectivity) is not int or self.connectivity not in CONNECTIVITIES:
            raise RuleError(f"connectivity: {self.connectivity!r} is not one of {CONNECTIVITIES}")

    def check_becomes(self, scheme: Scheme) -> None:
        """Raise RuleError where voxels cannot become what `becomes` says."""
        check_name("becomes", self.becomes, BACKGROUND, SURROUNDING, *scheme.labels)
        if self.names(scheme) == (self.becomes,):
            raise RuleError(f"becomes: {self.becomes!r} cannot become itself")

    def required_inputs(self) -> frozenset[Input]:
        """Return the inputs without which the rule is skipped."""
        return frozenset()

    def compared(self, scheme: Scheme) -> tuple[tuple[str, ...], ...]:
        """Return the sets of labels whose probabilities a rule that requires any looks at."""
        return (self.names(scheme),)

    def select(self, view: RuleView) -> np.ndarray:
        """Return the bool mask (z, y, x) of the voxels that change."""
        raise NotImplementedError


def check_name(key: str, name: Any, *allowed: str) -> None:
    """Raise RuleError unless `name` is one of those allowed."""
    if name not in allowed:
        raise RuleError(f"{key}: {name!r} is not one of {', '.join(allowed)}")


def check_number(key: str, value: Any, highest: float) -> None:
    """Raise RuleError unless `value` is a number from 0 to `highest`, and finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RuleError(f"{key}: {value!r} is not a number")
    if not math.isfinite(value) or not 0 <= value <= highest:
        raise RuleError(f"{key}: {value!r} is not between 0 and {highest:g}")


def check_whole(key: str, value: Any, lowest: int) -> None:
    """Raise RuleError unless `value` is a whole number of at least `lowest`."""
    check_number(key, value, math.inf)
    if not isinstance(value, int):
        raise RuleError(f"{key}: {value!r} is not a whole number")
    if value < lowest:
        raise RuleError(f"{key}: {value!r} is below {lowest}")


def _mask(labels: np.ndarray, names: tuple[str, ...], scheme: Scheme) -> np.ndarray:
    """Return the bool mask of labels. `Scheme.mask` takes PANTHER's label pancreas for a region."""
    if len(names) == 1:
        return np.asarray(labels == scheme.labels[names[0]])
    return np.isin(labels, [scheme.labels[name] for name in names])
