"""The one case that a path means: a challenge's folder, a scan, or nnU-Net's numbered files."""

import re
from pathlib import Path

from challenge.case import CaseFiles
from challenge.input_cases import InputError
from challenge.platforms import find_cases

NNUNET_FILE = re.compile(r"(?P<id>.+)_(?P<channel>\d{4})(?P<ending>\.nii\.gz|\.nii|\.mha)\Z")


def find_case(path: Path, sequences: tuple[str, ...]) -> CaseFiles:
    """Return the one case that a path means.

    A challenge's folder or input folder with one case, a scan where one sequence is read, or
    nnU-Net's `<case>_0000.nii.gz`: one of these files, or a folder that holds one such case.
    nnU-Net's channels are numbered in the order of `sequences`.

    Raises:
        InputError: no case, more than one, or a sequence that is missing.
    """
    if path.is_file():
        if len(sequences) == 1:
            images = {sequences[0]: path}
            return CaseFiles(path.name.split(".")[0], images, sequences[0], Path(path.name))
        return _numbered(path, sequences)
    firsts = [p for p in sorted(path.glob("*_0000.*")) if NNUNET_FILE.match(p.name)]
    if len(firsts) == 1:
        return _numbered(firsts[0], sequences)
    if firsts:
        raise InputError(f"{path}: {len(firsts)} cases, one expected; name its file ..._0000")
    inputs = find_cases(path)
    if len(inputs.cases) != 1:
        failed = "".join(f"; {reason}" for reason in inputs.failed.values())
        raise InputError(f"{path}: {len(inputs.cases)} cases, one expected{failed}")
    if missing := [s for s in sequences if s not in inputs.cases[0].images]:
        raise InputError(f"{path}: no {', '.join(missing)}, which the network reads")
    return inputs.cases[0]


def _numbered(first: Path, sequences: tuple[str, ...]) -> CaseFiles:
    match = NNUNET_FILE.match(first.name)
    if match is None:
        raise InputError(f"{first}: not one of nnU-Net's files, <case>_0000 and so on")
    id, ending = match["id"], match["ending"]
    images = {s: first.with_name(f"{id}_{i:04d}{ending}") for i, s in enumerate(sequences)}
    if missing := [path.name for path in images.values() if not path.is_file()]:
        raise InputError(f"{first.parent}: {', '.join(missing)} missing")
    return CaseFiles(id, images, sequences[0], Path(f"{id}{ending}"))
