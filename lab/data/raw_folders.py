"""Cases in the folders that challenges hand out, and what of them cannot be trained on.

Nothing is lost: an image that belongs to no case, a scan without labels and labels without scans
are each a fault that names it.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from challenge.file_names import LABEL_WORDS, image_stem
from challenge.folders import entries, is_hidden
from challenge.platforms import BRATS_ID, SCHEME_OF_TASK
from challenge.refusal import Refusal

# Sequences as challenges name them since 2023, and before.
SEQUENCE_OF = {
    "t1n": "t1n", "t1": "t1n", "t1c": "t1c", "t1ce": "t1c", "t2w": "t2w", "t2": "t2w",
    "t2f": "t2f", "flair": "t2f",
}  # fmt: skip
LABELS = "labels"
BRATS_NAME = re.compile(
    rf"(?P<id>.+?)[-_](?P<part>{'|'.join((*SEQUENCE_OF, *LABEL_WORDS))})\.nii(\.gz)?\Z"
)
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
class Fault:
    """What cannot be trained on, and why; the reason names a file or folder."""

    id: str
    reason: str
    stops: bool = True  # False where nothing is broken: scans without labels, other images


@dataclass(frozen=True)
class Listing:
    """What a folder holds."""

    cases: tuple[RawCase, ...]
    faults: tuple[Fault, ...]


Lister = Callable[[Path, Sequence[str]], Listing]  # of a folder, and the scheme's sequences


def brats_cases(folder: Path, sequences: Sequence[str]) -> Listing:
    """List <ID>-t1n.nii.gz, -t1c, -t2w, -t2f and -seg, in folders of any depth or in none.

    `_` may stand for `-`, .nii for .nii.gz, and the names from before 2023 (t1, t1ce, t2, flair)
    for the others. Hidden files are passed over.

    Raises:
        LayoutError: cases of several challenges, whose labels mean different things.
    """
    listing = mixed_cases(folder, sequences)
    matches = [BRATS_ID.match(case.id) for case in listing.cases]
    schemes = {SCHEME_OF_TASK[match["task"]] for match in matches if match}
    if len(schemes) > 1:
        raise LayoutError(f"{folder}: cases of {', '.join(sorted(schemes))} mixed")
    return listing


def mixed_cases(folder: Path, sequences: Sequence[str]) -> Listing:
    """List cases as `brats_cases` does, of whatever challenges their names speak of."""
    parts: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    strays: list[Path] = []
    for path in visible_images(folder):
        if match := BRATS_NAME.match(path.name):
            part = match["part"]
            parts[match["id"]][SEQUENCE_OF.get(part, LABELS)].append(path)
        else:
            strays.append(path)
    cases, faults = [], []
    for id, named in sorted(parts.items()):
        wanted = {part: named.get(part, []) for part in (*sequences, LABELS)}
        fault = _fault(id, wanted, _beside(named, strays))
        if fault:
            faults.append(fault)
        else:
            images = tuple(wanted[sequence][0] for sequence in sequences)
            cases.append(RawCase(id, images, wanted[LABELS][0]))
    return Listing(tuple(cases), (*faults, *_foreign(folder, parts, strays)))


def paired_cases(images: str, labels: str | Sequence[str]) -> Lister:
    """Return what lists <labels>/<case> with <images>/<case>[_0000], .nii.gz, .nii or .mha.

    Of several folders of labels a later one's count. Names of folders may be in any case.
    """

    def find(folder: Path, sequences: Sequence[str]) -> Listing:
        names = [labels] if isinstance(labels, str) else labels
        scans, masks = _by_stem(_child(folder, images)), dict[str, list[Path]]()
        for name in names:
            masks |= _by_stem(_child(folder, name))
        cases, faults, seen = [], [], set()
        for id, paths in sorted(masks.items()):
            named = {stem: scans[stem] for stem in (f"{id}_0000", id) if stem in scans}
            seen |= set(named)
            matching = [path for paths in named.values() for path in paths]
            fault = _fault(id, {sequences[0]: matching, LABELS: paths}, [])
            if not matching:
                faults.append(Fault(id, f"{paths[0]}: labels without {images}/{id}_0000"))
            elif fault:
                faults.append(fault)
            else:
                cases.append(RawCase(id, (matching[0],), paths[0]))
        faults += [
            Fault(
                stem.removesuffix("_0000"), f"{scans[stem][0]}: a scan without labels", stops=False
            )
            for stem in sorted(set(scans) - seen)
        ]
        return Listing(tuple(cases), tuple(faults))

    return find


def visible_images(folder: Path) -> Iterator[Path]:
    """Yield images of a folder and of those below it, in order; links to folders are followed.

    What desktop systems leave behind (._*, .DS_Store, __MACOSX) is passed over; a link to nothing
    is not.

    Raises:
        OSError: a folder cannot be looked into.
    """

    def refuse(error: OSError) -> None:
        raise error

    seen = set[str]()
    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = sorted(name for name in folders if not is_hidden(Path(name)))
        if real in seen:  # a link to a folder above
            folders.clear()
            continue
        seen.add(real)
        for name in sorted(names):
            path = Path(place, name)
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


def _fault(id: str, parts: Mapping[str, list[Path]], beside: Sequence[Path]) -> Fault | None:
    """Say what a case lacks or has twice: `parts` are its sequences and its labels."""
    paths = [path for files in parts.values() for path in files]
    place = paths[0].parent if paths else Path()
    for part, files in parts.items():
        if len(files) > 1:
            places = {path.parent for path in files}
            listed = ", ".join(p.name if len(places) == 1 else str(p) for p in files)
            return Fault(id, f"{place}: {len(files)} files are {part} of {id} ({listed})")
    try:
        safe_id(id)
    except LayoutError as error:
        return Fault(id, f"{place}: {error}")
    lacking = [part for part, files in parts.items() if not files]
    if not lacking:
        return None
    names = [path.name for path in (*paths, *beside)]
    listed = ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
    if lacking == [LABELS]:
        return Fault(id, f"{place}: {id} has scans and no labels (found {listed})", stops=False)
    return Fault(id, f"{place}: {id} lacks {', '.join(lacking)} (found {listed})")


def _beside(named: Mapping[str, list[Path]], strays: Sequence[Path]) -> list[Path]:
    """Return images of unknown names in the folder of a case, which may be what it lacks."""
    folders = {path.parent for paths in named.values() for path in paths}
    return [path for path in strays if path.parent in folders]


def _foreign(
    folder: Path, parts: Mapping[str, Mapping[str, list[Path]]], strays: Sequence[Path]
) -> Iterator[Fault]:
    """Yield a fault a folder whose images are of no case, and a file beside several cases."""
    ids: dict[Path, set[str]] = defaultdict(set)
    for id, named in parts.items():
        for paths in named.values():
            for path in paths:
                ids[path.parent].add(id)
    alone: dict[Path, list[str]] = defaultdict(list)
    for path in strays:
        if path.parent not in ids and path.parent != folder:
            alone[path.parent].append(path.name)
        elif path.parent == folder and not path.name.startswith(tuple(ids[folder]) or "/"):
            what = "named as no scan and no labels of a case"
            yield Fault(
                path.name, f"{path}: {what if path.exists() else 'a link to nothing'}",
                stops=not path.exists(),
            )  # fmt: skip
    for place, names in sorted(alone.items()):
        listed = ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
        reason = f"{place}: no image is named as one of a case (found {listed})"
        yield Fault(place.name, reason, stops=False)


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """Return the images of a folder by name without ending; {} where there is no folder."""
    stems: dict[str, list[Path]] = defaultdict(list)
    for path in entries(folder):
        if stem := image_stem(path.name):
            stems[stem].append(path)
    return dict(stems)


def _child(folder: Path, name: str) -> Path:
    """Return a folder's child of a name, whatever its letters' case."""
    children = sorted(folder.iterdir()) if folder.is_dir() else []
    return next((c for c in children if c.name.lower() == name.lower()), folder / name)
