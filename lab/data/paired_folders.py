"""Cases of two folders: images in one, label maps of the same names in another."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from challenge.file_names import image_stem
from challenge.folders import entries
from lab.data.raw_folders import LABELS, Failure, Finder, RawCase, RawCases, case_failure


def paired_cases(images: str, labels: Sequence[str]) -> Finder:
    """Return what lists <labels>/<case> with <images>/<case>[_0000], .nii.gz, .nii or .mha.

    Of several folders of labels a later one's count. Names of folders may be in any case, and the
    two may lie one folder deeper, where a download unpacks into a folder of its own.
    """

    def find(folder: Path, sequences: Sequence[str]) -> RawCases:
        folder = _home_of(folder, images)
        scans, masks = _by_stem(_child(folder, images)), dict[str, list[Path]]()
        for name in labels:
            masks |= _by_stem(_child(folder, name))
        cases, failed, seen = [], [], set()
        for id, paths in sorted(masks.items()):
            stems = [stem for stem in (f"{id}_0000", id) if stem in scans]
            seen |= set(stems)
            matching = [path for stem in stems for path in scans[stem]]
            failure = case_failure(id, {sequences[0]: matching, LABELS: paths}, [])
            if not matching:
                failed.append(Failure(id, f"{paths[0]}: labels without {images}/{id}_0000"))
            elif failure:
                failed.append(failure)
            else:
                cases.append(RawCase(id, (matching[0],), paths[0]))
        failed += [
            Failure(
                stem.removesuffix("_0000"), f"{scans[stem][0]}: a scan without labels", stops=False
            )
            for stem in sorted(set(scans) - seen)
        ]
        return RawCases(tuple(cases), tuple(failed))

    return find


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """Return the images of a folder by name without ending; {} where there is no folder."""
    stems: dict[str, list[Path]] = defaultdict(list)
    for path in entries(folder):
        if stem := image_stem(path.name):
            stems[stem].append(path)
    return dict(stems)


def _home_of(folder: Path, name: str) -> Path:
    """Return the folder that has a child of a name: this one, or the only such one below it."""
    if _child(folder, name).is_dir():
        return folder
    deeper = [path for path in entries(folder) if path.is_dir() and _child(path, name).is_dir()]
    return deeper[0] if len(deeper) == 1 else folder


def _child(folder: Path, name: str) -> Path:
    """Return a folder's child of a name, whatever its letters' case."""
    children = sorted(folder.iterdir()) if folder.is_dir() else []
    return next((c for c in children if c.name.lower() == name.lower()), folder / name)
