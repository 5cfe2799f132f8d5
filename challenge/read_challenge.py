"""A challenge's file into a `Scheme`: every key known, every value possible, or an error by name.

One TOML file a challenge, called as the challenge is. Its keys are the fields of `Scheme` and of
the rows in it (`challenge.description` explains each). `like = "NAME"` takes over what is not said
from another challenge, but for what is its identity: names, sockets, layouts, sources.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from challenge.challenge_faults import faults_of
from challenge.description import InputSocket, OutputSocket, Scheme, TrainingLayout
from challenge.limits import TIME_LIMIT_S
from challenge.refusal import Refusal

ENDING = ".toml"
LIKE = "like"
# What another challenge's file does not hand on.
IDENTITY = (
    "case_prefix",
    "shared_prefixes",
    "inputs",
    "outputs",
    "layouts",
    "sources",
    "is_default_of_ending",
)
Table = Mapping[str, Any]
Row = TypeVar("Row")


class ChallengeError(Refusal):
    """A challenge's file says what cannot be; the message names the file and the key."""


def read_challenges(folder: Path) -> dict[str, Scheme]:
    """Read every challenge's file of a folder, by name.

    Raises:
        ChallengeError: a file is no description of a challenge.
    """
    files = sorted(folder.glob(f"*{ENDING}"), key=lambda path: path.stem)
    tables = {path.stem: (path, read_toml(path)) for path in files}
    return {name: challenge_from(*tables[name], others=tables) for name in tables}


def read_toml(path: Path) -> Table:
    """Read a TOML file.

    Raises:
        ChallengeError: it cannot be read, or is none.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ChallengeError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ChallengeError(f"{path}: not TOML ({error})") from error


def challenge_from(
    path: Path, table: Table, others: Mapping[str, tuple[Path, Table]] | None = None
) -> Scheme:
    """Return the challenge that a file describes.

    Args:
        path: the file, whose stem is the challenge's name.
        table: what stands in it.
        others: file and table of each challenge that it may be like.

    Raises:
        ChallengeError: a key is unknown or missing, or a value is not possible.
    """
    row = _inherited(path, table, others or {}, (path.stem,))
    missing = [name for name in ("labels", "regions", "sequences", "tumour") if name not in row]
    if missing:
        raise ChallengeError(f"{path}: no {', '.join(missing)}")
    try:
        scheme = Scheme(**_fields_of(Scheme, _with_defaults(path.stem, row), str(path)))
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        if isinstance(error, ChallengeError):
            raise
        raise ChallengeError(f"{path}: {error}") from error
    for fault in faults_of(scheme):
        raise ChallengeError(f"{path}: {fault}")
    return scheme


def _inherited(
    path: Path, table: Table, others: Mapping[str, tuple[Path, Table]], chain: tuple[str, ...]
) -> dict[str, Any]:
    row = dict(table)
    like = row.pop(LIKE, None)
    if like is None:
        return row
    if like not in others or like in chain:
        why = "like itself" if like in chain else f"no {like}{ENDING} beside it"
        raise ChallengeError(f"{path}: {LIKE} = {like!r}: {why}")
    parent = _inherited(*others[like], others, (*chain, like))
    return {key: value for key, value in parent.items() if key not in IDENTITY} | row


def _with_defaults(name: str, row: Table) -> dict[str, Any]:
    """Add what follows from the rest of a row."""
    platform = "grand-challenge" if row.get("inputs") else "brats-folder"
    defaults = {
        "name": name,
        "whole": row["tumour"],
        "written": tuple(row["labels"]),
        "time_limit_s": TIME_LIMIT_S[platform],
        "geometry_from": next(iter(row["sequences"]), ""),
    }
    return defaults | dict(row)


def _fields_of(kind: type, row: Table, where: str) -> dict[str, Any]:
    """Bring TOML's types into those of a dataclass's fields."""
    known = [each.name for each in fields(kind)]
    if unknown := [key for key in row if key not in known]:
        raise ChallengeError(f"{where}: unknown {', '.join(unknown)}; known: {', '.join(known)}")
    return {
        key: CONVERSIONS.get(key, _plain)(value, f"{where}: {key}") for key, value in row.items()
    }


def _plain(value: Any, where: str) -> Any:
    """Make a list, and lists in it and in a table, tuples."""
    if isinstance(value, list):
        return tuple(_plain(each, where) for each in value)
    if isinstance(value, dict):
        return {key: _plain(each, where) for key, each in value.items()}
    return value


def _path(value: Any, where: str) -> Path:
    path = Path(value)
    if path.is_absolute() or ".." in path.parts:
        raise ChallengeError(f"{where} = {value!r} leaves the platform's folder")
    return path


def _labels(value: Any, where: str) -> dict[Any, Any]:
    """Read label -> value; of a layout value -> label, whose keys TOML has as text."""
    if all(isinstance(key, str) and key.isdecimal() for key in value):
        return {int(key): label for key, label in value.items()}
    return dict(value)


def _rows(kind: Callable[..., Row]) -> Callable[[Any, str], tuple[Row, ...]]:
    def read(value: Any, where: str) -> tuple[Row, ...]:
        return tuple(
            kind(**_fields_of(kind, row, f"{where} {row.get('slug', number)}"))  # type: ignore[arg-type]
            for number, row in enumerate(value, 1)
        )

    return read


def _layouts(value: Any, where: str) -> dict[str, TrainingLayout]:
    return {
        name: TrainingLayout(**_fields_of(TrainingLayout, row, f"{where}.{name}"))
        for name, row in value.items()
    }


CONVERSIONS: Mapping[str, Callable[[Any, str], Any]] = {
    "labels": _labels,
    "path": _path,
    "inputs": _rows(InputSocket),
    "outputs": _rows(OutputSocket),
    "layouts": _layouts,
}
