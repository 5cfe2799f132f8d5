"""Where a verb is to write: looked at before hours are spent, not after."""

from pathlib import Path

from challenge.refusal import Refusal

PAGES, PICTURES = (".html", ".htm"), (".png", ".jpg", ".jpeg")


def check_page(html: Path) -> None:
    """Refuse a page's name that is none of HTML's, or whose folder is not there."""
    _check(html, PAGES)


def check_picture(path: Path) -> None:
    """Refuse a picture's name of another format than PNG and JPEG, or whose folder is not there."""
    _check(path, PICTURES)


def _check(path: Path, endings: tuple[str, ...]) -> None:
    if path.suffix.lower() not in endings:
        raise Refusal(f"{path}: the name of what is written ends in {' or '.join(endings)}")
    if path.is_dir():
        raise Refusal(f"{path}: is a folder")
    if not path.parent.is_dir():
        raise Refusal(f"{path.parent}: no such folder")
