"""One training case checked and brought to its place in nnU-Net's raw layout.

Everything is read and checked before anything is written, so a case that cannot be trained on
leaves nothing behind: nnU-Net takes whatever lies in imagesTr for a case.
"""

import gzip
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from challenge.case import CaseFiles, Volume, check_same_grid, read_volume
from challenge.headers import CaseError, is_nifti, last_line
from challenge.label_file import write_labels
from lab.data.itk_images import Place, axes_of, on_grid_of, place_of, read_image, turned
from lab.data.raw_folders import Fault, LayoutError, RawCase
from lab.data.sources import Layout

if TYPE_CHECKING:
    import SimpleITK

SAMPLE = 2000  # labelled voxels of a case whose intensities are kept
# Label files that went through floats hold 0.9999999; what is further off is no label.
ROUNDING = 1e-3
MOST_VALUES = 6  # listed in a sentence


@dataclass(frozen=True)
class Target:
    """The dataset that cases are written into."""

    folder: Path
    ending: str  # .nii.gz or .mha
    values: Mapping[str, int]  # label -> value that is trained on
    orientation: str | None = None  # None: axes as each case has them


@dataclass(frozen=True)
class Prepared:
    """One case in its new place, and what was counted on the way."""

    id: str
    voxels: Mapping[int, int]  # value in the source -> voxels
    shape: tuple[int, ...]  # (z, y, x), as written
    spacing_mm: tuple[float, ...]  # (z, y, x), as written
    foreground: np.ndarray  # sampled intensities of labelled voxels, first channel
    axes: str  # as written
    notes: tuple[str, ...] = ()  # what was changed or looks odd


def prepare_case(case: RawCase, layout: Layout, id: str, target: Target) -> Prepared | Fault:
    """Check one case and bring it to its place under `id`, or say why it cannot be.

    A case whose labels are there is finished and only counted. What is at fault is taken out of
    the dataset, where a run that was killed may have left it.

    Raises:
        LayoutError: the dataset cannot be written.
    """
    try:
        scan, labels, notes = read_checked(case, layout)
        places = [place_of(path) for path in case.images]
        first = read_image(case.images[0])
        on_grid_of(labels, first)
    except (CaseError, RuntimeError, OSError) as error:
        withdraw(id, target)
        return Fault(id, _reason(case, error))
    try:
        notes += tuple(_write_images(case, places, first, (id, target)))
        _write_labels(labels, layout, first, (id, target))
    except (CaseError, RuntimeError, OSError) as error:
        raise LayoutError(f"{target.folder}: cannot be written ({last_line(error)})") from error
    values, counts = np.unique(labels, return_counts=True)
    voxels = {int(v): int(n) for v, n in zip(values, counts, strict=True)}
    foreground = scan.array[np.isin(labels, [v for v, name in layout.names.items() if name])]
    sample = np.random.default_rng(0).permutation(foreground)[:SAMPLE].astype(np.float32)
    written = turned(first, target.orientation)
    shape, spacing_mm = written.GetSize()[::-1], written.GetSpacing()[::-1]
    return Prepared(id, voxels, shape, spacing_mm, sample, axes_of(written), notes)


def read_checked(case: RawCase, layout: Layout) -> tuple[Volume, np.ndarray, tuple[str, ...]]:
    """Return a case's first scan, its labels (z, y, x) in the source's values, and what is odd.

    Raises:
        CaseError: a file is missing or unreadable, not on the first scan's grid, not finite, or
            labels have a value that the layout does not name.
    """
    first, notes = _read_scan(case.images[0])
    volume = read_volume(case.labels, None)
    check_same_grid(volume, first, case.labels, case.images[0])
    labels, rounded = label_values(volume.array, case.labels, layout)
    for path in case.images[1:]:
        scan, odd = _read_scan(path)
        check_same_grid(scan, first, path, case.images[0])
        notes += odd
    return first, labels, notes + rounded


def label_values(
    array: np.ndarray, path: Path, layout: Layout
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return labels (z, y, x) as uint8 in the source's values, and a note where they were rounded.

    Raises:
        CaseError: a value that the layout does not name.
    """
    values = np.unique(array)
    whole = np.rint(values)
    known = [0, *layout.names]
    near = np.isin(whole, known) & np.isclose(values, whole, rtol=0, atol=ROUNDING)
    if not near.all():
        odd = ", ".join(f"{value:g}" for value in values[~near][:MOST_VALUES])
        more = ", ..." if (~near).sum() > MOST_VALUES else ""
        raise CaseError(f"{path}: values {odd}{more} are not named by {layout.values}")
    rounded = values[values != whole]
    notes = (f"{path}: {rounded[0]!s} taken for {np.rint(rounded[0]):g}",) if rounded.size else ()
    return np.rint(array).astype(np.uint8), notes


def withdraw(id: str, target: Target) -> None:
    """Take a case out of the dataset, if an earlier run brought any of it there."""
    for path in _files_of(id, target):
        path.unlink()


def _files_of(id: str, target: Target) -> Iterator[Path]:
    labels = target.folder / "labelsTr" / f"{id}{target.ending}"
    images = (target.folder / "imagesTr").glob(f"{id}_[0-9][0-9][0-9][0-9]{target.ending}")
    yield from (path for path in (labels, *images) if path.is_file())


def _read_scan(path: Path) -> tuple[Volume, tuple[str, ...]]:
    """Read a scan in its own type; nnU-Net refuses a dataset with voxels that are not finite."""
    volume = read_volume(path, None)
    bad = int(volume.array.size - np.isfinite(volume.array).sum())
    if bad:
        raise CaseError(f"{path}: {bad} voxels are NaN or infinite")
    low, high = volume.array.min(), volume.array.max()
    constant = (f"{path}: constant image, every voxel is {low:g}",) if low == high else ()
    return volume, constant


def _write_images(
    case: RawCase, places: Sequence[Place], first: "SimpleITK.Image", to: tuple[str, Target]
) -> Iterator[str]:
    """Write the scans that are not there yet; yield what had to be changed in one."""
    id, target = to
    for channel, (source, place) in enumerate(zip(case.images, places, strict=True)):
        moved = not place.is_alike(places[0])
        if moved:
            yield f"{source}: written on the grid of {case.images[0].name}, nearly its own"
        path = target.folder / "imagesTr" / f"{id}_{channel:04d}{target.ending}"
        if path.exists():
            continue
        partial = target.folder / f".partial-{path.name}"  # nnU-Net takes no look at it here
        changes = moved or target.orientation or len(place.size) != 3
        if changes or is_nifti(source) != is_nifti(path):
            image = read_image(source)
            image.CopyInformation(first)
            _save(turned(image, target.orientation), partial)
        elif source.name.endswith(".nii"):
            partial.write_bytes(gzip.compress(source.read_bytes(), compresslevel=5, mtime=0))
        else:
            shutil.copyfile(source, partial)
        partial.replace(path)


def _save(image: "SimpleITK.Image", path: Path) -> None:
    import SimpleITK

    SimpleITK.WriteImage(image, str(path), useCompression=True)


def _write_labels(
    labels: np.ndarray, layout: Layout, first: "SimpleITK.Image", place: tuple[str, Target]
) -> None:
    """Write labels in the values that are trained on, with the geometry of the written scan."""
    import SimpleITK

    id, target = place
    name = f"{id}{target.ending}"
    if (target.folder / "labelsTr" / name).exists():
        return
    table = np.zeros(256, np.uint8)
    for value, label in layout.names.items():
        table[value] = target.values[label] if label else 0
    image = turned(on_grid_of(table[labels], first), target.orientation)
    scan = target.folder / "imagesTr" / f"{id}_0000{target.ending}"
    files = CaseFiles(id, {"image": scan}, "image", Path(name))
    write_labels(SimpleITK.GetArrayFromImage(image), files, target.folder / "labelsTr")


def _reason(case: RawCase, error: Exception) -> str:
    """Return what an error says, with a file's name in front."""
    reason = last_line(error)
    named = any(str(path.parent) in reason for path in (*case.images, case.labels))
    return reason if named else f"{case.images[0].parent}: {reason}"
