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
    ids, points_mm = _border_points(components, spacing_mm)
    others_mm = np.argwhere(border(other)) * np.array(spacing_mm)
    if len(ids) and len(others_mm):
        near[ids[_away(others_mm, points_mm) <= limit_mm * (1 + ROUNDING)]] = True
    return near


def is_near_larger(components: Components, limit_mm: float, spacing_mm: SpacingMm) -> np.ndarray:
    """Return which components (component,) are at most so far from a larger one.

    Of equally large ones the first in scan order is the larger, and the largest of all is near.
    """
    near = np.zeros(components.voxels.size, bool)
    ids, points_mm = _border_points(components, spacing_mm)
    order = 1 + np.argsort(-components.voxels[1:], kind="stable")
    near[order[:1]] = True
    if order.size < 2:
        return near
    limit_mm *= 1 + ROUNDING
    of_id = dict(zip(np.unique(ids), np.split(points_mm, _starts(ids)), strict=True))
    low, high = (np.array([f(of_id[i], axis=0) for i in order]) for f in (np.min, np.max))
    for at in range(1, order.size):
        # No two voxels are closer than the boxes around them.
        gaps = np.maximum(low[:at] - high[at], low[at] - high[:at]).clip(0)
        candidates = order[:at][np.linalg.norm(gaps, axis=1) <= limit_mm]
        points = of_id[order[at]]
        near[order[at]] = any(_away(of_id[i], points).min() <= limit_mm for i in candidates)
    return near


def _border_points(components: Components, spacing_mm: SpacingMm) -> tuple[np.ndarray, np.ndarray]:
    """Return the component of each border voxel, ascending, and where it is in mm (voxel, 3)."""
    indices = np.argwhere(border(components.ids > 0))
    ids = components.ids[tuple(indices.T)].astype(np.int64)
    order = np.argsort(ids, kind="stable")
    return ids[order], indices[order] * np.array(spacing_mm)


def _starts(ids: np.ndarray) -> np.ndarray:
    """Return where each id but the first starts in sorted ids."""
    return np.flatnonzero(np.diff(ids)) + 1


def _away(others_mm: np.ndarray, points_mm: np.ndarray) -> np.ndarray:
    """Return how far each point (n, 3) is from the nearest of others (m, 3)."""
    from scipy.spatial import cKDTree  # takes a fifth of a second to load, and few models need it

    away_mm, _ = cKDTree(others_mm).query(points_mm)
    return np.asarray(away_mm)
