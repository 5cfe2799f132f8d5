"""Cases in folders of BIDS derivatives: sub-<ID>_ses-<ID><ending>, in folders of any depth."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from challenge.file_names import image_stem
from lab.data.raw_folders import LABELS, Finder, RawCases, grouped, visible_images

SUBJECT = "sub-"


def bids_cases(image_ending: str, mask_ending: str) -> Finder:
    """Return what lists sub-<ID>[_ses-<ID>]<image ending> with <mask ending>, .nii.gz or .nii.

    A case has its subject's id, sub-<ID>; where a subject has several sessions, sub-<ID>_ses-<ID>.
    Endings are without .nii.gz. Images of other names are named as those of no case.
    """

    def find(folder: Path, sequences: Sequence[str]) -> RawCases:
        endings = {image_ending: sequences[0], mask_ending: LABELS}
        images = list(visible_images(folder))
        scans = {path: names for path in images if (names := _split(path.name, endings))}
        ids = _ids(prefix for prefix, _ in scans.values())

        def split(path: Path) -> tuple[str, str] | None:
            prefix, part = scans.get(path, ("", ""))
            return (ids[prefix], part) if prefix else None

        return grouped(folder, images, sequences, split)

    return find


def _split(name: str, endings: dict[str, str]) -> tuple[str, str] | None:
    """Return what stands before an ending in a file's name, and which part of a case it is."""
    stem = image_stem(name) or ""
    for ending, part in endings.items():
        if stem.startswith(SUBJECT) and stem.endswith(ending):
            return stem.removesuffix(ending), part
    return None


def _ids(prefixes: Iterable[str]) -> dict[str, str]:
    """Return prefix -> id: the subject's, unless several prefixes are of one subject."""
    subjects: dict[str, set[str]] = {}
    for prefix in prefixes:
        subjects.setdefault(prefix.partition("_")[0], set()).add(prefix)
    return {
        prefix: subject if len(several) == 1 else prefix
        for subject, several in subjects.items()
        for prefix in several
    }
