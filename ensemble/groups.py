"""Which members see and mean the same, so that work on them is done once."""

from collections.abc import Sequence

from ensemble.manifest import Member


def by_weight(members: Sequence[Member]) -> list[Member]:
    """Return members by falling weight, the given order among equals."""
    return sorted(members, key=lambda member: -member.weight)


def in_groups(members: Sequence[Member]) -> list[list[Member]]:
    """Gather members whose logits are averaged voxel by voxel: folds of one network."""
    groups: list[list[Member]] = []
    for member in members:
        own = (member.group, member.plan, member.sequences, member.head)
        for group in groups:
            first = group[0]
            if own == (first.group, first.plan, first.sequences, first.head):
                group.append(member)
                break
        else:
            groups.append([member])
    return groups


def prepared_alike(one: Member, other: Member) -> bool:
    """Return whether two members see the same volume of a case."""
    a, b = one.plan, other.plan
    return one.sequences == other.sequences and all(
        getattr(a, key) == getattr(b, key)
        for key in ("spacing_mm", "transpose", "normalisation", "inside_mask", "intensities",
                    "image_resampling")
    )  # fmt: skip
