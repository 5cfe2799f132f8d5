"""One case: read it, check it, bring it into an axis order.

Inside the program every array is (z, y, x) and `spacing_mm` has the same order. Files count their
axes x, y, z: here they are converted, and nowhere else but where labels are written again
(`challenge.label_file`).
"""

import logging
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from challenge.grid import displacement_voxels
from challenge.headers import (
    MOST_BYTES,
    READ_ERRORS,
    Because,
    CaseError,
    check_header,
    is_nifti,
    last_line,
)
from challenge.orientation import Turn, axis_code, turn_between

log = logging.getLogger(__name__)

# Rounding moves a grid by less than this, and no label changes of it.
SAME_GRID_VOXELS = 0.01
# A scan has hundreds of grey levels; a label map of any challenge has fewer than this.
MOST_LABEL_VALUES = 12


@dataclass(frozen=True)
class CaseFiles:
    """Where one case comes from and where its labels go."""

    id: str
    images: Mapping[str, Path]  # sequence name -> file
    geometry_from: str  # the sequence whose geometry the output copies
    output: Path  # relative to the output folder
    scheme: str | None = None  # the challenge that the case's name or folder speaks of
    missing_sequences: tuple[str, ...] = ()  # sequences that were not handed in; read as zeros
    allow_missing: bool = False  # whether the model answers cases that lack sequences
    unused: tuple[str, ...] = ()  # sequences that were handed in, and the model does not take


@dataclass(frozen=True)
class Case:
    """One case in memory: images by sequence name, each (z, y, x) float32."""

    id: str
    images: Mapping[str, np.ndarray]
    spacing_mm: tuple[float, float, float]
    missing_sequences: tuple[str, ...] = ()  # sequences whose image is zeros instead of a scan
    orientation: str | None = None  # axis code of the arrays, where it is known
    stored_orientation: str | None = None  # axis code of the files
    remarks: tuple[str, ...] = ()  # what was let pass while it was read
    source: Path | None = None  # the file whose geometry counts

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel."""
        return float(np.prod(self.spacing_mm))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Size (z, y, x) of every image."""
        z, y, x = next(iter(self.images.values())).shape
        return z, y, x

    def turn_to(self, orientation: str | None) -> Turn | None:
        """Return how the arrays come into an axis order; None where they stay as they are."""
        if None in (orientation, self.orientation) or orientation == self.orientation:
            return None
        return turn_between(str(self.orientation), str(orientation))

    def oriented(self, orientation: str | None) -> "Case":
        """Return the case in an axis order; itself where that is None or changes nothing."""
        turn = self.turn_to(orientation)
        if turn is None:
            return self
        images = {sequence: turn.there(image) for sequence, image in self.images.items()}
        spacing_mm = turn.sizes(self.spacing_mm)
        return replace(self, images=images, spacing_mm=spacing_mm, orientation=orientation)


@dataclass(frozen=True)
class Volume:
    """An array (z, y, x) and the geometry that its file declares."""

    array: np.ndarray
    spacing_mm: tuple[float, float, float]
    geometry: np.ndarray  # (4, 4), voxel (x, y, z) to mm towards left, posterior, superior
    remarks: tuple[str, ...] = ()  # what is read otherwise than it is written

    @property
    def orientation(self) -> str:
        """Axis code of the array."""
        return axis_code(self.geometry[:3, :3])


def read_case(files: CaseFiles, orientation: str | None = None) -> Case:
    """Read every image of a case, check that it can be trusted, and bring it into an axis order.

    Without an `orientation` arrays lie as they are stored.

    Raises:
        CaseError: an image is unreadable, not 3-D, not finite, constant, a label map, or on
            another grid than the one whose geometry the output takes.
    """
    _check_sizes(files.images)
    with ThreadPoolExecutor(len(files.images)) as pool:  # decompression runs beside itself
        scans = pool.map(partial(_read_one, files), files.images.values())
        volumes = dict(zip(files.images, scans, strict=True))
    blank = tuple(sequence for sequence, volume in volumes.items() if not volume.array.any())
    if len(blank) == len(volumes):
        raise CaseError(f"{files.images[files.geometry_from].parent}: every scan is blank")
    geometry_reference, reference_path = (
        volumes[files.geometry_from],
        files.images[files.geometry_from],
    )
    remarks = [remark for volume in volumes.values() for remark in volume.remarks]
    for sequence, volume in volumes.items():
        remarks += check_same_grid(
            volume, geometry_reference, files.images[sequence], reference_path
        )
    remarks += [f"{files.images[sequence]}: blank, taken for missing" for sequence in blank]
    images = {sequence: volume.array for sequence, volume in volumes.items()}
    images |= {
        sequence: np.zeros_like(geometry_reference.array) for sequence in files.missing_sequences
    }
    stored = geometry_reference.orientation
    case = Case(
        id=files.id,
        images=images,
        spacing_mm=geometry_reference.spacing_mm,
        missing_sequences=(*files.missing_sequences, *blank),
        orientation=stored,
        stored_orientation=stored,
        remarks=tuple(remarks),
        source=reference_path,
    )
    return case.oriented(orientation)


def _read_one(files: CaseFiles, path: Path) -> Volume:
    """Read one scan of a case; zeros alone are none, and pass where a case may lack sequences."""
    volume = read_volume(path, np.float32)
    if not files.allow_missing or volume.array.any():
        _check_scan(volume.array, path)
    return volume


def read_scan(path: Path) -> Volume:
    """Read one scan, (z, y, x) float32, and refuse what cannot be one."""
    volume = read_volume(path, np.float32)
    _check_scan(volume.array, path)
    return volume


def _check_scan(array: np.ndarray, path: Path) -> None:
    low, high = float(array.min()), float(array.max())  # NaN where any voxel is
    if not (math.isfinite(low) and math.isfinite(high)):
        bad = int(array.size - np.isfinite(array).sum())
        raise CaseError(f"{path}: {bad} voxels are NaN or infinite", Because.NOT_FINITE)
    if low == high:
        what = f"constant image, every voxel is {low:g}"
        raise CaseError(f"{path}: {what}", Because.CONSTANT)
    if low >= 0 and high < 256 and (values := np.unique(array)).size <= MOST_LABEL_VALUES:
        listed = ", ".join(f"{value:g}" for value in values)
        what = f"looks like a label map, not a scan (values {listed})"
        raise CaseError(f"{path}: {what}", Because.LABEL_MAP)


def read_volume(path: Path, dtype: type | None) -> Volume:
    """Read one NIfTI or MetaImage file as (z, y, x); with `dtype` None, in the file's stored type.

    Size, spacing, affine and values are those that SimpleITK reads, and so stock nnU-Net; what is
    refused beyond what it refuses is listed in `challenge.refused_files.Because`.
    """
    header = check_header(path)
    remarks = tuple(f"{path}: {remark}" for remark in header.remarks)
    for remark in remarks:
        log.warning(remark)
    try:
        array = header.read_voxels()
    except READ_ERRORS as error:
        kind = "NIfTI" if is_nifti(path) else "MetaImage"
        message = f"{path}: cannot be read as {kind} ({last_line(error)})"
        raise CaseError(message, Because.FEW_VOXELS) from error
    array = array if dtype is None else array.astype(dtype, copy=False)
    x, y, z = header.grid.spacing_mm
    return Volume(array, (z, y, x), header.grid.affine, remarks)


def check_same_grid(
    volume: Volume, geometry_reference: Volume, path: Path, reference_path: Path
) -> tuple[str, ...]:
    """Raise CaseError unless two volumes have the same shape and affine.

    Grids less than a hundredth of a voxel apart are one; the difference is logged and returned.
    """
    if volume.array.shape != geometry_reference.array.shape:
        raise CaseError(
            f"{path}: size {volume.array.shape[::-1]} differs from "
            f"{geometry_reference.array.shape[::-1]} of {reference_path.name}"
        )
    apart = displacement_voxels(
        volume.geometry, geometry_reference.geometry, geometry_reference.array.shape
    )
    if apart == 0:
        return ()
    where = f"{apart:.2g} of its voxels away"
    if not apart < SAME_GRID_VOXELS:
        raise CaseError(f"{path}: not on the grid of {reference_path.name} (up to {where})")
    remark = f"{path}: taken for the grid of {reference_path.name}, which is up to {where}"
    log.warning(remark)
    return (remark,)


def _check_sizes(paths: Mapping[str, Path]) -> None:
    """Check every header of a case, and that its images fit into memory together."""
    total = {name: check_header(path).total_bytes for name, path in paths.items()}
    if sum(total.values()) > MOST_BYTES:
        largest = max(total, key=lambda name: total[name])
        raise CaseError(
            f"{paths[largest]}: with the case's other images {sum(total.values()) / 2**30:.1f} GiB "
            f"of voxels are declared, more than {MOST_BYTES / 2**30:.0f}"
        )
