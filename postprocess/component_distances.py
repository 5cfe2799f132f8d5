"""Whether components are near others, in mm between the centres of the closest two voxels.

The closest two voxels of two components lie on their borders: from an inner voxel, one step along
an axis goes nearer.
"""

import numpy as np

from .components import Components, SpacingMm, border

ROUNDING = 1e-6  # headers hold spacing as float32


def is_near(
    components: Components, other: np.ndarray, limit_mm: float, spacing_mm: SpacingMm
) -> np.ndarray:
    """Return which components (component,) are at most so far from a bool mask (z, y, x)."""
    near = np.zeros(components.voxels.size, bool)
    ids, points_mm = border_points(components.ids, spacing_mm)
    others_mm = np.argwhere(border(other)) * np.array(spacing_mm)
    if len(ids) and len(others_mm):
        near[ids[_away(others_mm, points_mm) <= limit_mm * (1 + ROUNDING)]] = True
    return near


def is_near_larger(components: Components, limit_mm: float, spacing_mm: SpacingMm) -> np.ndarray:
    """Return which components (component,) are at most so far from a larger one.

    Of equally large ones the first in scan order is the larger, and the largest of all is near.
    """
    near = np.zeros(components.voxels.size, bool)
    ids, points_mm = border_points(components.ids, spacing_mm)
    order = 1 + np.argsort(-components.voxels[1:], kind="stable")
    near[order[:1]] = True
    if order.size < 2:
        return near
    limit_mm *= 1 + ROUNDING
    of_id = split_by_id(ids, points_mm)
    low, high = (np.array([f(of_id[i], axis=0) for i in order]) for f in (np.min, np.max))
    for at in range(1, order.size):
        gaps_mm = box_gaps_mm(low[at], high[at], low[:at], high[:at])
        candidates = order[:at][gaps_mm <= limit_mm]
        points = of_id[order[at]]
        near[order[at]] = any(_away(of_id[i], points).min() <= limit_mm for i in candidates)
    return near


def border_points(ids: np.ndarray, spacing_mm: SpacingMm) -> tuple[np.ndarray, np.ndarray]:
    """Return the component of each border voxel, ascending, and where it is in mm (voxel, 3).

    `ids` (z, y, x) number the components, 0 outside.
    """
    indices = np.argwhere(border(ids))
    of_voxel = ids[tuple(indices.T)].astype(np.int64)
    order = np.argsort(of_voxel, kind="stable")
    return of_voxel[order], indices[order] * np.array(spacing_mm)


def split_by_id(ids: np.ndarray, points_mm: np.ndarray) -> dict[int, np.ndarray]:
    """Return the points (voxel, 3) of each component by its id; `ids` (voxel,) ascend."""
    starts = np.flatnonzero(np.diff(ids)) + 1
    return dict(zip(np.unique(ids).tolist(), np.split(points_mm, starts), strict=True))


def box_gaps_mm(
    low: np.ndarray, high: np.ndarray, others_low: np.ndarray, others_high: np.ndarray
) -> np.ndarray:
    """Return how far a box is from others (box,); no two voxels inside are closer.

    Corners in mm are (3,) and (box, 3).
    """
    gaps = np.maximum(others_low - high, low - others_high).clip(0)
    return np.asarray(np.linalg.norm(gaps, axis=1))


def _away(others_mm: np.ndarray, points_mm: np.ndarray) -> np.ndarray:
    """Return how far each point (n, 3) is from the nearest of others (m, 3)."""
    from scipy.spatial import cKDTree  # takes a fifth of a second to load, and few models need it

    away_mm, _ = cKDTree(others_mm).query(points_mm)
    return np.asarray(away_mm)
