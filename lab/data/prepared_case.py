"""One training case, checked and written into nnU-Net's raw layout.

Everything is read and checked before anything is written, so a case that cannot be trained on
leaves nothing behind: nnU-Net takes whatever lies in imagesTr for a case.
"""

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from challenge.case import CaseFiles
from challenge.headers import CaseError, is_nifti, last_line
from challenge.label_file import write_labels
from challenge.volume import Volume, check_same_grid, read_volume
from lab.data.case_table import Numbers, read_numbers
from lab.data.cohort import VALUES
from lab.data.itk_images import ItkGrid, axes_of, on_grid_of, read_image, read_itk_grid, turned
from lab.data.mask_values import label_values, labels_on_grid
from lab.data.raw_folders import Failure, LayoutError, RawCase
from lab.data.sources import Layout

if TYPE_CHECKING:
    import SimpleITK


@dataclass(frozen=True)
class Target:
    """The dataset that cases are written into."""

    folder: Path
    ending: str  # .nii.gz or .mha
    values: Mapping[str, int]  # label -> value that is trained on
    orientation: str | None = None  # None: axes as each case has them


@dataclass(frozen=True)
class Output:
    """Where one case of the dataset is written."""

    id: str
    target: Target

    @property
    def labels(self) -> Path:
        """Return the file of the labels."""
        return self.target.folder / "labelsTr" / f"{self.id}{self.target.ending}"

    def image(self, channel: int) -> Path:
        """Return the file of one scan."""
        return self.target.folder / "imagesTr" / f"{self.id}_{channel:04d}{self.target.ending}"


@dataclass(frozen=True)
class Prepared:
    """One case as it was written, and what was counted on the way."""

    id: str
    voxels: Mapping[int, int]  # value in the source -> voxels
    axes: str  # as written
    notes: tuple[str, ...] = ()  # what was changed or looks odd
    is_resampled: bool = False  # whether its labels lay on another grid than its image


@dataclass(frozen=True)
class CheckedLabels:
    """The labels of a case whose files all have been checked."""

    labels: np.ndarray  # (z, y, x) uint8, in the source's values, on the first image's grid
    notes: tuple[str, ...]
    is_resampled: bool


def prepare_case(case: RawCase, layout: Layout, id: str, target: Target) -> Prepared | Failure:
    """Check one case and write it under `id`, or say why it cannot be.

    A case whose labels are there is finished and only counted. A case that fails is taken out of
    the dataset, where a run that was killed may have left it.

    Raises:
        LayoutError: the dataset cannot be written.
    """
    try:
        checked = read_checked(case, layout)
        numbers, lacking = read_numbers(case, layout)
        labels, notes = checked.labels, checked.notes + lacking
        grids = [read_itk_grid(path) for path in case.images]
        first = read_image(case.images[0])
        on_grid_of(labels, first)
    except (CaseError, RuntimeError, OSError) as error:
        withdraw(id, target)
        return Failure(id, _reason(case, error))
    output = Output(id, target)
    try:
        notes += tuple(_write_images(case, grids, first, output))
        _write_numbers(numbers, output)
        _write_labels(labels, layout, first, output)
    except (CaseError, RuntimeError, OSError) as error:
        raise LayoutError(f"{target.folder}: cannot be written ({last_line(error)})") from error
    values, counts = np.unique(labels, return_counts=True)
    voxels = {int(v): int(n) for v, n in zip(values, counts, strict=True)}
    axes = axes_of(turned(first, target.orientation))
    return Prepared(id, voxels, axes, notes, checked.is_resampled)


def read_checked(case: RawCase, layout: Layout) -> CheckedLabels:
    """Check all files of a case, and return its labels.

    Raises:
        CaseError: a file is missing or unreadable, not on the first scan's grid, not finite, or
            labels have a value that the layout does not name.
    """
    first, notes = _read_scan(case.images[0])
    on_grid, moved, is_resampled = labels_on_grid(case, first, layout)
    labels, rounded = label_values(on_grid, case.labels, layout)
    for path in case.images[1:]:
        scan, odd = _read_scan(path)
        check_same_grid(scan, first, path, case.images[0])
        notes += odd
    return CheckedLabels(labels, notes + moved + rounded, is_resampled)


def withdraw(id: str, target: Target) -> None:
    """Take a case out of the dataset, if an earlier run brought any of it there."""
    for path in _files_of(id, target):
        path.unlink()


def _files_of(id: str, target: Target) -> Iterator[Path]:
    labels = Output(id, target).labels
    images = (target.folder / "imagesTr").glob(f"{id}_[0-9][0-9][0-9][0-9]{target.ending}")
    values = (target.folder / VALUES).glob(f"{id}_*.json")
    yield from (path for path in (labels, *images, *values) if path.is_file())


def _read_scan(path: Path) -> tuple[Volume, tuple[str, ...]]:
    """Read a scan in its stored type; nnU-Net refuses a dataset with voxels that are not finite."""
    volume = read_volume(path, None)
    bad = int(volume.array.size - np.isfinite(volume.array).sum())
    if bad:
        raise CaseError(f"{path}: {bad} voxels are NaN or infinite")
    low, high = volume.array.min(), volume.array.max()
    constant = (f"{path}: constant image, every voxel is {low:g}",) if low == high else ()
    return volume, constant


def _write_images(
    case: RawCase, grids: Sequence[ItkGrid], first: "SimpleITK.Image", output: Output
) -> Iterator[str]:
    """Write the scans that are not there yet; yield what had to be changed in one."""
    target = output.target
    for channel, (source, grid) in enumerate(zip(case.images, grids, strict=True)):
        moved = not grid.is_alike(grids[0])
        if moved:
            yield f"{source}: written on the grid of {case.images[0].name}, which nearly is its"
        path = output.image(channel)
        if path.exists():
            continue
        partial = target.folder / f".partial-{path.name}"  # nnU-Net does not look here
        changes = moved or target.orientation or len(grid.size) != 3
        if changes or is_nifti(source) != is_nifti(path):
            image = read_image(source)
            image.CopyInformation(first)
            _save(turned(image, target.orientation), partial)
        elif source.name.endswith(".nii"):
            partial.write_bytes(gzip.compress(source.read_bytes(), compresslevel=5, mtime=0))
        else:
            shutil.copyfile(source, partial)
        partial.replace(path)


def _write_numbers(numbers: Mapping[str, Numbers], output: Output) -> None:
    """Write the numbers of JSON inputs as `lab.data.cohort` reads them."""
    folder = output.target.folder / VALUES
    for slug, values in numbers.items():
        folder.mkdir(exist_ok=True)
        partial = folder / f".partial-{output.id}"
        partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        partial.replace(folder / f"{output.id}_{slug}.json")


def _save(image: "SimpleITK.Image", path: Path) -> None:
    import SimpleITK

    SimpleITK.WriteImage(image, str(path), useCompression=True)


def _write_labels(
    labels: np.ndarray, layout: Layout, first: "SimpleITK.Image", output: Output
) -> None:
    """Write labels in the values that are trained on, with the geometry of the written scan."""
    import SimpleITK

    target = output.target
    if output.labels.exists():
        return
    table = np.zeros(256, np.uint8)
    for value, label in layout.labels.items():
        table[value] = target.values[label] if label else 0
    image = turned(on_grid_of(table[labels], first), target.orientation)
    files = CaseFiles(output.id, {"image": output.image(0)}, "image", Path(output.labels.name))
    write_labels(SimpleITK.GetArrayFromImage(image), files, output.labels.parent)


def _reason(case: RawCase, error: Exception) -> str:
    """Return what an error says, with a file's name in front."""
    reason = last_line(error)
    is_named = any(str(path.parent) in reason for path in (*case.images, case.labels))
    return reason if is_named else f"{case.images[0].parent}: {reason}"
