"""Where cases come from and labels go: the BraTS folder and grand-challenge's sockets.

A platform is recognised from the input itself. Faults of single cases are collected beside the
cases, so that one bad case never hides the others; a folder that fits no platform is an error.
"""

import json
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from challenge.case import CaseFiles
from challenge.folders import entries
from challenge.refusal import Refusal
from challenge.scheme import MRI_SEQUENCES, SCHEMES

log = logging.getLogger("podium")


class InputError(Refusal):
    """The input folder fits no platform; nothing can be run."""


@dataclass(frozen=True)
class InputCases:
    """What an input folder holds."""

    platform: str
    cases: tuple[CaseFiles, ...]
    failed: Mapping[str, str]  # case id -> what is wrong with it


@dataclass(frozen=True)
class Socket:
    """One image socket of grand-challenge."""

    slug: str
    sequence: str
    scheme: str
    folder: Path  # relative to the input folder
    output: Path  # folder relative to the output folder


def _panther_socket(slug: str, sequence: str) -> Socket:
    output = Path("images", "pancreatic-tumor-segmentation")
    return Socket(slug, sequence, f"panther-{sequence}", Path("images", slug), output)


SOCKETS = {
    socket.slug: socket
    for socket in (
        _panther_socket("abdominal-t1-mri", "t1"),  # PANTHER Task 1
        _panther_socket("abdominal-t2-mri", "t2"),  # PANTHER Task 2
    )
}

# The challenge that a BraTS case name speaks of.
SCHEME_OF_TASK = {
    "GLI": "brats-gli",
    "SSA": "brats-ssa",
    "MET": "brats-met-2025",
    "PED": "brats-ped",
    "MEN": "brats-men",
    "MEN-RT": "brats-men-rt",
    "GoAT": "brats-goat",
}
BRATS_ID = re.compile(r"BraTS-(?P<task>GLI|SSA|MET|PED|MEN|MEN-RT|GoAT)-\d+(-\d+)?\Z")
BRATS_FILE = re.compile(r"(?P<id>[^./][^/]*?)[-_](?P<sequence>t1n|t1c|t2w|t2f)\.nii(\.gz)?\Z")
NUMBERED = re.compile(r"\d\Z")  # as folders of one case are, and "input" or "images" are not
BRATS_GEOMETRY_FROM = "t1c"
LONGEST_JSON = 2**24


def find_cases(folder: Path) -> InputCases:
    """Recognise the platform of an input folder and list its cases.

    A BraTS case that lacks sequences is a case, and says which; a model decides whether to take it.

    Raises:
        InputError: the folder is missing, empty, or fits no platform.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such input folder")
    try:
        return _find_cases(folder)
    except OSError as error:
        raise InputError(f"{error.filename or folder}: {error.strerror}") from error


def _find_cases(folder: Path) -> InputCases:
    if (folder / "inputs.json").is_file():
        return grand_challenge_case(folder, _socket_of(folder / "inputs.json"))
    if (folder / "images").is_dir():
        return grand_challenge_case(folder, _socket_folder(folder / "images"))
    return brats_cases(folder)


def brats_cases(folder: Path) -> InputCases:
    """List the cases of a BraTS folder, nested or flat, `-` or `_` before the sequence's name.

    A case of a folder of its own is called as the folder is, else as its files are.
    """
    prefixes: dict[Path, set[str]] = defaultdict(set)
    scans: list[tuple[str, str, Path]] = []
    for path in files_at_most_one_folder_down(folder):
        if match := BRATS_FILE.match(path.name):
            prefixes[path.parent].add(match["id"])
            scans.append((match["id"], match["sequence"], path))
    ids = {home: _folder_id(home, names) for home, names in prefixes.items() if home != folder}
    images: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    named: dict[str, str | None] = {}
    for prefix, sequence, path in scans:
        id = ids.get(path.parent) or prefix
        images[id].append((sequence, path))
        named[id] = _scheme_of(id) or _scheme_of(prefix)
    if not images:
        raise InputError(f"{folder}: no case found (no <ID>-t1n/-t1c/-t2w/-t2f.nii.gz)")
    faults = {id: fault for id, found in sorted(images.items()) if (fault := _fault(found))}
    cases = [
        _brats_case(id, dict(images[id]), named[id]) for id in sorted(images) if id not in faults
    ]
    return InputCases("brats-folder", tuple(cases), faults)


def _folder_id(home: Path, prefixes: set[str]) -> str | None:
    """Return the case's id that a folder's name is, or None: several cases, or a name without one.

    The challenges ask for answers named as the folders, whatever the files in them are called.
    """
    if len(prefixes) != 1 or not NUMBERED.search(home.name):
        return None
    (prefix,) = prefixes
    if prefix != home.name:
        log.warning("case=%s has files named %s; its folder's name counts", home.name, prefix)
    return home.name


def grand_challenge_case(folder: Path, socket: Socket) -> InputCases:
    """Return the one case of a grand-challenge input folder."""
    images = entries(folder / socket.folder, "*.mha")
    if len(images) != 1:
        names = ", ".join(path.name for path in images) or "none"
        raise InputError(f"{folder / socket.folder}: exactly one .mha expected, found {names}")
    path = images[0]
    output = socket.output / path.name
    case = CaseFiles(path.stem, {socket.sequence: path}, socket.sequence, output, socket.scheme)
    return InputCases("grand-challenge", (case,), {})


def describe_missing(files: CaseFiles) -> str:
    """Say which sequences a case lacks, and which files were found of it."""
    present = ", ".join(sorted(path.name for path in files.images.values()))
    home = files.images[files.geometry_from].parent
    return f"{home}: missing {', '.join(files.missing_sequences)} (found {present})"


def files_at_most_one_folder_down(folder: Path) -> Iterator[Path]:
    """Yield what lies in a folder, flat or one folder a case, in order.

    What has a file's name and is none (a pipe, a link to nothing) is yielded too: it was meant.
    """
    for entry in entries(folder):
        if entry.is_dir():
            yield from entries(entry)
        else:
            yield entry


def _fault(found: list[tuple[str, Path]]) -> str | None:
    """Say why the images found under one case id do not make one case, or None."""
    folders = sorted({str(path.parent) for _, path in found})
    if len(folders) > 1:
        return f"two cases with one id, in {' and '.join(folders)}"
    for sequence, count in Counter(sequence for sequence, _ in found).items():
        if count > 1:
            names = ", ".join(path.name for s, path in found if s == sequence)
            return f"{folders[0]}: duplicate {sequence} ({names})"
    for _, path in found:  # there, so not missing: no model may answer as if it were
        if not path.is_file():
            return f"{path}: no file, but a folder, a device, a pipe or a link to nothing"
    return None


def _brats_case(id: str, images: dict[str, Path], named: str | None) -> CaseFiles:
    usual = SCHEMES[named].sequences if named else MRI_SEQUENCES
    case = CaseFiles(id, images, min(images), Path(f"{id}.nii.gz"), named)
    return with_sequences(case, tuple(dict.fromkeys((*usual, *images))))


def with_sequences(files: CaseFiles, sequences: tuple[str, ...]) -> CaseFiles:
    """Return a case as a network of these input sequences sees it.

    What it lacks of them is named as absent, what it has beside them as unused.
    """
    images = {sequence: path for sequence, path in files.images.items() if sequence in sequences}
    geometry_reference = BRATS_GEOMETRY_FROM if BRATS_GEOMETRY_FROM in images else min(images)
    return replace(
        files,
        images=images,
        geometry_from=geometry_reference,
        missing_sequences=tuple(sequence for sequence in sequences if sequence not in images),
        unused=tuple(sequence for sequence in files.images if sequence not in sequences),
    )


def _scheme_of(id: str) -> str | None:
    """Return the challenge that a BraTS case name speaks of."""
    match = BRATS_ID.match(id)
    return SCHEME_OF_TASK[match["task"]] if match else None


def _socket_of(inputs_json: Path) -> Socket:
    """Return the one socket that inputs.json names, under its new key or its old one."""
    if inputs_json.stat().st_size > LONGEST_JSON:
        raise InputError(f"{inputs_json}: more than {LONGEST_JSON} bytes")
    try:
        entries = json.loads(inputs_json.read_text(encoding="utf-8"))
        slugs = [str((entry.get("socket") or entry["interface"])["slug"]) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{inputs_json}: not a list of sockets ({error!r})") from error
    return _known(slugs, inputs_json)


def _socket_folder(images: Path) -> Socket:
    return _known([path.name for path in entries(images) if path.is_dir()], images)


def _known(slugs: list[Any], where: Path) -> Socket:
    unknown = [slug for slug in slugs if slug not in SOCKETS]
    if unknown or len(slugs) != 1:
        found = ", ".join(map(str, slugs)) or "none"
        raise InputError(f"{where}: one socket of {', '.join(SOCKETS)} expected, found {found}")
    return SOCKETS[slugs[0]]
