"""nnU-Net's resampling as one small matrix an axis.

Spline interpolation on a grid is separable, so a volume is resampled by a matrix product along
each axis; the matrices come from scipy's 1-D interpolation. Same values as nnU-Net 2.8's
`resample_data_or_seg_to_shape` (skimage's resize, order 3 or 1, edges repeated) and
`resample_torch_fornnunet` (torch's interpolation, order 1) to float32 rounding, at a fraction of
the first one's cost. Arrays are (channel, axis 0, axis 1, axis 2).
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import ndimage

from ensemble.planned_resampling import Resampling


def resample(
    volumes: np.ndarray,
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    target_spacing_mm: Sequence[float],
    how: Resampling,
) -> np.ndarray:
    """Resample (channel, ...) volumes to `shape`, float32; spacings in the order of the axes.

    The result of each channel stays within that channel's range (within the slice's, where a
    coarse axis is resampled apart), since a cubic spline would overshoot at edges.
    """
    if tuple(shape) == volumes.shape[1:]:
        return volumes.astype(np.float32, copy=False)
    coarse = coarse_axis(spacing_mm, target_spacing_mm, how)
    return np.stack([_resample_one(volume, shape, coarse, how) for volume in volumes])


def new_shape(
    shape: Sequence[int], spacing_mm: Sequence[float], target_spacing_mm: Sequence[float]
) -> tuple[int, ...]:
    """Return the size of a grid after a change of spacing, rounded as nnU-Net rounds."""
    triples = zip(spacing_mm, target_spacing_mm, shape, strict=True)
    return tuple(round(old / new * size) for old, new, size in triples)


def coarse_axis(
    spacing_mm: Sequence[float], target_spacing_mm: Sequence[float], how: Resampling
) -> int | None:
    """Return the one axis that is resampled apart from the others, or None."""
    if how.force_separate_z is False:
        return None
    for spacing in (spacing_mm, target_spacing_mm):
        if how.force_separate_z or max(spacing) / min(spacing) > how.anisotropy:
            axes = [axis for axis, mm in enumerate(spacing) if mm == max(spacing)]
            return axes[0] if len(axes) == 1 else None
    return None


def _resample_one(
    volume: np.ndarray, shape: Sequence[int], coarse: int | None, how: Resampling
) -> np.ndarray:
    fine = tuple(axis for axis in range(3) if axis != coarse)
    low, high = volume.min(fine, keepdims=True), volume.max(fine, keepdims=True)
    out = volume.astype(np.float32, copy=False)
    for axis in sorted(fine, key=lambda axis: shape[axis] / volume.shape[axis]):
        out = _along(_spline_matrix(volume.shape[axis], shape[axis], how.order), out, axis)
    if how.order > 0:
        out = np.clip(out, low, high)
    if coarse is not None:
        matrix = _spline_matrix(volume.shape[coarse], shape[coarse], how.order_z)
        out = _along(matrix, out, coarse)
    return np.ascontiguousarray(out)


def _along(matrix: np.ndarray, volume: np.ndarray, axis: int) -> np.ndarray:
    if matrix.shape[0] == matrix.shape[1]:
        return volume
    return np.moveaxis(np.tensordot(matrix, volume, (1, axis)), 0, axis)


@lru_cache(maxsize=32)
def _spline_matrix(size: int, new_size: int, order: int) -> np.ndarray:
    """Return the (new_size, size) matrix of 1-D spline interpolation with repeated edges."""
    positions = (np.arange(new_size) + 0.5) * (size / new_size) - 0.5
    columns = [
        ndimage.map_coordinates(unit, [positions], order=order, mode="nearest")
        for unit in np.eye(size)
    ]
    matrix = np.stack(columns, axis=1).astype(np.float32)
    matrix.flags.writeable = False
    return matrix
