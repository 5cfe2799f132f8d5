"""ISLES'26: Dice, lesion-wise F1, counts, volumes, and PR-AUC of the lesion's probability map.

Definitions: the organisers' `utils/eval_utils.py` (ezequieldlrosa/isles26 at 91965d0, MIT), which
calls panoptica 1.0.1 and scikit-learn. From panoptica's source:

- Lesions are 26-connected components (`ConnectedComponentsInstanceApproximator`, cc3d's default).
- `NaiveThresholdMatching` at an IoU of 0.25 is greedy and one to one: pairs from the highest IoU
  down, equal ones by the number of the predicted lesion, then of the reference's.
- F1 is `rq`, Dice is `global_bin_dsc`; both are 0 where no lesion is matched, however much of the
  masks overlaps.

Both maps empty: F1 and Dice 1. PR-AUC with an empty reference: 1 if the map is the same everywhere,
else 0. Every value but 0 is lesion. Panoptica numbers lesions in 8 bits: where the reference's and
the unmatched predicted lesions are more than 255 it miscounts, or fails; here they count right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import cc3d
import numpy as np

from lab.metrics.metric_info import PR_AUC
from lab.metrics.pair import Pair, crop

REGION = "lesion"
LEAST_IOU = 0.25
MM3_PER_ML = 1000.0
EMPTY = 1.0  # Dice and F1 of two empty maps, PR-AUC of an empty reference and a constant map


@dataclass(frozen=True)
class LesionTable:
    """The lesions of both maps and the voxels that any two of them share.

    Lesions are numbered from 1 as a scan of (z, y, x) meets them; 0 is background, with no voxel.
    """

    predicted_voxels: np.ndarray  # (predicted lesion,)
    reference_voxels: np.ndarray  # (reference lesion,)
    pairs: np.ndarray  # (pair, 2) predicted and reference lesion that overlap, in this order
    shared_voxels: np.ndarray  # (pair,)
    voxel_volume_ml: float

    def score(self, values: np.ndarray) -> Mapping[str, Mapping[str, float]]:
        """Return region -> metric -> value when predicted lesion i has the value values[i].

        A lesion of value 0 is removed. No variant of a mask changes the probability map, so that
        PR-AUC is no part of the scores.
        """
        return {REGION: _score_lesions(self, values != 0)}


def score(pair: Pair) -> dict[str, dict[str, float]]:
    """Return the four metrics of the mask, and `pr_auc` where the pair has a probability map."""
    table = lesion_table(pair)
    scores = _score_lesions(table, np.ones(table.predicted_voxels.size, bool))
    if pair.probability is not None:
        scores[PR_AUC] = pr_auc(pair.probability, pair.reference)
    return {REGION: scores}


def lesion_table(pair: Pair) -> LesionTable:
    """Find the lesions of both label maps, and which of them overlap."""
    cut = crop(pair, 0)
    ours, theirs = (_lesions(labels) for labels in (cut.prediction, cut.reference))
    predicted, reference = (np.bincount(ids.ravel()) for ids in (ours, theirs))
    predicted[0] = reference[0] = 0
    both = (ours > 0) & (theirs > 0)
    codes = ours[both].astype(np.int64) * reference.size + theirs[both]
    codes, shared = np.unique(codes, return_counts=True)
    pairs = np.column_stack(np.divmod(codes, reference.size))
    return LesionTable(predicted, reference, pairs, shared, pair.voxel_volume_mm3 / MM3_PER_ML)


def pr_auc(probability: np.ndarray, reference: np.ndarray) -> float:
    """Return the area below the voxel-wise precision-recall curve, by trapezoids.

    It equals scikit-learn's `auc` of its `precision_recall_curve`. Recall changes only at the
    probabilities of lesion voxels: there and just above them the curve is evaluated.

    Args:
        probability: (z, y, x), compared as float32.
        reference: (z, y, x), 0 outside lesions.

    Returns:
        The area; NaN, as the organisers' code, if the map holds NaN or infinity beside a lesion.
    """
    scores = probability.astype(np.float32, copy=False)
    lesion = np.sort(scores[reference != 0])
    if lesion.size == 0:
        return EMPTY if bool((scores == scores.flat[0]).all()) else 0.0
    if not np.isfinite(scores).all():
        return float("nan")
    voxels = np.sort(scores[scores >= lesion[0]])
    thresholds = np.unique(lesion)
    precision, recall = [], []
    sides: tuple[Literal["left", "right"], ...] = ("left", "right")
    for side in sides:  # at a threshold, and above it
        true = lesion.size - np.searchsorted(lesion, thresholds, side)
        predicted = voxels.size - np.searchsorted(voxels, thresholds, side)
        precision.append(np.where(predicted > 0, true / np.maximum(predicted, 1), 1.0))
        recall.append(true / lesion.size)
    return float((recall[0] - recall[1]) @ (precision[0] + precision[1]) / 2)


def _lesions(labels: np.ndarray) -> np.ndarray:
    """Number the 26-connected components of equal values."""
    whole = labels if labels.dtype == np.uint8 else labels.astype(np.int64)
    numbered: np.ndarray = cc3d.connected_components(np.ascontiguousarray(whole), connectivity=26)
    return numbered


def _score_lesions(table: LesionTable, is_present: np.ndarray) -> dict[str, float]:
    """Score those of the predicted lesions (predicted lesion,) that are present."""
    sizes = np.where(is_present, table.predicted_voxels, 0), table.reference_voxels
    counts = [int(np.count_nonzero(voxels)) for voxels in sizes]
    voxels = [int(each.sum()) for each in sizes]
    present = is_present[table.pairs[:, 0]]
    matched = _matches(table, present)
    dice = f1 = EMPTY
    if any(counts):
        overlap = int(table.shared_voxels[present].sum())
        dice = 2 * overlap / sum(voxels) if matched else 0.0
        f1 = 2 * matched / sum(counts)
    volumes_ml = [count * table.voxel_volume_ml for count in voxels]
    return {
        "dice": dice,
        "lesion_f1": f1,
        "volume_difference_ml": abs(volumes_ml[1] - volumes_ml[0]),
        "lesion_count_difference": abs(counts[1] - counts[0]),
    }


def _matches(table: LesionTable, present: np.ndarray) -> int:
    """Count the matched lesions among the pairs (pair,) whose predicted lesion is present."""
    sizes = table.predicted_voxels[table.pairs[:, 0]] + table.reference_voxels[table.pairs[:, 1]]
    iou = table.shared_voxels / (sizes - table.shared_voxels)
    near = np.flatnonzero(present & (iou >= LEAST_IOU))
    taken: tuple[set[int], set[int]] = set(), set()
    for at in near[np.argsort(-iou[near], kind="stable")]:
        predicted, reference = map(int, table.pairs[at])
        if predicted not in taken[0] and reference not in taken[1]:
            taken[0].add(predicted)
            taken[1].add(reference)
    return len(taken[0])
