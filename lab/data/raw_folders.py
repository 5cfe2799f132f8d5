"""Cases in the folders that challenges hand out, and what of them cannot be trained on.

Nothing is lost: an image that belongs to no case, a scan without labels and labels without scans
are each a failure that names it.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from challenge.description import MRI_SEQUENCES
from challenge.file_names import LABEL_WORDS, image_stem
from challenge.folders import is_hidden
from challenge.refusal import Refusal

# Sequences as challenges name them since 2023, and before.
SEQUENCE_OF = {name: name for name in MRI_SEQUENCES} | {
    "t1": "t1n",
    "t1ce": "t1c",
    "t2": "t2w",
    "flair": "t2f",
}
LABELS = "labels"
UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
MOST_NAMES = 6  # files listed in a sentence


class LayoutError(Refusal):
    """A folder is not laid out as it is said to be; the message names it."""


@dataclass(frozen=True)
class RawCase:
    """One training case as it was handed out."""

    id: str
    images: tuple[Path, ...]  # in the order of the scheme's sequences
    labels: Path


@dataclass(frozen=True)
class Failure:
    """What cannot be trained on, and why; the reason names a file or folder."""

    id: str
    reason: str
    stops: bool = True  # False where nothing is broken: scans without labels, other images


@dataclass(frozen=True)
class RawCases:
    """What a folder holds."""

    cases: tuple[RawCase, ...]
    failed: tuple[Failure, ...]


Finder = Callable[[Path, Sequence[str]], RawCases]  # of a folder, and the scheme's sequences
Split = Callable[[Path], tuple[str, str] | None]  # of an image: its case, and which part it is


def match_brats_name(name: str, sequences: Sequence[str] = MRI_SEQUENCES) -> re.Match[str] | None:
    """Take a file name apart into `id` and `part`: a sequence in any spelling, seg or gtv."""
    parts = "|".join(dict.fromkeys((*SEQUENCE_OF, *map(re.escape, sequences), *LABEL_WORDS)))
    return re.match(rf"(?P<id>.+?)[-_](?P<part>{parts})\.nii(\.gz)?\Z", name)


def brats_cases(folder: Path, sequences: Sequence[str]) -> RawCases:
    """List <ID>-<sequence>.nii.gz of each sequence and <ID>-seg, in folders of any depth or none.

    `_` may stand for `-`, .nii for .nii.gz, and the names from before 2023 (t1, t1ce, t2, flair)
    for t1n, t1c, t2w, t2f. Hidden files are ignored.
    """

    def split(path: Path) -> tuple[str, str] | None:
        match = match_brats_name(path.name, sequences)
        if match is None:
            return None
        part = LABELS if match["part"] in LABEL_WORDS else match["part"]
        return match["id"], SEQUENCE_OF.get(part, part)

    return grouped(folder, visible_images(folder), sequences, split)


def grouped(
    folder: Path, images: Iterable[Path], sequences: Sequence[str], split: Split
) -> RawCases:
    """Gather the images of a folder by what `split` says: a case's id, and a sequence or LABELS."""
    parts: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    strays: list[Path] = []
    for path in images:
        if names := split(path):
            parts[names[0]][names[1]].append(path)
        else:
            strays.append(path)
    cases, failed = [], []
    for id, files in sorted(parts.items()):
        wanted = {part: files.get(part, []) for part in (*sequences, LABELS)}
        failure = case_failure(id, wanted, _beside(files, strays))
        if failure:
            failed.append(failure)
        else:
            images = tuple(wanted[sequence][0] for sequence in sequences)
            cases.append(RawCase(id, images, wanted[LABELS][0]))
    return RawCases(tuple(cases), (*failed, *_foreign(folder, parts, strays)))


def visible_images(folder: Path) -> Iterator[Path]:
    """Yield images of a folder and of those below it, in order; links to folders are followed.

    What desktop systems leave behind (._*, .DS_Store, __MACOSX) is ignored; a broken link is not.

    Raises:
        OSError: a folder cannot be looked into.
    """

    def refuse(error: OSError) -> None:
        raise error

    seen = set[str]()
    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(parent)
        folders[:] = sorted(name for name in folders if not is_hidden(Path(name)))
        if real in seen:  # a link to a folder above
            folders.clear()
            continue
        seen.add(real)
        for name in sorted(names):
            path = Path(parent, name)
            if not is_hidden(path) and (image_stem(name) or not path.exists()):
                yield path


def safe_id(id: str) -> str:
    """Return an id that nnU-Net's file names can hold.

    Raises:
        LayoutError: it holds other signs than letters, digits, dot, dash and underscore.
    """
    if UNSAFE.search(id) or id.endswith("_0000"):
        raise LayoutError(f"case {id!r}: nnU-Net's names hold letters, digits, . - _ alone")
    return id


def case_failure(
    id: str, parts: Mapping[str, list[Path]], beside: Sequence[Path]
) -> Failure | None:
    """Say what a case lacks or has twice: `parts` are its sequences and its labels."""
    paths = [path for files in parts.values() for path in files]
    home = paths[0].parent if paths else Path()
    for part, files in parts.items():
        if len(files) > 1:
            homes = {path.parent for path in files}
            listed = ", ".join(p.name if len(homes) == 1 else str(p) for p in files)
            return Failure(id, f"{home}: {len(files)} files are {part} of {id} ({listed})")
    try:
        safe_id(id)
    except LayoutError as error:
        return Failure(id, f"{home}: {error}")
    missing = [part for part, files in parts.items() if not files]
    if not missing:
        return None
    names = [path.name for path in (*paths, *beside)]
    listed = ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
    if missing == [LABELS]:
        return Failure(id, f"{home}: {id} has scans and no labels (found {listed})", stops=False)
    return Failure(id, f"{home}: {id} lacks {', '.join(missing)} (found {listed})")


def _beside(parts: Mapping[str, list[Path]], strays: Sequence[Path]) -> list[Path]:
    """Return images of unknown names in the folder of a case, which may be what it lacks."""
    folders = {path.parent for paths in parts.values() for path in paths}
    return [path for path in strays if path.parent in folders]


def _foreign(
    folder: Path, parts: Mapping[str, Mapping[str, list[Path]]], strays: Sequence[Path]
) -> Iterator[Failure]:
    """Yield a failure a folder whose images are of no case, and a file beside several cases."""
    ids: dict[Path, set[str]] = defaultdict(set)
    for id, files in parts.items():
        for paths in files.values():
            for path in paths:
                ids[path.parent].add(id)
    strays_of: dict[Path, list[str]] = defaultdict(list)
    for path in strays:
        if path.parent not in ids and path.parent != folder:
            strays_of[path.parent].append(path.name)
        elif path.parent == folder and not path.name.startswith(tuple(ids[folder]) or "/"):
            what = "named as no scan and no labels of a case" if path.exists() else "a broken link"
            yield Failure(path.name, f"{path}: {what}", stops=not path.exists())
    for home, names in sorted(strays_of.items()):
        listed = ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
        reason = f"{home}: no image is named as one of a case (found {listed})"
        yield Failure(home.name, reason, stops=False)
