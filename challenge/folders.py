"""Folders as people hand them in: what their desktop systems left there is passed over."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

# Beside names with a dot in front: .DS_Store, and ._x, which macOS puts beside a file x.
LEFT_BEHIND = {"__MACOSX", "Thumbs.db", "desktop.ini"}
MOST_NAMES = 3  # of each kind in a message


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


def find_file(folder: Path, name: str) -> Path | None:
    """Return the file of a name in a folder, else the only one in the folders in it; or None."""
    if (folder / name).is_file():
        return folder / name
    deeper = [each / name for each in entries(folder) if each.is_dir() and (each / name).is_file()]
    return deeper[0] if len(deeper) == 1 else None


def few(names: Iterable[str]) -> str:
    """Return the first few names, for a message."""
    listed = list(names)
    return ", ".join(listed[:MOST_NAMES]) + (", ..." if len(listed) > MOST_NAMES else "")


def describe_contents(folder: Path) -> str:
    """Say in a few words what lies in a folder, for where what was looked for does not."""
    if not folder.is_dir():
        return "no such folder"
    try:
        visible = entries(folder)
    except OSError as error:
        return f"it cannot be looked into, {error.strerror}"
    folders = [path for path in visible if path.is_dir()]
    files = [path for path in visible if path not in folders]
    groups = [_named(files, "file"), _named(folders, "folder")]
    return " and ".join(group for group in groups if group) or "nothing"


def _named(paths: list[Path], what: str) -> str:
    names = few(path.name for path in paths)
    return f"{len(paths)} {what}{'s' * (len(paths) != 1)} ({names})" if paths else ""


def files_below(folder: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files anywhere under a folder that end so, in order, in no hidden folder."""
    for path in sorted(folder.rglob("*")):
        if not path.name.endswith(endings) or not path.is_file():
            continue
        parts = path.relative_to(folder).parts
        if not any(is_hidden(Path(part)) for part in parts):
            yield path
