"""Shape of components, and what they touch: one number a component, all counted at once.

A surface is made of voxel faces, so a cube has the area of a cube and a ball half as much again as
a smooth one. Axes are those of the voxels' coordinates, each voxel a box that fills its cell.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .components import Components, SpacingMm

AXES = 3


@dataclass(frozen=True)
class Voxels:
    """Every voxel of every component: where it is, and in which component."""

    at: tuple[np.ndarray, ...]  # indices z, y, x, (voxel,) each
    ids: np.ndarray  # (voxel,) from 0
    count: int  # components

    @classmethod
    def of(cls, components: Components) -> "Voxels":
        """List the voxels of components."""
        at = np.nonzero(components.ids)
        return cls(at, components.ids[at].astype(np.intp) - 1, components.voxels.size - 1)

    def mean(self, values: np.ndarray, ids: np.ndarray | None = None) -> np.ndarray:
        """Return the mean of values (voxel,) by component; 0 where a component has none."""
        ids = self.ids if ids is None else ids
        sums = np.bincount(ids, values, minlength=self.count)
        return sums / np.maximum(np.bincount(ids, minlength=self.count), 1)

    def extreme(self, values: np.ndarray, function: np.ufunc) -> np.ndarray:
        """Return the lowest (np.minimum) or highest (np.maximum) value by component."""
        order = np.argsort(self.ids, kind="stable")
        starts = np.searchsorted(self.ids[order], np.arange(self.count))
        return np.asarray(function.reduceat(values[order], starts), np.float64)


def shape_features(components: Components, spacing_mm: SpacingMm) -> dict[str, np.ndarray]:
    """Return size and shape by name, (component,) each."""
    voxels = Voxels.of(components)
    volumes_mm3 = components.voxels[1:] * float(np.prod(spacing_mm))
    boxes_mm3, variances_mm2 = np.ones(voxels.count), _variances_mm2(voxels, spacing_mm)
    for axis, mm in enumerate(spacing_mm):
        at = voxels.at[axis].astype(np.float64)
        side = voxels.extreme(at, np.maximum) - voxels.extreme(at, np.minimum) + 1
        boxes_mm3 *= side * mm
    surfaces_mm2, _ = _surfaces_mm2(components, np.zeros(components.ids.shape, bool), spacing_mm)
    longest, second, shortest = np.sqrt(variances_mm2).T
    return {
        "volume_mm3": volumes_mm3,
        "length_mm": 4 * longest,
        "extent": volumes_mm3 / boxes_mm3,
        "surface_per_volume": surfaces_mm2 / volumes_mm3,
        "sphericity": np.cbrt(36 * np.pi * volumes_mm3**2) / surfaces_mm2,
        "elongation": second / longest,
        "flatness": shortest / longest,
        "tubularity": 1 - (second / longest) ** 2,
        "share_of_all": volumes_mm3 / volumes_mm3.sum(),
        "others": np.full(voxels.count, voxels.count - 1.0),
    }


def touching_features(
    components: Components, labels: np.ndarray, spacing_mm: SpacingMm
) -> dict[str, np.ndarray]:
    """Return which share of each component's surface other labels of a map (z, y, x) touch."""
    others = (labels > 0) & (components.ids == 0)
    surfaces_mm2, touched_mm2 = _surfaces_mm2(components, others, spacing_mm)
    return {"nested_share": touched_mm2 / surfaces_mm2}


def _variances_mm2(voxels: Voxels, spacing_mm: SpacingMm) -> np.ndarray:
    """Return the variances (component, 3) along the axes of each component, the largest first."""
    centred = []
    for at, mm in zip(voxels.at, spacing_mm, strict=True):
        mm_at = at * mm
        centred.append(mm_at - voxels.mean(mm_at)[voxels.ids])
    covariance = np.empty((voxels.count, AXES, AXES))
    for i in range(AXES):
        for j in range(AXES):
            covariance[:, i, j] = voxels.mean(centred[i] * centred[j])
        covariance[:, i, i] += spacing_mm[i] ** 2 / 12  # of a voxel by itself
    return np.asarray(np.linalg.eigvalsh(covariance)[:, ::-1])


def _surfaces_mm2(
    components: Components, others: np.ndarray, spacing_mm: SpacingMm
) -> tuple[np.ndarray, np.ndarray]:
    """Return the area of each component (component,), and of its faces with the mask `others`."""
    ids, count = components.ids, components.voxels.size
    surfaces, touched = np.zeros(count), np.zeros(count)
    both = zip(_neighbours(ids), _neighbours(others), strict=True)
    for number, (beside, other) in enumerate(both):
        area_mm2 = float(np.prod(spacing_mm)) / spacing_mm[number // 2]
        faces = (ids > 0) & (beside != ids)
        surfaces += area_mm2 * np.bincount(ids[faces], minlength=count)
        touched += area_mm2 * np.bincount(ids[faces & other], minlength=count)
    return surfaces[1:], touched[1:]


def _neighbours(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield what lies beside each voxel, in both directions of each axis; zero beyond the edge."""
    for axis in range(AXES):
        width = [(1, 1) if i == axis else (0, 0) for i in range(AXES)]
        padded = np.pad(array, width)
        for start in (0, 2):
            index = [slice(None)] * AXES
            index[axis] = slice(start, start + array.shape[axis])
            yield padded[tuple(index)]
