"""One case: read it, check it, write its labels. The only place where axes are converted.

Inside the program every array is (z, y, x) and `spacing_mm` has the same order; NIfTI (x, y, z
through nibabel) and MetaImage ((x, y, z) sizes, (z, y, x) arrays through SimpleITK) end here.
"""

import logging
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK

from challenge import nifti
from challenge.grid import displacement_voxels
from challenge.headers import (
    MOST_BYTES,
    READ_ERRORS,
    Because,
    CaseError,
    check_header,
    declared_geometry,
    is_nifti,
    last_line,
)
from challenge.place import place

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
    absent: tuple[str, ...] = ()  # sequences that were not handed in; read as zeros


@dataclass(frozen=True)
class Case:
    """One case in memory: images by sequence name, each (z, y, x) float32."""

    id: str
    images: Mapping[str, np.ndarray]
    spacing_mm: tuple[float, float, float]
    remarks: tuple[str, ...] = ()  # what was let pass while it was read
    source: Path | None = None  # the file whose geometry counts

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel."""
        return float(np.prod(self.spacing_mm))


@dataclass(frozen=True)
class Volume:
    """An array (z, y, x) and the geometry that its file declares."""

    array: np.ndarray
    spacing_mm: tuple[float, float, float]
    geometry: np.ndarray  # (4, 4), voxel (x, y, z) to mm towards left, posterior, superior
    remarks: tuple[str, ...] = ()  # what is read otherwise than it is written


def read_case(files: CaseFiles) -> Case:
    """Read every image of a case and check that it can be trusted.

    Raises:
        CaseError: an image is unreadable, not 3-D, not finite, constant, a label map, or on
            another grid than the one whose geometry the output takes.
    """
    _check_sizes(files.images)
    with ThreadPoolExecutor(len(files.images)) as pool:  # decompression runs beside itself
        volumes = dict(zip(files.images, pool.map(read_scan, files.images.values()), strict=True))
    anchor, anchor_path = volumes[files.geometry_from], files.images[files.geometry_from]
    remarks = [remark for volume in volumes.values() for remark in volume.remarks]
    for sequence, volume in volumes.items():
        remarks += check_same_grid(volume, anchor, files.images[sequence], anchor_path)
    images = {sequence: volume.array for sequence, volume in volumes.items()}
    images |= {sequence: np.zeros_like(anchor.array) for sequence in files.absent}
    return Case(files.id, images, anchor.spacing_mm, tuple(remarks), anchor_path)


def read_scan(path: Path) -> Volume:
    """Read one scan, (z, y, x) float32, and refuse what cannot be one."""
    volume = read_volume(path, np.float32)
    array = volume.array
    if not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise CaseError(f"{path}: {bad} voxels are NaN or infinite", Because.NOT_FINITE)
    low, high = float(array.min()), float(array.max())
    if low == high:
        what = f"constant image, every voxel is {low:g}"
        raise CaseError(f"{path}: {what}", Because.CONSTANT)
    if low >= 0 and high < 256 and (values := np.unique(array)).size <= MOST_LABEL_VALUES:
        listed = ", ".join(f"{value:g}" for value in values)
        what = f"looks like a label map, not a scan (values {listed})"
        raise CaseError(f"{path}: {what}", Because.LABEL_MAP)
    return volume


def read_volume(path: Path, dtype: type | None) -> Volume:
    """Read one NIfTI or MetaImage file as (z, y, x); with `dtype` None, in the file's own type.

    Size, spacing, place and values are those that SimpleITK reads, and so stock nnU-Net; what is
    refused beyond what it refuses is listed in `challenge.headers.Because`.
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
    volume: Volume, anchor: Volume, path: Path, anchor_path: Path
) -> tuple[str, ...]:
    """Raise CaseError unless two volumes have the same shape and lie in the same place.

    Grids less than a hundredth of a voxel apart are one; the difference is logged and returned.
    """
    if volume.array.shape != anchor.array.shape:
        raise CaseError(
            f"{path}: size {volume.array.shape[::-1]} differs from "
            f"{anchor.array.shape[::-1]} of {anchor_path.name}"
        )
    apart = displacement_voxels(volume.geometry, anchor.geometry, anchor.array.shape)
    if apart == 0:
        return ()
    where = f"{apart:.2g} of its voxels away"
    if not apart < SAME_GRID_VOXELS:
        raise CaseError(f"{path}: not on the grid of {anchor_path.name} (up to {where})")
    remark = f"{path}: taken for the grid of {anchor_path.name}, which is up to {where}"
    log.warning(remark)
    return (remark,)


def write_labels(labels: np.ndarray, files: CaseFiles, output: Path) -> Path:
    """Write a label map (z, y, x) with the geometry of the case's own scan, checked and at once.

    No other program ever meets a half-written or wrong file, and a killed one leaves none.

    Raises:
        CaseError: the file cannot be written, or does not read back as it should.
    """
    source, target = files.images[files.geometry_from], output / files.output
    labels = np.ascontiguousarray(labels, dtype=np.uint8)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _stage(target) as folder:
            staged = Path(folder, "labels.nii.gz" if is_nifti(source) else "labels.mha")
            (_write_nifti if is_nifti(source) else _write_metaimage)(labels, source, staged)
            _check_written(staged, target, labels, source)
            content = staged.read_bytes()
        place(content, target)
    except (OSError, RuntimeError) as error:
        raise CaseError(f"{target}: cannot be written ({last_line(error)})") from error
    return target


def _check_sizes(paths: Mapping[str, Path]) -> None:
    """Check every header of a case, and that its images fit into memory together."""
    total = {name: check_header(path).total_bytes for name, path in paths.items()}
    if sum(total.values()) > MOST_BYTES:
        largest = max(total, key=lambda name: total[name])
        raise CaseError(
            f"{paths[largest]}: with the case's other images {sum(total.values()) / 2**30:.1f} GiB "
            f"of voxels are declared, more than {MOST_BYTES / 2**30:.0f}"
        )


def _stage(target: Path) -> "tempfile.TemporaryDirectory[str]":
    """Return a folder to write and check in: the system's, else one beside the target."""
    try:
        return tempfile.TemporaryDirectory()
    except OSError:  # a read-only root without /tmp
        return tempfile.TemporaryDirectory(prefix=".", dir=target.parent)


def _check_written(path: Path, target: Path, labels: np.ndarray, source: Path) -> None:
    if declared_geometry(path) != declared_geometry(source):
        raise CaseError(f"{target}: geometry is not bit for bit that of {source}")
    if not np.array_equal(read_volume(path, np.uint8).array, labels):
        raise CaseError(f"{target}: labels do not read back as they were written")


def _write_nifti(labels: np.ndarray, source: Path, target: Path) -> None:
    target.write_bytes(nifti.with_labels(labels, source))


def _write_metaimage(labels: np.ndarray, source: Path, target: Path) -> None:
    grid = check_header(source).grid
    image = SimpleITK.GetImageFromArray(labels)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(grid.direction.ravel().tolist())
    SimpleITK.WriteImage(image, str(target), useCompression=True)
