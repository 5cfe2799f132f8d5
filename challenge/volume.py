"""One image file as an array (z, y, x) with its geometry, and onto another one's grid."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK

from challenge.description import Resampling
from challenge.grid import displacement_voxels
from challenge.headers import READ_ERRORS, Because, CaseError, check_header, file_format, last_line
from challenge.orientation import axis_code

log = logging.getLogger(__name__)

# Rounding moves a grid by less than this, and no label changes of it.
SAME_GRID_VOXELS = 0.01
# A scan has hundreds of grey levels; a label map of any challenge has fewer than this.
MOST_LABEL_VALUES = 12
INTERPOLATORS = {
    "nearest": SimpleITK.sitkNearestNeighbor,
    "linear": SimpleITK.sitkLinear,
    "bspline": SimpleITK.sitkBSpline,
}


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


def read_scan(path: Path) -> Volume:
    """Read one scan, (z, y, x) float32, and refuse what cannot be one."""
    volume = read_volume(path, np.float32)
    check_scan(volume.array, path)
    return volume


def check_scan(array: np.ndarray, path: Path) -> None:
    """Refuse what cannot be a scan (z, y, x): not finite, constant, or a label map."""
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
        message = f"{path}: cannot be read as {file_format(path)} ({last_line(error)})"
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


def is_same_grid(volume: Volume, geometry_reference: Volume) -> bool:
    """Return whether two volumes have the same shape, and grids less than 0.01 voxels apart."""
    shape = geometry_reference.array.shape
    if volume.array.shape != shape:
        return False
    apart = displacement_voxels(volume.geometry, geometry_reference.geometry, shape)
    return apart < SAME_GRID_VOXELS


def resampled(volume: Volume, geometry_reference: Volume, resampling: Resampling) -> Volume:
    """Bring a volume to another one's grid; outside of it is its least value.

    Args:
        volume: (z, y, x) float32.
        geometry_reference: whose grid the result has.
        resampling: one of `INTERPOLATORS`.
    """
    low = float(volume.array.min())
    target = SimpleITK.Image(geometry_reference.array.shape[::-1], SimpleITK.sitkUInt8)
    _set_geometry(target, geometry_reference)
    source = SimpleITK.GetImageFromArray(volume.array)
    _set_geometry(source, volume)
    moved = SimpleITK.Resample(
        source, target, SimpleITK.Transform(), INTERPOLATORS[resampling], low
    )
    array = SimpleITK.GetArrayFromImage(moved)
    return Volume(array, geometry_reference.spacing_mm, geometry_reference.geometry, volume.remarks)


def _set_geometry(image: SimpleITK.Image, volume: Volume) -> None:
    spacing_mm = volume.spacing_mm[::-1]
    image.SetSpacing(spacing_mm)
    image.SetOrigin(volume.geometry[:3, 3].tolist())
    image.SetDirection((volume.geometry[:3, :3] / np.array(spacing_mm)).ravel().tolist())
