"""HD95 and NSD of one lesion, as the lesion-wise BraTS scorers of 2023 to 2025 compute them."""

import numpy as np

from lab.metrics.surface import (
    border,
    distances,
    normalised_surface_dice,
    robust_hausdorff_mm,
    surfels,
)

NSD_TOLERANCES_MM = (0.5, 1.0)
NSD_DIVISOR_EXTRA = 1e-8

SurfaceScores = tuple[float, float, float]  # HD95 in mm, NSD at 0.5 and 1 mm


def surface_scores(
    prediction: np.ndarray, reference: np.ndarray, spacing_xyz_mm: tuple[float, ...], nsd: bool
) -> SurfaceScores:
    """Score two bool masks (z, y, x); without `nsd` both NSD are 0.

    Distances are computed in the official scripts' axis order (x, y, z).
    """
    prediction, reference = prediction.T, reference.T
    ours, theirs = surfels(prediction, spacing_xyz_mm), surfels(reference, spacing_xyz_mm)
    between = distances(ours.cells, theirs.cells, spacing_xyz_mm)
    hd95 = robust_hausdorff_mm(ours, theirs, between)
    if not nsd:
        return hd95, 0.0, 0.0
    between = distances(border(prediction), border(reference), spacing_xyz_mm)
    low, high = (normalised_surface_dice(between, t, NSD_DIVISOR_EXTRA) for t in NSD_TOLERANCES_MM)
    return hd95, low, high
