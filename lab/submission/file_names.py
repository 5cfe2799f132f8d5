"""Which file of an output folder belongs to which case, and which to none.

The rules are those of the platforms' validators of 2023 to 2026, of the orchestrator that runs
BraTS containers (it opens every entry, and takes the first match of `*<id>*`), and of
grand-challenge (one image a socket).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from challenge.case import OutputFile
from challenge.description import OutputSocket
from challenge.input_cases import InputCases

NIFTI, METAIMAGE = ".nii.gz", ".mha"
# How each year's validator or scorer reads a case's number from the end of a file's name.
READINGS = {
    "2023 and 2024": re.compile(r"(\d{5}-\d{3})\.nii\.gz$"),
    "2025": re.compile(r"(\d{4,5}-\d{1,3})\.nii\.gz$"),
    "2026": re.compile(r"(\d{5}(?:-\d{3})?|\d{4}-\d{1,3})\.nii\.gz$"),
}
NUMBER = re.compile(r"\d+(-\d+)?$")


@dataclass(frozen=True)
class Finding:
    """Something wrong with one case or one file."""

    subject: str  # case id, or path relative to the output folder
    message: str
    level: Literal["FAULT", "WARN"] = "FAULT"

    @property
    def line(self) -> str:
        """Return it as one line; names of files and foreign errors may hold line breaks."""
        return " ".join(f"{self.level} {self.subject}: {self.message}".split())


@dataclass(frozen=True)
class Outputs:
    """What an output folder holds."""

    files: tuple[tuple[str, Path], ...]  # case id, and a file whose content counts as its labels
    findings: tuple[Finding, ...]
    # Case id, file and socket of probability maps, values and masks of single labels.
    further: tuple[tuple[str, Path, OutputSocket], ...] = ()


def brats_outputs(cases: InputCases, output: Path) -> Outputs:
    """Match the entries of a flat output folder with the cases, one `<ID>.nii.gz` each."""
    ids = sorted([*(case.id for case in cases.cases), *cases.failed])
    findings = [finding for id in ids for finding in _unreadable_number(id)]
    files: dict[str, Path] = {}
    for entry in _entries(output):
        name, id = entry.name, _id_in(entry.name, ids)
        expected = f"{id}{NIFTI}"
        if reason := _no_label_file(entry, NIFTI):
            findings.append(Finding(name, reason + _mistaken_for(name, id)))
        elif id is None:
            findings.append(Finding(name, f"no such case in the input{_read_as(name)}"))
        elif id in files or (name != expected and _exists(output / expected)):
            consequence = _mistaken_for(name, id) or _read_as(name)
            findings.append(Finding(id, f"a second file, {name}{consequence}"))
        else:
            files[id] = entry
            if name != expected:
                findings.append(Finding(id, f"named {name}, expected {expected}{_read_as(name)}"))
    missing = [id for id in ids if id not in files and not _exists(output / f"{id}{NIFTI}")]
    findings += [Finding(id, f"no output file, expected {id}{NIFTI}") for id in missing]
    return Outputs(tuple(sorted(files.items())), tuple(findings))


def grand_challenge_outputs(cases: InputCases, output: Path) -> Outputs:
    """Find the one image, or the JSON file, of each output socket; an image's name is free."""
    (case,) = cases.cases
    findings, images = [], dict[Path, list[Path]]()
    values = {output / f.path for f in case.outputs if f.socket.kind == "value"}
    homes = [output / f.path.parent for f in case.outputs if f.socket.kind != "value"]
    parents = {p for home in homes for p in (home, *home.parents) if p.is_relative_to(output)}
    for entry in _entries(*sorted(parents)):
        if (entry in parents and entry.is_dir() and not entry.is_symlink()) or entry in values:
            continue
        reason = _no_label_file(entry, METAIMAGE)
        if reason or entry.parent not in homes:
            listed = ", ".join(str(home.relative_to(output)) for home in homes)
            message = reason or f"outside {listed}"
            findings.append(Finding(str(entry.relative_to(output)), message))
        else:
            images.setdefault(entry.parent, []).append(entry)
    for home in homes:
        findings += _not_one(case.id, home, output, images.get(home, []), findings)
    missing = [path for path in sorted(values) if not path.is_file()]
    findings += [Finding(case.id, f"no {path.relative_to(output)}") for path in missing]
    paths = [(_file_of(file, output, images), file.socket) for file in case.outputs]
    present = [(case.id, path, socket) for path, socket in paths if path]
    labels = [(id, path) for id, path, socket in present if _is_whole_label_map(socket)]
    further = [each for each in present if not _is_whole_label_map(each[2])]
    return Outputs(tuple(labels), tuple(findings), tuple(further))


def _is_whole_label_map(socket: OutputSocket) -> bool:
    return socket.kind == "labels" and not socket.labels


def _file_of(file: OutputFile, output: Path, images: Mapping[Path, list[Path]]) -> Path | None:
    """Return the file of a socket; of several images none is the output."""
    path = output / file.path
    if file.socket.kind == "value":
        return path if path.is_file() else None
    candidates = images.get(path.parent, [])
    return candidates[0] if len(candidates) == 1 else None


def _not_one(
    id: str, home: Path, output: Path, images: list[Path], findings: list[Finding]
) -> list[Finding]:
    """Find fault with a socket's folder unless it holds one image, or one that is refused."""
    if len(images) > 1:
        names = ", ".join(path.name for path in images)
        return [Finding(id, f"{len(images)} images ({names}), exactly one expected")]
    inside = str(home.relative_to(output))
    refused = any(f.subject.startswith(inside) and f.subject.endswith(METAIMAGE) for f in findings)
    return [] if images or refused else [Finding(id, f"no {METAIMAGE} in {inside}")]


def _entries(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir():
            yield from sorted(folder.iterdir())


def _id_in(name: str, ids: list[str]) -> str | None:
    """Return the case whose id is in a file's name, or whose number some year reads there."""
    containing = [id for id in ids if id in name]
    if containing:
        return max(containing, key=len)
    numbers = set(_readings(name).values())
    by_number = [id for id in ids if _number(id) in numbers]
    return by_number[0] if len(by_number) == 1 else None


def _no_label_file(entry: Path, ending: str) -> str | None:
    """Return why an entry is no label file of any case, or None."""
    if entry.is_symlink():
        return f"symbolic link (to {entry.readlink()}), a plain file expected"
    if entry.is_dir():
        return "folder, which the platform tries to open as an image"
    if entry.name.startswith("."):
        return "hidden file" + (", left half-written" if entry.name.startswith(".partial-") else "")
    if not entry.name.endswith(ending):
        return f"not {ending}, and the platform opens every file"
    if entry.stat().st_size == 0:
        return "empty file (0 bytes)"
    return None


def _mistaken_for(name: str, id: str | None) -> str:
    """Return a warning of a file that the orchestrator may open instead of a case's labels."""
    if id is None or name == f"{id}{NIFTI}" or id not in name:
        return ""
    return f"; the orchestrator takes the first of *{id}*"


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _number(id: str) -> str | None:
    match = NUMBER.search(id)
    return match[0] if match else None


def _readings(name: str) -> dict[str, str]:
    """Return the case number that each year reads in a file's name, of years that read one."""
    matches = {year: pattern.search(name) for year, pattern in READINGS.items()}
    return {year: match[1] for year, match in matches.items() if match}


def _read_as(name: str) -> str:
    numbers = [f"{number} in {year}" for year, number in _readings(name).items()]
    if not numbers:
        return " (no year reads a case's number in it)"
    return f" (read as {', '.join(numbers)})"


def _unreadable_number(id: str) -> list[Finding]:
    """Warn of a case in whose expected file name no year reads its number."""
    name = f"{id}{NIFTI}"
    if _number(id) in _readings(name).values():
        return []
    return [
        Finding(id, f"no year's rule finds the case's number in {name}{_read_as(name)}", "WARN")
    ]
