"""The plain values of member.json, read one by one."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from challenge.refusal import Refusal


class MemberFileError(Refusal):
    """member.json says something that cannot be followed."""


def check_keys(
    content: Mapping[str, Any], needed: tuple[str, ...], known: tuple[str, ...], what: str
) -> None:
    """Refuse an object that lacks a key, or has one that is not known.

    Raises:
        MemberFileError: the message says of `what`.
    """
    if lacking := [key for key in needed if content.get(key) is None]:
        raise MemberFileError(f"{what} lacks {', '.join(lacking)}")
    if unknown := sorted(set(content) - set(known)):
        raise MemberFileError(f"{what} has {unknown[0]!r}, which is not among {', '.join(known)}")


def read_patch(content: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the sides of a tile, in the network's axes.

    Raises:
        MemberFileError: they are not three whole numbers above 0.
    """
    sides = content["patch"]
    _check_numbers("patch", sides, sides, (int,))
    return tuple(sides)


def read_spacing_mm(content: Mapping[str, Any]) -> tuple[float | None, ...]:
    """Return the spacing in the network's axes; None is the case's, across slices.

    Raises:
        MemberFileError: it is not three lengths, or null where the patch is no slice.
    """
    values = content["spacing_mm"]
    is_of_slices = values[:1] == [None] and content["patch"][:1] == [1]
    _check_numbers("spacing_mm", values, [1, *values[1:]] if is_of_slices else values, (int, float))
    return tuple(None if mm is None else float(mm) for mm in values)


def _check_numbers(key: str, values: Any, numbers: Any, kinds: tuple[type[float], ...]) -> None:
    if len(values) != 3 or not all(
        isinstance(each, kinds) and not isinstance(each, bool) and each > 0 and isfinite(each)
        for each in numbers
    ):
        raise MemberFileError(f"{key} {values!r} is not three numbers above 0 (z, y, x)")


def read_flag(content: Mapping[str, Any], key: str, default: bool) -> bool:
    """Return a flag.

    Raises:
        MemberFileError: it is neither true nor false.
    """
    value = content.get(key, default)
    if not isinstance(value, bool):
        raise MemberFileError(f"{key} {value!r} is neither true nor false")
    return value


def read_mirror_axes(content: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the axes of a tile that the network was mirrored along.

    Raises:
        MemberFileError: they are no axes, or one comes twice.
    """
    axes = content["mirror_axes"]
    if not isinstance(axes, list) or not set(axes) <= {0, 1, 2} or len(set(axes)) < len(axes):
        raise MemberFileError(f"mirror_axes {axes!r} are no axes of 0 to 2")
    return tuple(axes)


def read_step(content: Mapping[str, Any]) -> float | None:
    """Return the step of tiles, as a share of the patch; None where nothing is said.

    Raises:
        MemberFileError: it is not above 0 and at most 1.
    """
    step = content.get("step")
    if step is None:
        return None
    if not isinstance(step, int | float) or not 0 < step <= 1:
        raise MemberFileError(f"step {step!r} is not above 0 and at most 1")
    return float(step)
