"""Which prediction belongs to which reference, by id, as the platforms match them.

A BraTS id is four digits or more, with an optional time point, at the end of a file's name:
`00132-000.nii.gz` is the prediction for `BraTS-MET-00132-000-seg.nii.gz`. Other names are compared
whole. What does not match is a problem with a name, never an exception.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from challenge.file_names import IMAGE_ENDINGS, LABEL_SUFFIX, image_stem
from challenge.folders import describe_contents, few, is_hidden
from challenge.refusal import Refusal
from lab.evaluation.results import Problem

# 2023 and 2024 wrote five and three digits, 2025 also four and one to three, GoAT five alone.
NUMERIC_ID = re.compile(r"(?<!\d)(\d{4,}-\d{1,3}|\d{5,})$")


@dataclass(frozen=True)
class CasePair:
    """One reference, and its prediction where there is one."""

    id: str
    prediction: Path | None
    reference: Path
    cohort: str = ""  # that the case came from, where its scorer asks
    probability: Path | None = None  # map of the region whose probabilities its scorer reads


def match_cases(predictions: Path, references: Path) -> tuple[list[CasePair], list[Problem]]:
    """Match the label maps of two folders (any depth); return the pairs by id, and what is wrong.

    A reference with two predictions, or an id with two references, is a problem and no pair. Where
    any file of the references' folder ends in -seg or _gtv, only such files are references: scans
    may lie beside them, and predictions too. A broken link or a pipe that bears a label map's name
    is matched like a file, so that its case is reported and not lost.

    Raises:
        Refusal: a folder is missing or holds no label map, or the two have no case in common.
    """
    for folder in (predictions, references):
        if not folder.is_dir():
            raise Refusal(f"{folder}: no such folder")
    reference_files, problems = label_files(references)
    marked = [path for path in reference_files if LABEL_SUFFIX.search(stem(path))]
    reference_files = marked or reference_files
    if not reference_files:
        raise Refusal(_nothing(references, "label map"))
    taken = {_resolved(path) for path in reference_files}
    files, unlisted = label_files(predictions)
    prediction_files = [path for path in files if _resolved(path) not in taken]
    if not prediction_files:
        raise Refusal(_nothing(predictions, "prediction"))

    by_id = _by(reference_files, case_id)
    problems += [problem for problem in unlisted if problem not in problems]
    problems += [_duplicate(id, files, "references") for id, files in by_id.items() if files[1:]]
    candidates = _candidates(by_id, prediction_files)
    used = {path for files in candidates.values() for path in files}
    if not used:
        raise Refusal(
            f"no case in common: {predictions} has {_count(map(case_id, prediction_files))}, "
            f"{references} has {_count(by_id)}; a prediction is named as its reference, or ends in "
            "the same case number"
        )
    for id, files in candidates.items():
        if len(files) > 1 and not by_id[id][1:]:
            problems.append(_duplicate(id, files, "predictions"))
    problems += [
        Problem(case_id(path), "extra", f"{path}: no reference has this id", scored=False)
        for path in prediction_files
        if path not in used
    ]
    pairs = [
        CasePair(id, next(iter(candidates[id]), None), files[0])
        for id, files in sorted(by_id.items())
        if len(files) == 1 and len(candidates[id]) < 2
    ]
    return pairs, problems


def label_files(folder: Path) -> tuple[list[Path], list[Problem]]:
    """Return what bears a label map's name anywhere under a folder, in order, and what is closed.

    Hidden names are left out; links to folders are followed, each folder once. What is no file, as
    a broken link or a folder that holds no label map, is returned too: reading it tells why. A
    folder that cannot be listed is a problem.
    """
    named: list[Path] = []
    problems: list[Problem] = []
    waiting, seen = [folder], {_resolved(folder)}
    while waiting:
        directory = waiting.pop()
        try:
            entries = sorted(path for path in directory.iterdir() if not is_hidden(path))
        except OSError as error:
            text = f"{directory}: this folder cannot be listed ({error.strerror})"
            problems.append(Problem(None, "unreadable", text, scored=False))
            continue
        named += [path for path in entries if path.name.endswith(IMAGE_ENDINGS)]
        inner = {_resolved(path): path for path in entries if _is_folder(path)}
        waiting += [path for real, path in inner.items() if real not in seen]
        seen |= set(inner)
    holding = {parent for path in named if not _is_folder(path) for parent in path.parents}
    return sorted(path for path in named if path not in holding), problems


def _nothing(folder: Path, what: str) -> str:
    endings = ", ".join(IMAGE_ENDINGS)
    return (
        f"{folder}: no {what} (no file that ends in {endings}, in it or in any folder below); it "
        f"holds {describe_contents(folder)}"
    )


def _count(ids: Iterable[str]) -> str:
    """Return how many cases there are, and the first few."""
    names = sorted(ids)
    return f"{len(names)} ({few(names)})"


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # below a folder that may be listed and not entered
        return False


def _resolved(path: Path) -> Path:
    """Return where a path leads; a link that leads to itself is returned as it is."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()


def stem(path: Path) -> str:
    """Return a file's name without its ending."""
    return image_stem(path.name) or path.name


def case_id(path: Path) -> str:
    """Return the case's name: the file's, without its ending and without -seg."""
    return LABEL_SUFFIX.sub("", stem(path))


def numeric_id(name: str) -> str | None:
    """Return the digits by which a platform knows a case, if the name ends in such."""
    match = NUMERIC_ID.search(name)
    return match[1] if match else None


def _candidates(by_id: dict[str, list[Path]], predictions: list[Path]) -> dict[str, list[Path]]:
    """Return, for each reference id, the predictions with its name or with its numeric id.

    Numeric ids that two cases share, as in a mixed cohort, are no ids; names then decide.
    """
    numbers = _by(list(by_id), numeric_id)
    known = {number: ids[0] for number, ids in numbers.items() if len(ids) == 1}
    candidates: dict[str, list[Path]] = {id: [] for id in by_id}
    for path in predictions:
        name = case_id(path)
        id = name if name in by_id else known.get(numeric_id(name) or "")
        if id is not None:
            candidates[id].append(path)
    return candidates


def _by(items: list[Any], key: Callable[[Any], str | None]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for item in items:
        if (value := key(item)) is not None:
            groups[value].append(item)
    return dict(groups)


def _duplicate(id: str, files: list[Path], what: str) -> Problem:
    names = ", ".join(map(str, files))
    return Problem(id, "duplicate", f"{len(files)} {what} for {id}: {names}", scored=False)
