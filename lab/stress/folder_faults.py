"""Folders laid out wrongly: names, links, strays, and inputs.json of every kind.

A case that lacks a sequence is accepted by the weights that ship; its labels are others.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from challenge.scheme import MRI_SEQUENCES
from lab.stress.malformed import (
    ACCEPTED,
    CORRUPTED,
    REFUSED,
    SOCKET,
    STEM,
    UNUSABLE,
    Malformed,
    scan_of,
    socket_scan,
)

NAME = f"{CORRUPTED}-t2w.nii.gz"


def malformed() -> Iterator[Malformed]:
    """Yield each of them."""
    for sequence in MRI_SEQUENCES:
        missing = f"missing {sequence}"
        yield Malformed(missing, "brats", _without(sequence), ACCEPTED, same_labels=False)
    for name, (corrupt, code, message) in LAYOUTS.items():
        same = corrupt not in (_swapped, _deep)
        yield Malformed(name, "brats", corrupt, code, message, same_labels=same)
    for name, id in IDS.items():
        yield Malformed(f"id {name}", "brats", _renamed(id), ACCEPTED, id=id)
    for name, content in INPUTS_JSON.items():
        yield Malformed(
            f"inputs.json {name}", "panther", _inputs_json(content), UNUSABLE, "inputs.json"
        )
    for name, (corrupt, message) in SOCKETS.items():
        yield Malformed(name, "panther", corrupt, UNUSABLE, message)
    name = "MetaImage in the name of a TIFF"
    yield Malformed(name, "panther", _other_format, REFUSED, "cannot be read as TIFF")


def _without(sequence: str) -> Callable[[Path], None]:
    return lambda folder: scan_of(folder, sequence).unlink()


def _renamed(id: str) -> Callable[[Path], None]:
    """Give the case another id; it is predicted, under that id."""

    def corrupt(folder: Path) -> None:
        (folder / id).mkdir()
        for sequence in MRI_SEQUENCES:
            scan_of(folder, sequence).rename(folder / id / f"{id}-{sequence}.nii.gz")
        (folder / CORRUPTED).rmdir()

    return corrupt


def _linked(to: Callable[[Path], Path | str]) -> Callable[[Path], None]:
    def corrupt(folder: Path) -> None:
        path = scan_of(folder)
        target = to(folder)
        path.unlink()
        path.symlink_to(target)

    return corrupt


def _elsewhere(folder: Path) -> Path:
    """Move a scan out of the input; a link to it is accepted."""
    outside = folder.with_name(f"{folder.name}-outside.nii.gz")
    return Path(shutil.copy(scan_of(folder), outside))


def _pipe(folder: Path) -> None:
    scan_of(folder).unlink()
    os.mkfifo(scan_of(folder))


def _folder_for_a_scan(folder: Path) -> None:
    scan_of(folder).unlink()
    scan_of(folder).mkdir()


def _strays(folder: Path) -> None:
    for number in range(10_000):
        (folder / CORRUPTED / f"stray {number}.txt").touch()


def _twice(folder: Path) -> None:
    shutil.copy(scan_of(folder), folder / CORRUPTED / f"{CORRUPTED}_t2w.nii.gz")


def _in_two_folders(folder: Path) -> None:
    shutil.copytree(folder / CORRUPTED, folder / "again")


def _swapped(folder: Path) -> None:
    """Two sequences under each other's name; no program can see that, and none may fail."""
    a, b, spare = scan_of(folder, "t1n"), scan_of(folder, "t2f"), folder / CORRUPTED / "spare"
    a.rename(spare)
    b.rename(a)
    spare.rename(b)


def _hidden_copies(folder: Path) -> None:
    for sequence in MRI_SEQUENCES:
        (folder / CORRUPTED / f"._{CORRUPTED}-{sequence}.nii.gz").write_bytes(b"\0\5\x16\7")


def _deep(folder: Path) -> None:
    home = folder / CORRUPTED / "one" / "more"
    home.mkdir(parents=True)
    scan_of(folder).rename(home / NAME)


def _loop(folder: Path) -> None:
    (folder / CORRUPTED / "again").symlink_to(folder)


def _inputs_json(content: bytes) -> Callable[[Path], None]:
    return lambda folder: _write(folder / "inputs.json", content)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _second_scan(folder: Path) -> None:
    shutil.copy(socket_scan(folder), folder / SOCKET / "another.mha")


def _no_scan(folder: Path) -> None:
    socket_scan(folder).unlink()


def _other_format(folder: Path) -> None:
    socket_scan(folder).rename(folder / SOCKET / f"{STEM}.tif")


def _entries(*slugs: object, key: str = "socket") -> bytes:
    return json.dumps(
        [{key: {"slug": slug, "relative_path": "../../etc"}} for slug in slugs]
    ).encode()


T1 = "abdominal-t1-mri"
LAYOUTS: dict[str, tuple[Callable[[Path], None], int, str]] = {
    "a scan twice": (_twice, REFUSED, "duplicate t2w"),
    "a case twice": (_in_two_folders, REFUSED, "two cases with one id"),
    "two sequences swapped": (_swapped, ACCEPTED, ""),
    "10,000 stray files": (_strays, ACCEPTED, ""),
    "hidden copies of another system": (_hidden_copies, ACCEPTED, ""),
    "a scan two folders down": (_deep, ACCEPTED, ""),
    "a folder that leads back": (_loop, ACCEPTED, ""),
    "a folder for a scan": (_folder_for_a_scan, REFUSED, f"{NAME}: no file"),
    "a pipe for a scan": (_pipe, REFUSED, f"{NAME}: no file"),
    "a link to a scan elsewhere": (_linked(_elsewhere), ACCEPTED, ""),
    "a link to nothing": (_linked(lambda _: "nowhere.nii.gz"), REFUSED, f"{NAME}: no file"),
    "a link to itself": (_linked(lambda folder: scan_of(folder)), REFUSED, f"{NAME}: no file"),
    "a link to a device": (_linked(lambda _: "/dev/zero"), REFUSED, f"{NAME}: no file"),
    "a link to passwords": (_linked(lambda _: "/etc/passwd"), REFUSED, NAME),
    "a link to its own memory": (_linked(lambda _: "/proc/self/mem"), REFUSED, NAME),
    "a link to a folder": (_linked(lambda folder: folder), REFUSED, f"{NAME}: no file"),
}
IDS = {
    "with spaces": "BraTS GLI 1",
    "in unicode": "Ärztin-μ-脳",
    "with dots": "a..b",
    "dashes": "--help",
    "of a device": "CON",
    "with a line break": "two\nlines",
    "with a backslash": "up\\..\\..",
    "not in UTF-8": "caf\udce9",
    "of markup": "<b>&amp;",
    "with quotes": "a'b\"c",
    "long": "x" * 220,
    "with a percent sign": "%s%n%d",
    "of a shell": "$(touch ran);`touch ran`",
}
INPUTS_JSON = {
    "of nothing": b"",
    "not JSON": b"{",
    "null": b"null",
    "a number": b"7",
    "a word": b'"socket"',
    "an empty list": b"[]",
    "a list of lists": b"[[]]",
    "nested": b"[" * 100_000,
    "in UTF-16": _entries(T1).decode().encode("utf-16"),
    "of an unknown socket": _entries("brain"),
    "of two sockets": _entries(T1, "abdominal-t2-mri"),
    "of one socket twice": _entries(T1, T1),
    "a slug that is a list": _entries([T1]),
    "a slug that is an object": _entries({"slug": T1}),
    "a slug with a path": _entries(f"../{T1}"),
    "a slug that is null": _entries(None),
    "without a known key": _entries(T1, key="kind"),
    "NaN": b"[NaN]",
    "zeros": bytes(200),
    "of 20 MB": b" " * 20_000_000 + _entries(T1),
}
SOCKETS: dict[str, tuple[Callable[[Path], None], str]] = {
    "two scans in a socket": (_second_scan, "exactly one image"),
    "no scan in a socket": (_no_scan, "exactly one image"),
}
