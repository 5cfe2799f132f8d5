"""PANTHER: Dice, surface Dice at 5 mm, HD95, MASD, tumour volume (evaluate_local.py, 2025).

The published evaluator gives SimpleITK's spacing (x, y, z) to arrays (z, y, x), which distorts
every distance on PANTHER's anisotropic grids. Both orders are here, by name.
"""

from typing import Literal

import numpy as np

from challenge.box import bounding_box, joint_box
from challenge.scheme import SCHEMES
from lab.metrics.pair import Pair, Region
from lab.metrics.surface import (
    distances,
    mean_distances_mm,
    robust_hausdorff_mm,
    surface_dice,
    surfels,
)

TOLERANCE_MM = 5.0
TUMOUR = Region.of(SCHEMES["panther-t1"], "tumour")


def score(pair: Pair, order: Literal["right", "as-published"]) -> dict[str, dict[str, float]]:
    """Return the five numbers of the tumour, and both volumes in mm3.

    A prediction that is the same everywhere, empty or full, gets Dice 0, surface Dice 0, the grid's
    diagonal for both distances and volume 0; so does one against an empty reference. In the public
    code an empty prediction ends the run; here it is one case, as on the leaderboard.
    """
    prediction, reference = _tumour(pair.prediction), TUMOUR.mask(pair.reference)
    spacing_mm = pair.spacing_mm if order == "right" else pair.spacing_mm[::-1]
    volumes = [float(m.sum()) * pair.voxel_volume_mm3 for m in (prediction, reference)]
    if prediction.any() and not prediction.all() and reference.any():
        scores = _compare(prediction, reference, spacing_mm)
    else:
        diagonal = float(np.linalg.norm(np.multiply(prediction.shape, spacing_mm)))
        scores = {"dice": 0.0, "surface_dice_5mm": 0.0, "hd95": diagonal, "masd": diagonal}
        volumes[0] = 0.0 if prediction.all() else volumes[0]
    names = ("volume_prediction_mm3", "volume_reference_mm3")
    return {"tumour": scores | dict(zip(names, volumes, strict=True))}


def volume_rmse_mm3(prediction_mm3: np.ndarray, reference_mm3: np.ndarray) -> float:
    """Return the root of the mean squared volume difference over cases."""
    return float(np.sqrt(np.mean((prediction_mm3 - reference_mm3) ** 2)))


def _tumour(labels: np.ndarray) -> np.ndarray:
    """Return label 1, or the one value there is: the evaluator takes any binary map."""
    present = np.unique(labels)
    present = present[present != 0]
    return labels == present[0] if present.size == 1 else TUMOUR.mask(labels)


def _compare(
    prediction: np.ndarray, reference: np.ndarray, spacing_mm: tuple[float, ...]
) -> dict[str, float]:
    total = int(prediction.sum()) + int(reference.sum())
    dice = 2 * int((prediction & reference).sum()) / total
    box = joint_box(bounding_box(prediction), bounding_box(reference))
    ours, theirs = surfels(prediction[box], spacing_mm), surfels(reference[box], spacing_mm)
    between = distances(ours.cells, theirs.cells, spacing_mm)
    return {
        "dice": dice,
        "surface_dice_5mm": surface_dice(ours, theirs, between, TOLERANCE_MM),
        "hd95": robust_hausdorff_mm(ours, theirs, between),
        "masd": sum(mean_distances_mm(ours, theirs, between)) / 2,
    }
