"""A member's weight in a manifest: a number, or an object with a number for each channel's name.

A channel of the ensemble's head is called as the challenge calls it: of a head of regions WT, TC,
ET; of a softmax head background, NETC, SNFH, ET. An object for a softmax head may name regions too:
a label that it does not name takes the number of the smallest region that holds it. Only the
proportions of one channel's numbers, over all members, count.
"""

import math
from collections.abc import Mapping
from typing import Any

from challenge.refusal import Refusal
from challenge.scheme import Head, Scheme

BACKGROUND = "background"
Weight = float | Mapping[str, float]


class WeightError(Refusal):
    """A weight that is none."""


def read_weight(value: Any, owner: str) -> Weight:
    """Return a weight as a manifest holds it; `owner` is whose it is, for messages.

    Raises:
        WeightError: a number that is not above zero, an object without numbers, or with one that is
            negative; none of them may be infinite.
    """
    if not isinstance(value, Mapping):
        weight = _number(value, owner)
        if not 0 < weight < math.inf:
            raise WeightError(f"weight {weight} of {owner} is not positive")
        return weight
    weights = {str(name): _number(each, owner) for name, each in value.items()}
    if not weights or not all(0 <= each < math.inf for each in weights.values()):
        raise WeightError(f"weight {dict(value)} of {owner}: a name needs a number of at least 0")
    return weights


def is_zero(weight: Weight) -> bool:
    """Return whether a weight is zero for every name, so that its member is not run."""
    return isinstance(weight, Mapping) and not any(weight.values())


def channel_names(head: Head, scheme: Scheme) -> tuple[str, ...]:
    """Return what each channel of a head is called in a weight."""
    regions = {frozenset(labels): name for name, labels in scheme.regions.items()}

    def name(labels: tuple[str, ...]) -> str:
        if head.kind == "softmax":
            return labels[0] if labels else BACKGROUND
        return regions.get(frozenset(labels), "+".join(labels))

    return tuple(map(name, head.channels))


def channel_weights(
    weights: Mapping[str, float], head: Head, scheme: Scheme, owner: str
) -> tuple[float, ...]:
    """Return a member's weight for each channel of the ensemble's head.

    Raises:
        WeightError: a channel without a number, or a name that is none of the head's channels.
    """
    names = channel_names(head, scheme)
    used = {channel: _name_of(channel, weights, head, scheme) for channel in names}
    known = f"the ensemble's channels are {', '.join(names)}"
    if missing := [channel for channel, name in used.items() if name is None]:
        raise WeightError(f"weight of {owner} says nothing of {', '.join(missing)}; {known}")
    if unknown := [name for name in weights if name not in used.values()]:
        raise WeightError(f"weight of {owner} names {', '.join(unknown)}; {known}")
    return tuple(float(weights[str(used[channel])]) for channel in names)


def in_words(weight: Weight) -> str:
    """Return a weight as a person reads it: 2, or WT 0.5, TC 0."""
    if is_zero(weight):
        return "0, not run"
    if isinstance(weight, Mapping):
        return ", ".join(f"{name} {each:g}" for name, each in weight.items())
    return f"{weight:g}"


def _name_of(channel: str, weights: Mapping[str, float], head: Head, scheme: Scheme) -> str | None:
    """Return the name among the weights that a channel takes its number from."""
    if channel in weights:
        return channel
    holding = [name for name in weights if channel in scheme.regions.get(name, ())]
    if head.kind != "softmax" or not holding:
        return None
    return min(holding, key=lambda name: len(scheme.regions[name]))


def _number(value: Any, owner: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WeightError(f"weight {value!r} of {owner} is no number")
    return float(value)
