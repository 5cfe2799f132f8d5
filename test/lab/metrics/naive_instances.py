"""The scorers of 2026 once more: slow, obvious, full volumes; a test peer.

It shares no line with lab/metrics. Arrays and spacings are (x, y, z); the evaluator reads arrays
(z, y, x) and lays the spacing (x, y, z) along them, so distances of lesions take it turned round.
"""

import math
from itertools import product

import numpy as np
from naive_lesionwise import S26, border
from naive_tasks import INSTANCES
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

WORST_MM = 373.0
Spacing = tuple[float, float, float]


def naive_instances(
    prediction: np.ndarray, reference: np.ndarray, spacing_mm: Spacing, task: str
) -> dict[str, dict[str, float]]:
    """Return region -> lesion-wise means over matches, counts, and scores of whole masks."""
    scores = {}
    for region, values in INSTANCES[task].items():
        masks = tuple(np.isin(labels, list(values)) for labels in (prediction, reference))
        scores[region] = lesion_scores(*masks, spacing_mm) | whole_scores(*masks)
        if task == "2026-goat":
            scores[region]["global_dice"] = scores[region]["global_bin_dsc"]
            scores[region]["global_nsd_1.0"] = whole(*masks, spacing_mm, 1.0)[2]
    return scores


def lesion_scores(
    prediction: np.ndarray, reference: np.ndarray, spacing_mm: Spacing
) -> dict[str, float]:
    """Match pieces one to one, so that the sum of their Dice is highest, and average the pairs."""
    ours, theirs = pieces(prediction), pieces(reference)
    overlap = np.zeros((len(theirs), len(ours)))
    for i, j in product(range(len(theirs)), range(len(ours))):
        overlap[i, j] = dice(ours[j], theirs[i])
    pairs = [(i, j) for i, j in zip(*linear_sum_assignment(-overlap), strict=True) if overlap[i, j]]
    fp, fn = len(ours) - len(pairs), len(theirs) - len(pairs)
    counts = {"num_tp": len(pairs), "num_fp": fp, "num_fn": fn}
    if not ours and not theirs:
        return {"dice": math.nan, "hd95": math.nan, "nsd": math.nan, "rq": math.nan, **counts}
    turned = spacing_mm[::-1]
    rows = [
        (overlap[i, j], *surfaces(ours[j], theirs[i], turned, min(spacing_mm))) for i, j in pairs
    ]
    means = np.mean(rows, axis=0) if rows else (0.0, WORST_MM, 0.0)
    f1 = len(pairs) / (len(pairs) + fp / 2 + fn / 2)
    return {**dict(zip(("dice", "hd95", "nsd"), means, strict=True)), "rq": f1, **counts}


def whole_scores(prediction: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Return the scores of whole masks, which know no spacing."""
    names = ("global_bin_dsc", "global_bin_hd95", "global_bin_nsd")
    return dict(zip(names, whole(prediction, reference, (1.0, 1.0, 1.0), 0.5), strict=True))


def whole(
    prediction: np.ndarray, reference: np.ndarray, spacing_mm: Spacing, tolerance_mm: float
) -> tuple[float, float, float]:
    """Return Dice, HD95 and NSD of two masks; the worst where they share nothing."""
    if not prediction.any() and not reference.any():
        return math.nan, math.nan, math.nan
    if not np.any(prediction & reference):
        return 0.0, math.inf, 0.0
    return dice(prediction, reference), *surfaces(prediction, reference, spacing_mm, tolerance_mm)


def pieces(mask: np.ndarray) -> list[np.ndarray]:
    """Return each 26-connected piece as a mask of its own."""
    numbered, count = ndimage.label(mask, S26)
    return [numbered == number for number in range(1, count + 1)]


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Overlap of two masks that hold voxels."""
    return float(2 * np.sum(one & other) / (np.sum(one) + np.sum(other)))


def surfaces(
    one: np.ndarray, other: np.ndarray, spacing_mm: Spacing, tolerance_mm: float
) -> tuple[float, float]:
    """Return HD95 of both borders' distances together, and the mean of the two near shares."""
    distances = []
    for first, second in ((one, other), (other, one)):
        away_mm = ndimage.distance_transform_edt(~border(second), sampling=spacing_mm)
        distances.append(away_mm[border(first)])
    shares = [np.mean(mm <= tolerance_mm) for mm in distances]
    return float(np.percentile(np.concatenate(distances), 95)), float(sum(shares) / 2)
