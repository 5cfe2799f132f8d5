"""Both kinds of surface of a mask, and what lesion-wise scorers make of two of them.

Masks that do not touch, not even at a corner, share no surface element: the surface of their union
is both surfaces, and distances to it are the smaller of two. So the parts of a lesion's prediction
are measured one by one, and put together in any combination.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.metrics.surface import (
    Distances,
    Surfels,
    Target,
    border,
    make_target,
    nearest_mm,
    normalised_surface_dice,
    robust_hausdorff_mm,
    surfels,
)

NSD_TOLERANCES_MM = (0.5, 1.0)
NSD_DIVISOR_EXTRA = 1e-8

SurfaceScores = tuple[float, float, float]  # HD95 in mm, NSD at 0.5 and 1 mm


@dataclass(frozen=True)
class Shell:
    """The surfaces of one mask, in voxels of the whole image, axes (x, y, z)."""

    surfels: Surfels
    border: np.ndarray  # (n, 3)
    surfel_target: Target
    border_target: Target


@dataclass(frozen=True)
class Measured:
    """Distances between a prediction's shell and a reference's."""

    areas_mm2: np.ndarray  # of the prediction's surfels
    surfels: Distances
    borders: Distances | None  # None where the scorer has no NSD


def make_shell(
    mask: np.ndarray, corner: Sequence[int], spacing_xyz_mm: tuple[float, ...], nsd: bool
) -> Shell:
    """Return the surfaces of a bool mask (z, y, x) cut from an image at `corner` (z, y, x).

    They are computed in the official scripts' axis order (x, y, z).
    """
    shift = np.array(corner[::-1])
    found = surfels(mask.T, spacing_xyz_mm)
    found = Surfels(found.cells + shift, found.areas_mm2)
    rim = border(mask.T) + shift if nsd else np.empty((0, 3), int)
    return Shell(
        found, rim, make_target(found.cells, spacing_xyz_mm), make_target(rim, spacing_xyz_mm)
    )


def measure(
    prediction: Shell, reference: Shell, nsd: bool, beside: Measured | None = None
) -> Measured:
    """Measure two shells against each other.

    With `beside`, another part of the prediction that will be put together with this one, the
    reference's elements that are surely nearer to that part are not measured: infinite here.
    """
    near = beside.surfels.reference_to_prediction if beside else None
    rims_near = beside.borders.reference_to_prediction if beside and beside.borders else None
    return Measured(
        areas_mm2=prediction.surfels.areas_mm2,
        surfels=Distances(
            nearest_mm(prediction.surfels.cells, reference.surfel_target),
            _nearer_mm(reference.surfels.cells, prediction.surfel_target, near),
        ),
        borders=Distances(
            nearest_mm(prediction.border, reference.border_target),
            _nearer_mm(reference.border, prediction.border_target, rims_near),
        )
        if nsd
        else None,
    )


def _nearer_mm(points: np.ndarray, target: Target, than_mm: np.ndarray | None) -> np.ndarray:
    """Return distances to a target, infinite where its box alone is farther than `than_mm`."""
    if than_mm is None:
        return nearest_mm(points, target)
    low, high = target.points.min(0), target.points.max(0)
    outside = np.maximum(np.maximum(low - points, points - high), 0) * target.scale
    asked = np.sqrt((outside**2).sum(1)) <= than_mm
    found = np.full(len(points), np.inf)
    found[asked] = nearest_mm(points[asked], target)
    return found


def summarise(parts: Sequence[Measured], reference: Shell) -> SurfaceScores:
    """Score a prediction made of parts that do not touch: HD95, and NSD (0 where not measured)."""
    areas = np.concatenate([part.areas_mm2 for part in parts])
    between = _together([part.surfels for part in parts])
    prediction = Surfels(np.empty((0, 3), int), areas)
    hd95 = robust_hausdorff_mm(prediction, reference.surfels, between)
    borders = [part.borders for part in parts if part.borders is not None]
    if not borders:
        return hd95, 0.0, 0.0
    rims = _together(borders)
    low, high = (normalised_surface_dice(rims, t, NSD_DIVISOR_EXTRA) for t in NSD_TOLERANCES_MM)
    return hd95, low, high


def _together(parts: Sequence[Distances]) -> Distances:
    if len(parts) == 1:
        return parts[0]
    return Distances(
        np.concatenate([part.prediction_to_reference for part in parts]),
        np.minimum.reduce([part.reference_to_prediction for part in parts]),
    )
