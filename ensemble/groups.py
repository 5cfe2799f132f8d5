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
        for group in groups:
            if _is_fold_of(member, group[0]):
                group.append(member)
                break
        else:
            groups.append([member])
    return groups


def prepared_alike(one: Member, other: Member) -> bool:
    """Return whether two members see the same volume of a case."""
    a, b = one.plan, other.plan
    same_input = (one.sequences, one.orientation) == (other.sequences, other.orientation)
    return same_input and all(
        getattr(a, key) == getattr(b, key)
        for key in ("spacing_mm", "transpose", "normalisation", "inside_mask", "intensities",
                    "image_resampling")
    )  # fmt: skip


def _is_fold_of(member: Member, first: Member) -> bool:
    return all(
        getattr(member, key) == getattr(first, key)
        for key in ("group", "plan", "sequences", "head", "orientation")
    )
