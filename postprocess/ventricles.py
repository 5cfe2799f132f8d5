"""The ventricles of a head, by the look and the place of their fluid; nothing is trained.

Fluid is dark in T1 and T2-FLAIR and bright in T2. That of the ventricles lies deep: it reaches
places that few sulci do. Shares and quantiles are ours, looked at on four gliomas without surgery.
"""

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import binary_opening, distance_transform_edt

from challenge.box import bounding_box

from .components import SpacingMm, find_components

# At which quantile of deep tissue the intensity of fluid stands.
FLUID_QUANTILES: Mapping[str, float] = {"t1n": 0.01, "t1w": 0.01, "t2f": 0.01, "t2w": 0.99}
LEAST_FLUID = 0.5  # of the way from the median of deep tissue to fluid, mean of the sequences
# Depths are shares of the greatest distance to the head's edge.
DEEP = 0.4  # where fluid is looked for
CORE = 0.7  # that fluid reaches if it is of the ventricles: above insula and cingulate sulcus
COARSE_VOXELS = 64  # along an axis, at least, of the grid on which depth is computed
LONG = 1.5  # times the shortest side of a voxel: along such an axis fluid may be one voxel thin


def find_ventricles(
    images: Mapping[str, np.ndarray], spacing_mm: SpacingMm, excluded: np.ndarray
) -> np.ndarray:
    """Return the ventricles of a skull-stripped head as a mask (z, y, x); empty where none are.

    Lateral and third ventricle; their thin horns and most of the fourth are missed, and the cistern
    behind the midbrain is taken in where it joins the third, and now and then a few voxels of the
    fissure above the corpus callosum. A cyst or a cavity that no label
    covers, and that is as deep as they are, looks the same.

    Args:
        images: by sequence, each (z, y, x), 0 outside the head. Of those in FLUID_QUANTILES each
            has the same say, and others only tell where the head is.
        spacing_mm: of the axes z, y, x.
        excluded: mask (z, y, x) that no ventricle lies in: all predicted labels, so that a
            tumour's cyst or a resection cavity is left out as far as it was predicted.
    """
    ventricles = np.zeros(excluded.shape, bool)
    head = np.any([image != 0 for image in images.values()], axis=0)
    if (box := bounding_box(head)) is None:
        return ventricles
    depth = _depth(head[box], spacing_mm)
    looked_at = (depth >= DEEP) & ~excluded[box]
    fluid = _fluid({name: image[box] for name, image in images.items()}, looked_at)
    components = find_components(binary_opening(fluid, _cross(spacing_mm)), 6)
    in_core = np.zeros(components.voxels.size, bool)
    in_core[components.ids[depth >= CORE]] = True
    in_core[0] = False
    ventricles[box] = in_core[components.ids]
    return ventricles


def _depth(head: np.ndarray, spacing_mm: SpacingMm) -> np.ndarray:
    """Return the distance to the outside of a head (z, y, x), 1 where it is greatest."""
    steps = [max(size // COARSE_VOXELS, 1) for size in head.shape]
    coarse = np.pad(head[tuple(slice(None, None, step) for step in steps)], 1)
    sampling = [step * mm for step, mm in zip(steps, spacing_mm, strict=True)]
    depth = distance_transform_edt(coarse, sampling=sampling)[1:-1, 1:-1, 1:-1]
    depth = (depth / depth.max()).astype(np.float32)
    for axis, step in enumerate(steps):
        depth = depth.repeat(step, axis)
    return np.asarray(depth[tuple(slice(size) for size in head.shape)])


def _fluid(images: Mapping[str, np.ndarray], looked_at: np.ndarray) -> np.ndarray:
    """Return which of the voxels that are looked at (z, y, x) look like fluid."""
    at, likeness = np.nonzero(looked_at), []
    for sequence, quantile in FLUID_QUANTILES.items():
        if sequence not in images or not looked_at.any():
            continue
        values = images[sequence][at].astype(np.float64)
        tissue, fluid = np.quantile(values, [0.5, quantile])
        if tissue != fluid:
            likeness.append(np.clip((values - tissue) / (fluid - tissue), 0, 1))
    mask = np.zeros(looked_at.shape, bool)
    if likeness:
        mask[at] = np.mean(likeness, axis=0) > LEAST_FLUID
    return mask


def _cross(spacing_mm: SpacingMm) -> np.ndarray:
    """Return a voxel with its neighbours by a face (3, 3, 3), except along axes of long voxels."""
    cross = np.zeros((3, 3, 3), bool)
    for axis in np.flatnonzero(np.array(spacing_mm) <= LONG * min(spacing_mm)):
        index: list[int | slice] = [1, 1, 1]
        index[axis] = slice(None)
        cross[tuple(index)] = True
    return cross
