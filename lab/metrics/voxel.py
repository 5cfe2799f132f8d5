"""Voxel overlap of a prediction and a reference, region by region."""

from collections.abc import Mapping

import numpy as np

from challenge.scheme import Scheme


def dice(prediction: np.ndarray, reference: np.ndarray) -> float:
    """Return 2 TP / (2 TP + FP + FN) of two bool masks; NaN where both are empty."""
    total = int(prediction.sum()) + int(reference.sum())
    return 2 * int((prediction & reference).sum()) / total if total else float("nan")


def region_dice(
    prediction: np.ndarray, reference: np.ndarray, scheme: Scheme
) -> Mapping[str, float]:
    """Return the Dice of every region of a scheme for two label maps (z, y, x)."""
    return {
        region: dice(scheme.mask(prediction, region), scheme.mask(reference, region))
        for region in scheme.regions
    }
