"""Distances between the surfaces of two masks, by the two definitions that challenges use.

Surfels (DeepMind's surface-distance, 2018): surface elements between voxels, weighted by area.
Borders (medpy, nnU-Net, panoptica): voxels with a background voxel at a face, counted.

Nearest distances come from a k-d tree over the elements: exact for any spacing, one for all
tolerances, and on the thin shells of lesions faster than distance transforms. Masks may have any
axis order; spacing goes with it. Surfel areas are looked up by the pattern of a 2x2x2 cell, where
ambiguous patterns depend on the axes' order: callers pass the order of the official script.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import KDTree
from skimage.measure import marching_cubes

Spacing = tuple[float, ...]


@dataclass(frozen=True)
class Surfels:
    """Surface elements of a mask; cell i lies between voxels i - 1 and i of each axis."""

    cells: np.ndarray  # (n, 3) int
    areas_mm2: np.ndarray  # (n,)


@dataclass(frozen=True)
class Distances:
    """Distance from each element of one surface to the nearest of the other, both ways, in mm."""

    prediction_to_reference: np.ndarray
    reference_to_prediction: np.ndarray


def surfels(mask: np.ndarray, spacing_mm: Spacing) -> Surfels:
    """Return the surface elements of a bool mask; outside the array is background."""
    # The 8-bit pattern of each 2x2x2 cell: bit 7 is the voxel with the lowest index on every axis.
    code: np.ndarray = np.pad(mask, 1).view(np.uint8)
    code = (code[:, :, :-1] << 1) | code[:, :, 1:]
    code = (code[:, :-1] << 2) | code[:, 1:]
    code = (code[:-1] << 4) | code[1:]
    on_surface = is_surface(code)
    return Surfels(np.argwhere(on_surface), areas_mm2(code[on_surface], spacing_mm))


def is_surface(code: np.ndarray) -> np.ndarray:
    """Return which patterns, uint8 of any shape, are neither 0 (outside) nor 255 (inside)."""
    return (code + np.uint8(1)) > 1


def areas_mm2(code: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    """Return the area in mm2 of the surface in cells, by their 8-bit patterns (cell,)."""
    return _area_table(tuple(float(mm) for mm in spacing_mm))[code]


@lru_cache(maxsize=64)
def _area_table(spacing_mm: Spacing) -> np.ndarray:
    """Return the area in mm2 of the surface in a cell, by the cell's 8-bit pattern."""
    a, b, c = spacing_mm
    areas = np.zeros(256)
    for code, normals in enumerate(_normals(), 1):
        areas[code] = np.linalg.norm(normals * (b * c, a * c, a * b), axis=1).sum()
    return areas


@lru_cache(maxsize=1)
def _normals() -> tuple[np.ndarray, ...]:
    """Return the triangles in cells of patterns 1 to 254, as (n, 3) normals as long as the area.

    The marching cubes of Lorensen and Cline, of a pattern or of its complement, whichever has less
    surface: this is DeepMind's table (a test compares the two).
    """
    triangles = {code: _triangle_normals(code) for code in range(1, 255)}
    areas = {code: np.linalg.norm(normals, axis=1).sum() for code, normals in triangles.items()}
    return tuple(triangles[min(code, 255 - code, key=lambda c: areas[c])] for code in range(1, 255))


def _triangle_normals(code: int) -> np.ndarray:
    corners = (code >> np.arange(7, -1, -1) & 1).reshape(2, 2, 2).astype(float)
    vertices, faces, _, _ = marching_cubes(corners, 0.5, method="lorensen")
    first, second, third = (vertices[faces[:, i]].astype(float) for i in range(3))
    return np.cross(second - first, third - first) / 2


def border(mask: np.ndarray) -> np.ndarray:
    """Return the (n, 3) indices of mask voxels with background at a face; outside is background."""
    padded = np.pad(mask, 1)
    inner = mask.copy()
    for axis in range(mask.ndim):
        for start in (0, 2):
            window = [slice(1, -1)] * mask.ndim
            window[axis] = slice(start, start + mask.shape[axis])
            inner &= padded[tuple(window)]
    return np.argwhere(mask & ~inner)


def distances(prediction: np.ndarray, reference: np.ndarray, spacing_mm: Spacing) -> Distances:
    """Return nearest distances (mm) between sets of (n, 3) indices; infinite to an empty one."""
    return Distances(
        _nearest_mm(prediction, reference, spacing_mm),
        _nearest_mm(reference, prediction, spacing_mm),
    )


def _nearest_mm(points: np.ndarray, others: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    """Return the distance in mm from each of (n, 3) indices to the nearest of the others."""
    if len(points) == 0 or len(others) == 0:
        return np.full(len(points), np.inf)
    scale = np.asarray(spacing_mm, float)
    tree = KDTree(others * scale, balanced_tree=False, compact_nodes=False)
    _, nearest = tree.query(points * scale)
    # From index differences, as a distance transform has it: 3 voxels are 3 times the spacing
    # wherever they lie, and a tolerance equal to the spacing is met exactly.
    return np.sqrt((((points - others[nearest]) * scale) ** 2).sum(1))


def robust_hausdorff_mm(
    prediction: Surfels, reference: Surfels, between: Distances, percent: float = 95
) -> float:
    """Return the larger of the two directed, area-weighted distance percentiles (DeepMind 2018)."""
    directions = (
        (between.prediction_to_reference, prediction.areas_mm2),
        (between.reference_to_prediction, reference.areas_mm2),
    )
    return max(_weighted_percentile(values, areas, percent) for values, areas in directions)


def _weighted_percentile(values: np.ndarray, weights: np.ndarray, percent: float) -> float:
    """Return the first value, in order, at which the share of weight reaches `percent`."""
    if values.size == 0:
        return np.inf
    order = np.lexsort((weights, values))
    share = np.cumsum(weights[order]) / np.sum(weights[order])
    index = min(int(np.searchsorted(share, percent / 100)), values.size - 1)
    return float(values[order][index])


def surface_dice(
    prediction: Surfels, reference: Surfels, between: Distances, tolerance_mm: float
) -> float:
    """Return the share of both surfaces' area within a tolerance of the other (DeepMind 2018)."""
    total = prediction.areas_mm2.sum() + reference.areas_mm2.sum()
    if total == 0:
        return np.nan
    near = prediction.areas_mm2[between.prediction_to_reference <= tolerance_mm].sum()
    near += reference.areas_mm2[between.reference_to_prediction <= tolerance_mm].sum()
    return float(near / total)


def mean_distances_mm(
    prediction: Surfels, reference: Surfels, between: Distances
) -> tuple[float, float]:
    """Return the area-weighted mean distance of each surface to the other (DeepMind 2018)."""
    there = np.average(between.prediction_to_reference, weights=prediction.areas_mm2)
    back = np.average(between.reference_to_prediction, weights=reference.areas_mm2)
    return float(there), float(back)


def normalised_surface_dice(between: Distances, tolerance_mm: float, divisor_extra: float) -> float:
    """Return the mean of the two shares of border voxels within a tolerance (medpy style).

    `divisor_extra` is what a scorer adds to the divisor 2: 1e-8 in BraTS 2025, nothing in 2026.
    """
    shares = [
        float(np.mean(values <= tolerance_mm))
        for values in (between.prediction_to_reference, between.reference_to_prediction)
    ]
    return sum(shares) / (2 + divisor_extra)


def pooled_hausdorff_mm(between: Distances, percent: float = 95) -> float:
    """Return the percentile, interpolated, of both directions pooled (medpy, panoptica)."""
    pooled = np.concatenate([between.prediction_to_reference, between.reference_to_prediction])
    return float(np.percentile(pooled, percent))
