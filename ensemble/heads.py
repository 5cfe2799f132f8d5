"""The head that members of several heads are averaged in, and how they are brought to it."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from challenge.refusal import Refusal
from challenge.scheme import Head


class HeadError(Refusal):
    """Members' channels cannot be averaged."""


class Headed(Protocol):
    """Whatever has a name and a head."""

    @property
    def name(self) -> str: ...

    @property
    def head(self) -> Head: ...


def common_head(members: Sequence[Headed]) -> Head:
    """Return the head that all members can be brought to.

    Softmax members of one label list stay softmax. Where a member predicts regions, so does the
    ensemble, since region probabilities follow from label probabilities and not the reverse.

    Raises:
        HeadError: there is none.
    """
    if not members:
        raise HeadError("a manifest without members")
    common = next((m.head for m in members if m.head.kind == "regions"), members[0].head)
    for member in members:
        if not can_become(member.head, common):
            raise HeadError(f"member {member.name}: its labels cannot be averaged with others'")
    return common


def can_become(source: Head, target: Head) -> bool:
    """Return whether `to_head` can bring probabilities from one head to another."""
    if source == target or _has_same_regions(source, target):
        return True
    available, needed = (
        {name for channel in head.channels for name in channel} for head in (source, target)
    )
    return source.kind != target.kind and target.kind == "regions" and needed <= available


def to_head(probabilities: np.ndarray, source: Head, target: Head) -> np.ndarray:
    """Bring probabilities (channel, z, y, x) from a member's head to the ensemble's.

    Raises:
        ValueError: regions into labels or other regions, or one softmax into another.
    """
    if source == target:
        return np.ascontiguousarray(probabilities)
    if _has_same_regions(source, target):
        regions = [frozenset(channel) for channel in source.channels]
        return probabilities[[regions.index(frozenset(channel)) for channel in target.channels]]
    if source.kind != "softmax" or target.kind != "regions":
        raise ValueError(f"{source} cannot be brought to {target}")
    of = {names[0]: i for i, names in enumerate(source.channels) if names}
    return np.stack(
        [probabilities[[of[name] for name in region]].sum(0) for region in target.channels]
    )


def _has_same_regions(source: Head, target: Head) -> bool:
    """Return whether two heads have the same regions, in whatever order."""
    first, second = (sorted(map(sorted, head.channels)) for head in (source, target))
    return source.kind == target.kind == "regions" and first == second
