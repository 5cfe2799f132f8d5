"""Where cases come from and labels go: BraTS's folder, grand-challenge's sockets, nnU-Net's images.

A platform is recognised from the input itself. What is wrong with a single case is collected beside
the cases, so that one bad case never hides the others; a folder that fits no platform is an error.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from challenge.case import CaseFiles
from challenge.challenges import folder_sequences, scheme_of_id
from challenge.description import MRI_SEQUENCES, Scheme
from challenge.folders import describe_contents, entries
from challenge.input_cases import InputCases, InputError, fault_of, with_sequences
from challenge.nnunet_layout import nnunet_cases
from challenge.sockets import socket_case

log = logging.getLogger("podium")


NUMBERED = re.compile(r"\d\Z")  # as folders of one case are, and "input" or "images" are not


def match_scan_name(name: str) -> re.Match[str] | None:
    """Take a scan's file name apart into `id` and `sequence`, or None: <id>-<sequence>.nii.gz."""
    sequences = "|".join(map(re.escape, folder_sequences()))
    return re.match(rf"(?P<id>[^./][^/]*?)[-_](?P<sequence>{sequences})\.nii(\.gz)?\Z", name)


def find_cases(
    folder: Path, channels: Sequence[str] | None = None, challenges: Collection[str] = ()
) -> InputCases:
    """Recognise the platform of an input folder and list its cases.

    A case that lacks sequences is a case, and says which; a model decides whether to take it.
    Where a folder holds no case, the folders in it are searched.

    Args:
        folder: as a platform hands it in, or numbered images as nnU-Net has them.
        channels: of numbered images, the sequences in their order; None: as dataset.json says.
        challenges: that models at hand answer; they come first where sockets fit several.

    Raises:
        InputError: the folder is missing, empty, or fits no platform.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such input folder")
    try:
        cases = _cases_in(folder, channels, challenges)
        return cases or _cases_below(folder, channels, challenges)
    except OSError as error:
        raise InputError(f"{error.filename or folder}: {error.strerror}") from error


def _cases_in(
    folder: Path, channels: Sequence[str] | None, challenges: Collection[str]
) -> InputCases | None:
    """Return the cases of a folder itself, or None."""
    by_socket = socket_case(folder, challenges)
    return by_socket or brats_cases(folder) or nnunet_cases(folder, channels)


def _cases_below(
    folder: Path, channels: Sequence[str] | None, challenges: Collection[str]
) -> InputCases:
    """Return the cases of the folders in a folder that holds none itself."""
    inputs: dict[Path, InputCases] = {}
    refusals: list[InputError] = []
    for path in entries(folder):
        try:
            if path.is_dir() and (cases := _cases_in(path, channels, challenges)):
                inputs[path] = cases
        except InputError as error:
            refusals.append(error)
    if not inputs:
        raise refusals[0] if refusals else InputError(_no_case(folder))
    if len(inputs) > 1 and any(each.platform != "brats-folder" for each in inputs.values()):
        listed = ", ".join(str(path) for path in inputs)
        raise InputError(f"{folder}: {len(inputs)} inputs, which run one at a time: {listed}")
    for path, each in inputs.items():
        log.info("%s: %d cases", path, len(each.cases) + len(each.failed))
    return _joined(inputs)


def _joined(inputs: Mapping[Path, InputCases]) -> InputCases:
    """Return the cases of several folders together; what has the same id in two is none."""
    homes: dict[str, list[str]] = defaultdict(list)
    for home, each in inputs.items():
        for id in (*(case.id for case in each.cases), *each.failed):
            homes[id].append(str(home))
    failed = {id: reason for each in inputs.values() for id, reason in each.failed.items()}
    twice = {id: f"two cases with one id, in {' and '.join(h)}" for id, h in homes.items() if h[1:]}
    cases = (case for each in inputs.values() for case in each.cases if case.id not in twice)
    platform = next(iter(inputs.values())).platform
    return InputCases(platform, tuple(sorted(cases, key=lambda case: case.id)), failed | twice)


def _no_case(folder: Path) -> str:
    scans = "/".join(f"-{sequence}" for sequence in folder_sequences())
    held = describe_contents(folder)
    return (
        f"{folder}: no case found (looked for <ID>{scans}.nii.gz, <case>_0000.nii.gz or .mha, "
        f"inputs.json and images/, here and one folder deeper); it holds {held}"
    )


def brats_cases(folder: Path) -> InputCases | None:
    """List the cases of a BraTS folder, nested or flat, `-` or `_` before the sequence's name.

    None where there are none.
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
        return None
    failed = {id: fault for id, scans in sorted(images.items()) if (fault := fault_of(scans))}
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


def files_at_most_one_folder_down(folder: Path) -> Iterator[Path]:
    """Yield what lies in a folder, flat or one folder a case, in order.

    What has a file's name and is none (a pipe, a link to nothing) is yielded too: it was meant.
    """
    for entry in entries(folder):
        if entry.is_dir():
            yield from entries(entry)
        else:
            yield entry


def _brats_case(id: str, images: dict[str, Path], scheme: Scheme | None) -> CaseFiles:
    usual = scheme.sequences if scheme else MRI_SEQUENCES
    name = scheme.name if scheme else None
    case = CaseFiles(id, images, "", Path(f"{id}.nii.gz"), name)
    return with_sequences(case, tuple(dict.fromkeys((*usual, *images))))
