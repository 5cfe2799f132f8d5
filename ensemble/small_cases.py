"""Other weights for small cases: those in which the ensemble predicts less than a volume.

A manifest with "small_cases", {"region": R, "below_ml": V}, has a second number of each member that
is averaged, "small_weight". All members run once, and both means are accumulated. Where the labels
of the first have less than V of region R, the second is the answer. No network runs for it alone,
and a deadline that leaves members out leaves them out of both.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from challenge.scheme import Scheme
from ensemble.member_weights import WeightError, in_words
from ensemble.members import Member

SMALL_CASES, SMALL_WEIGHT = "small_cases", "small_weight"  # keys of a manifest and of its members


@dataclass(frozen=True)
class SmallCases:
    """Which cases are small."""

    region: str  # or a label
    below_ml: float

    def in_words(self) -> str:
        """Return which cases they are."""
        return f"below {self.below_ml:.4g} mL of {self.region}, as the usual weights predict it"

    def outcome(
        self, labels: np.ndarray, spacing_mm: Sequence[float], scheme: Scheme
    ) -> "SmallCase":
        """Return what the first mean's labels (z, y, x) say; spacing in the same order."""
        voxels = np.count_nonzero(scheme.mask(labels, self.region))
        volume_ml = float(voxels * math.prod(spacing_mm) / 1000)
        return SmallCase(self.region, self.below_ml, volume_ml, volume_ml < self.below_ml)


@dataclass(frozen=True)
class SmallCase:
    """Whether a case is small, for the log and the run record."""

    region: str
    below_ml: float
    volume_ml: float  # as the first mean has it
    is_small: bool

    def to_json(self) -> dict[str, Any]:
        """Return what the run record holds."""
        return {**asdict(self), "volume_ml": round(self.volume_ml, 3)}

    def in_words(self) -> str:
        """Return a line for the log."""
        weights = "weights of small cases" if self.is_small else "the usual weights"
        return f"{self.region} {self.volume_ml:.2f} mL, limit {self.below_ml:g} mL: {weights}"


def read_small_cases(manifest: Mapping[str, Any], scheme: Scheme) -> SmallCases | None:
    """Return which cases are small, None where a manifest has no weights of their own for any.

    Raises:
        WeightError: not a region of the challenge and a volume.
    """
    value = manifest.get(SMALL_CASES)
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) != {"region", "below_ml"}:
        raise WeightError(f"{SMALL_CASES} {value!r} is not a region and below_ml")
    region, below_ml = value["region"], value["below_ml"]
    names = dict.fromkeys((*scheme.regions, *scheme.labels))
    if region not in names:
        raise WeightError(f"{SMALL_CASES} of {region!r}: {scheme.name} has {', '.join(names)}")
    if not _is_number(below_ml) or not 0 < below_ml < math.inf:
        raise WeightError(f"{SMALL_CASES}: below_ml {below_ml!r} is no volume")
    return SmallCases(str(region), float(below_ml))


def with_small_weights(
    members: Sequence[Member], entries: Sequence[Mapping[str, Any]], cases: SmallCases | None
) -> tuple[Member, ...]:
    """Give members the weights that their entries have for small cases.

    Raises:
        WeightError: a member that is averaged has none, or weights by channel; another one has one;
            it is no number of at least 0, or all are 0.
    """
    weighted = []
    for member, entry in zip(members, entries, strict=True):
        has_one, wants_one = SMALL_WEIGHT in entry, cases is not None and member.is_averaged
        if has_one != wants_one:
            raise WeightError(f"{SMALL_WEIGHT} of {member.name}: {_fault(has_one, cases)}")
        if has_one:
            weight = entry[SMALL_WEIGHT]
            if not _is_number(weight) or not 0 <= weight < math.inf:
                raise WeightError(f"{SMALL_WEIGHT} {weight!r} of {member.name} is no weight")
            if member.channel_weights:
                raise WeightError(f"{SMALL_WEIGHT} of {member.name}: it has weights by channel")
            member = replace(member, small_weight=float(weight))
        weighted.append(member)
    if cases is not None and not any(member.small_weight for member in weighted):
        raise WeightError(f"no member has a {SMALL_WEIGHT} above 0")
    return tuple(weighted)


def weight_in_words(entry: Mapping[str, Any]) -> str:
    """Return the weight of a manifest's entry as a person reads it."""
    small = f", {entry[SMALL_WEIGHT]:g} in small cases" if SMALL_WEIGHT in entry else ""
    return f"{in_words(entry['weight'])}{small}"


def _fault(has_one: bool, cases: SmallCases | None) -> str:
    if not has_one:
        return f"it has none, and the manifest has {SMALL_CASES}"
    if cases is None:
        return f"the manifest has no {SMALL_CASES}"
    return "it is not averaged"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
