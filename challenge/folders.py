"""Folders as people hand them in: what their desktop systems left there is passed over."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

# Beside names with a dot in front: .DS_Store, and ._x, which macOS puts beside a file x.
LEFT_BEHIND = {"__MACOSX", "Thumbs.db", "desktop.ini"}


def is_hidden(path: Path) -> bool:
    """Return whether a file or folder is none that a person put there."""
    return path.name.startswith(".") or path.name in LEFT_BEHIND


def entries(folder: Path, pattern: str = "*") -> list[Path]:
    """Return what lies in a folder and matches, hidden entries left out, in order.

    Nothing lies in a folder that does not exist.

    Raises:
        OSError: the folder cannot be looked into.
    """
    if not folder.is_dir():
        return []
    visible = (path for path in folder.iterdir() if not is_hidden(path))
    return sorted(path for path in visible if fnmatchcase(path.name, pattern))


def files_below(folder: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files anywhere under a folder that end so, in order, in no hidden folder."""
    for path in sorted(folder.rglob("*")):
        if not path.name.endswith(endings) or not path.is_file():
            continue
        parts = path.relative_to(folder).parts
        if not any(is_hidden(Path(part)) for part in parts):
            yield path
