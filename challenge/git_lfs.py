"""Pointers of Git LFS: three lines of text, where a clone did not fetch the file itself.

Public repositories of trained networks store their large files so, plans.json among them.
"""

from pathlib import Path

# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: the first line, up to its version.
BEGINNING = b"version https://git-lfs.github.com/spec/"
NOT_FETCHED = "a pointer of Git LFS, not the file itself; git lfs pull fetches it"


def is_pointer(path: Path) -> bool:
    """Return whether a file is such a pointer."""
    with path.open("rb") as file:
        return file.read(len(BEGINNING)) == BEGINNING
