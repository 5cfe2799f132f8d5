"""Where cases come from and labels go: the BraTS folder and grand-challenge's sockets.

A platform is recognised from the input itself. What is wrong with a single case is collected beside
the cases, so that one bad case never hides the others; a folder that fits no platform is an error.
"""

import json
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from challenge.case import CaseFiles
from challenge.challenges import SCHEMES, folder_sequences, scheme_of_id
from challenge.description import MRI_SEQUENCES, Scheme
from challenge.folders import entries
from challenge.limits import TIME_LIMIT_S
from challenge.refusal import Refusal

log = logging.getLogger("podium")


class InputError(Refusal):
    """The input folder fits no platform; nothing can be run."""


@dataclass(frozen=True)
class InputCases:
    """What an input folder holds."""

    platform: str
    cases: tuple[CaseFiles, ...]
    failed: Mapping[str, str]  # case id -> what is wrong with it

    @property
    def time_limit_s(self) -> float:
        """Seconds for the folder: the least of the challenges that its cases speak of."""
        limits_s = [SCHEMES[case.scheme].time_limit_s for case in self.cases if case.scheme]
        return min(limits_s, default=TIME_LIMIT_S[self.platform])


NUMBERED = re.compile(r"\d\Z")  # as folders of one case are, and "input" or "images" are not
BRATS_GEOMETRY_FROM = "t1c"
LONGEST_JSON = 2**24


def match_scan_name(name: str) -> re.Match[str] | None:
    """Take a scan's file name apart into `id` and `sequence`, or None: <id>-<sequence>.nii.gz."""
    sequences = "|".join(map(re.escape, folder_sequences()))
    return re.match(rf"(?P<id>[^./][^/]*?)[-_](?P<sequence>{sequences})\.nii(\.gz)?\Z", name)


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
        return grand_challenge_case(folder, _scheme_of_inputs(folder / "inputs.json"))
    if (folder / "images").is_dir():
        return grand_challenge_case(folder, _scheme_of_folders(folder / "images"))
    return brats_cases(folder)


def brats_cases(folder: Path) -> InputCases:
    """List the cases of a BraTS folder, nested or flat, `-` or `_` before the sequence's name.

    A case in a folder by itself is called as the folder is, else as its files are.
    """
    prefixes: dict[Path, set[str]] = defaultdict(set)
    scans: list[tuple[str, str, Path]] = []
    for path in files_at_most_one_folder_down(folder):
        if match := match_scan_name(path.name):
            prefixes[path.parent].add(match["id"])
            scans.append((match["id"], match["sequence"], path))
    ids = {home: _folder_id(home, names) for home, names in prefixes.items() if home != folder}
    images: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    schemes: dict[str, Scheme | None] = {}
    for prefix, sequence, path in scans:
        id = ids.get(path.parent) or prefix
        images[id].append((sequence, path))
        schemes[id] = scheme_of_id(id) or scheme_of_id(prefix)
    if not images:
        expected = "/".join(f"-{sequence}" for sequence in folder_sequences())
        raise InputError(f"{folder}: no case found (no <ID>{expected}.nii.gz)")
    failed = {id: fault for id, scans in sorted(images.items()) if (fault := _fault(scans))}
    cases = [
        _brats_case(id, dict(images[id]), schemes[id]) for id in sorted(images) if id not in failed
    ]
    return InputCases("brats-folder", tuple(cases), failed)


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


def grand_challenge_case(folder: Path, scheme: Scheme) -> InputCases:
    """Return the one case of a grand-challenge input folder, of a challenge that has a socket."""
    socket, sequence = scheme.socket, scheme.sequences[0]
    if socket is None:
        raise InputError(f"{folder}: {scheme.name} has no socket on grand-challenge")
    images = entries(folder / socket.folder, "*.mha")
    if len(images) != 1:
        names = ", ".join(path.name for path in images) or "none"
        raise InputError(f"{folder / socket.folder}: exactly one .mha expected, found {names}")
    path = images[0]
    output = socket.output / path.name
    case = CaseFiles(path.stem, {sequence: path}, sequence, output, scheme.name)
    return InputCases("grand-challenge", (case,), {})


def describe_missing(files: CaseFiles) -> str:
    """Say which sequences a case lacks, and which of its files are there."""
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


def _fault(scans: list[tuple[str, Path]]) -> str | None:
    """Say why the scans of one case id (sequence, file) do not make one case, or None."""
    folders = sorted({str(path.parent) for _, path in scans})
    if len(folders) > 1:
        return f"two cases with one id, in {' and '.join(folders)}"
    for sequence, count in Counter(sequence for sequence, _ in scans).items():
        if count > 1:
            names = ", ".join(path.name for s, path in scans if s == sequence)
            return f"{folders[0]}: duplicate {sequence} ({names})"
    for _, path in scans:  # there, so not missing: no model may answer as if it were
        if not path.is_file():
            return f"{path}: no file, but a folder, a device, a pipe or a link to nothing"
    return None


def _brats_case(id: str, images: dict[str, Path], scheme: Scheme | None) -> CaseFiles:
    usual = scheme.sequences if scheme else MRI_SEQUENCES
    name = scheme.name if scheme else None
    case = CaseFiles(id, images, min(images), Path(f"{id}.nii.gz"), name)
    return with_sequences(case, tuple(dict.fromkeys((*usual, *images))))


def with_sequences(files: CaseFiles, sequences: tuple[str, ...]) -> CaseFiles:
    """Return a case as a network of these input sequences sees it.

    What it lacks of them is named as missing, what it has beside them as unused.
    """
    images = {sequence: path for sequence, path in files.images.items() if sequence in sequences}
    geometry_from = BRATS_GEOMETRY_FROM if BRATS_GEOMETRY_FROM in images else min(images)
    return replace(
        files,
        images=images,
        geometry_from=geometry_from,
        missing_sequences=tuple(sequence for sequence in sequences if sequence not in images),
        unused=tuple(sequence for sequence in files.images if sequence not in sequences),
    )


def _scheme_of_inputs(inputs_json: Path) -> Scheme:
    """Return the challenge of the one socket that inputs.json names, under either key of it."""
    if inputs_json.stat().st_size > LONGEST_JSON:
        raise InputError(f"{inputs_json}: more than {LONGEST_JSON} bytes")
    try:
        entries = json.loads(inputs_json.read_text(encoding="utf-8"))
        slugs = [str((entry.get("socket") or entry["interface"])["slug"]) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{inputs_json}: not a list of sockets ({error!r})") from error
    return _scheme_of_socket(slugs, inputs_json)


def _scheme_of_folders(images: Path) -> Scheme:
    return _scheme_of_socket([path.name for path in entries(images) if path.is_dir()], images)


def _scheme_of_socket(slugs: list[str], source: Path) -> Scheme:
    known = {scheme.socket.slug: scheme for scheme in SCHEMES.values() if scheme.socket}
    if len(slugs) != 1 or slugs[0] not in known:
        listed = ", ".join(slugs) or "none"
        raise InputError(f"{source}: one socket of {', '.join(known)} expected, found {listed}")
    return known[slugs[0]]
