"""Voxel overlap of a prediction and a reference, label by label and region by region."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from challenge.box import bounding_box, joint_box
from challenge.scheme import Scheme
from lab.metrics.pair import Pair

AbsentRule = Literal["excluded", "one"]  # Dice and IoU of a label that neither map holds


def dice(prediction: np.ndarray, reference: np.ndarray) -> float:
    """Return 2 TP / (2 TP + FP + FN) of two bool masks; NaN where both are empty."""
    total = int(prediction.sum()) + int(reference.sum())
    return 2 * int((prediction & reference).sum()) / total if total else float("nan")


def score(
    pair: Pair, scheme: Scheme, absent: AbsentRule = "excluded"
) -> dict[str, dict[str, float]]:
    """Return overlaps and volumes of every label and region of a scheme.

    Precision is NaN without a prediction and recall NaN without a reference, whatever the rule.
    """
    table = confusion(pair, list(scheme.labels.values()))
    return {
        name: overlap(table, rows, pair.voxel_volume_mm3, absent)
        for name, rows in label_rows(scheme.labels, scheme.regions).items()
    }


def label_rows(
    labels: Mapping[str, int], regions: Mapping[str, tuple[str, ...]]
) -> dict[str, list[int]]:
    """Return which rows of a confusion matrix make up each region, then each label."""
    index = {name: row for row, name in enumerate(labels, 1)}
    rows = {region: [index[name] for name in names] for region, names in regions.items()}
    return rows | {name: [row] for name, row in index.items() if name not in rows}


def confusion(pair: Pair, values: list[int]) -> np.ndarray:
    """Count voxels by (reference, prediction): background first, then `values` in their order.

    Every other value counts as background.
    """
    n = len(values) + 1
    box = joint_box(bounding_box(pair.prediction), bounding_box(pair.reference))
    if box is None:
        box = (slice(0, 0),) * pair.prediction.ndim
    codes = _rows(pair.reference[box], values) * np.uint8(n) + _rows(pair.prediction[box], values)
    counts: np.ndarray = np.bincount(codes.ravel(), minlength=n * n).reshape(n, n)
    counts[0, 0] += pair.prediction.size - codes.size
    return counts


def overlap(
    table: np.ndarray, rows: list[int], voxel_volume_mm3: float, absent: AbsentRule
) -> dict[str, float]:
    """Return the voxel scores of the labels in `rows`, taken together, of a confusion matrix."""
    tp = int(table[np.ix_(rows, rows)].sum())
    fn, fp = int(table[rows].sum()) - tp, int(table[:, rows].sum()) - tp
    union = tp + fp + fn
    nothing = 1.0 if absent == "one" else float("nan")
    return {
        "dice": 2 * tp / (2 * tp + fp + fn) if union else nothing,
        "iou": tp / union if union else nothing,
        "precision": tp / (tp + fp) if tp + fp else float("nan"),
        "recall": tp / (tp + fn) if tp + fn else float("nan"),
        "tp_mm3": tp * voxel_volume_mm3,
        "fp_mm3": fp * voxel_volume_mm3,
        "fn_mm3": fn * voxel_volume_mm3,
    }


def _rows(labels: np.ndarray, values: list[int]) -> np.ndarray:
    """Return the confusion matrix's row of each voxel, uint8."""
    if labels.dtype == np.uint8:
        table = np.zeros(256, np.uint8)
        table[values] = np.arange(1, len(values) + 1)
        return table[labels]
    rows = np.zeros(labels.shape, np.uint8)
    for row, value in enumerate(values, 1):
        rows[labels == value] = row
    return rows
