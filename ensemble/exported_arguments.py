"""Arguments of an exported program's operators: numbers, words, and names of values.

The kinds are those of `Argument` in torch's `_export/serde/schema.py`; graphs, operators and
objects among them are refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ensemble.exported_archive import DTYPES, STRIDED, ExportedError

MEMORY_FORMATS: Mapping[int, torch.memory_format] = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}


@dataclass(frozen=True)
class Value:
    """A reference to what an earlier step returned, a weight or the tile."""

    name: str


class TileDevice:
    """Stands for the device that a tile is on: a program names the one that it was exported on."""


def read_argument(argument: Mapping[str, Any], known: set[str]) -> Any:
    """Return an argument as a plain value, a `Value`, a `TileDevice`, or a list of them.

    Args:
        argument: one key, its kind, with what belongs to it.
        known: the names of values that there are so far.

    Raises:
        ExportedError: a kind that is not read, or a name that is not known.
    """
    ((kind, content),) = argument.items()
    if kind in OF_VALUES:
        return OF_VALUES[kind](content, known)
    if kind not in PLAIN:
        raise ExportedError(f"an argument of a kind that is not known: {kind}")
    return PLAIN[kind](content)


def known_name(name: Any, known: set[str]) -> str:
    """Return a value's name.

    Raises:
        ExportedError: no step before returns such a value.
    """
    if name not in known:
        raise ExportedError(f"a value that no step before it returns: {name!r}")
    return str(name)


def _plain(*kinds: type) -> Callable[[Any], Any]:
    def read(content: Any) -> Any:
        if not isinstance(content, kinds):
            raise ExportedError(f"an argument {content!r} is no {kinds[0].__name__}")
        return content

    return read


def _list_of(*kinds: type) -> Callable[[Any], Any]:
    return lambda content: [_plain(*kinds)(each) for each in content]


def _layout(content: Any) -> torch.layout:
    if content != STRIDED:
        raise ExportedError(f"layout {content!r} is not that of plain tensors")
    return torch.strided


def _tensor(content: Mapping[str, Any], known: set[str]) -> Value:
    return Value(known_name(content["name"], known))


def _optional(content: Mapping[str, Any], known: set[str]) -> Value | None:
    tensor = content.get("as_tensor")
    return None if tensor is None else _tensor(tensor, known)


def _size(content: Mapping[str, Any], known: set[str]) -> Value | int:
    if isinstance(content.get("as_int"), int):
        return int(content["as_int"])
    return Value(known_name(content["as_name"], known))


PLAIN: Mapping[str, Callable[[Any], Any]] = {
    "as_none": lambda content: None,
    "as_int": _plain(int),
    "as_float": _plain(float, int),
    "as_bool": _plain(bool),
    "as_string": _plain(str),
    "as_ints": _list_of(int),
    "as_floats": _list_of(float, int),
    "as_bools": _list_of(bool),
    "as_scalar_type": lambda content: DTYPES[content],
    "as_memory_format": lambda content: MEMORY_FORMATS[content],
    "as_device": lambda content: TileDevice(),
    "as_layout": _layout,
}
OF_VALUES: Mapping[str, Callable[[Any, set[str]], Any]] = {
    "as_tensor": _tensor,
    "as_tensors": lambda content, known: [_tensor(each, known) for each in content],
    "as_optional_tensor": _optional,
    "as_optional_tensors": lambda content, known: [_optional(each, known) for each in content],
    "as_sym_int": _size,
    "as_sym_ints": lambda content, known: [_size(each, known) for each in content],
}
