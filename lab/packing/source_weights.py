"""The weights of a model's sources: some are known only when all of them are packed."""

from collections.abc import Mapping, Sequence
from typing import Any

from ensemble.member_weights import Weight
from lab.packing.cascades import set_roles
from lab.packing.pack_source import Source


def while_packing(weight: Weight | None) -> float:
    """Return the weight that a source's entries have until all sources are packed."""
    return weight if isinstance(weight, float) and weight > 0 else 1.0


def set_weights(members: Sequence[dict[str, Any]], sources: Mapping[str, Source]) -> None:
    """Give entries the weights by channel of their sources, and their roles in a cascade.

    Args:
        members: all entries of a manifest.
        sources: by the name of their folder.

    Raises:
        PackError: see `set_roles`.
    """
    set_roles(members, sources)
    for entry in members:
        source = sources.get(entry["folder"])
        if source is not None and isinstance(source.weight, Mapping):
            entry["weight"] = dict(source.weight)
