"""The largest error of a case: where prediction and reference disagree the most."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from postprocess.components import largest_component

Voxel = tuple[int, int, int]


@dataclass(frozen=True)
class LargestError:
    """The largest 26-connected piece of disagreement; `voxels` 0 where there is none."""

    centre: Voxel  # (z, y, x), inside the piece
    voxels: int
    prediction_label: int  # the commonest pair of values inside it
    reference_label: int


def largest_error(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_mm: tuple[float, float, float],
    scored_values: Collection[int],
) -> LargestError | None:
    """Find the largest error of two label maps (z, y, x), and its most central voxel.

    Only voxels where one of them has one of `scored_values` can disagree. Without any disagreement
    the centre is that of the largest labelled component; None where both maps are empty.
    """
    counts = np.isin(prediction, list(scored_values)) | np.isin(reference, list(scored_values))
    piece = largest_component((prediction != reference) & counts)
    voxels = int(piece.sum())
    if not voxels:
        piece = largest_component(reference > 0)
        if not piece.any():
            return None
        return LargestError(most_central(piece, spacing_mm), 0, 0, 0)
    pairs = np.stack((prediction[piece], reference[piece]), 1)
    unique_pairs, n = np.unique(pairs, axis=0, return_counts=True)
    commonest = unique_pairs[n.argmax()]
    centre = most_central(piece, spacing_mm)
    return LargestError(centre, voxels, int(commonest[0]), int(commonest[1]))


def most_central(mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> Voxel:
    """Return the voxel of a mask (z, y, x) that lies deepest inside; ties go to the centroid.

    The centroid alone would leave a shell, which is what most errors are.
    """
    indices = np.argwhere(mask)
    low = indices.min(0)
    box = tuple(slice(a, b + 1) for a, b in zip(low, indices.max(0), strict=True))
    depth_mm = distance_transform_edt(np.pad(mask[box], 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    deepest = np.argwhere(depth_mm >= depth_mm.max() - 1e-6) + low
    off_mm = (deepest - indices.mean(0)) * np.array(spacing_mm)
    z, y, x = deepest[(off_mm**2).sum(1).argmin()].tolist()
    return z, y, x
