"""Where a verb is to write: looked at before hours are spent, not after."""

import os
from pathlib import Path

from challenge.refusal import Refusal

PAGES, PICTURES = (".html", ".htm"), (".png", ".jpg", ".jpeg")


def make_folder(folder: Path) -> None:
    """Make a folder that files are to be written into, and those above it.

    Raises:
        Refusal: it cannot be made, or nothing can be written there; the message names it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refusal(f"{folder}: this folder cannot be made ({error.strerror})") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Refusal(f"{folder}: this folder is not writable")


def check_file(path: Path) -> None:
    """Refuse a file's name that is a folder's; make the folder that the file lies in."""
    if path.is_dir():
        raise Refusal(f"{path}: is a folder")
    make_folder(path.parent)


def check_page(html: Path) -> None:
    """Refuse a page's name that is none of HTML's; make the page's folder."""
    _check(html, PAGES)


def check_picture(path: Path) -> None:
    """Refuse a picture's name of another format than PNG and JPEG; make the picture's folder."""
    _check(path, PICTURES)


def _check(path: Path, endings: tuple[str, ...]) -> None:
    if path.suffix.lower() not in endings:
        raise Refusal(f"{path}: the name of what is written ends in {' or '.join(endings)}")
    check_file(path)
