"""Scores as other evaluators write them in JSON: nnU-Net 2 and 1, and PANTHER's."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lab.evaluation.results import Results
from lab.metrics.metric_info import RMSE
from lab.metrics.panther import VOLUMES, volume_rmse_mm3

Reader = Callable[[Mapping[str, Any]], Results]

LABEL_ENDING = re.compile(r"\.(nii\.gz|nii|mha|nrrd)$")
_NNUNET = {"Dice": "dice", "IoU": "iou", "TP": "tp", "FP": "fp", "FN": "fn", "TN": "tn"}
_NNUNET1 = {"Dice": "dice", "Jaccard": "iou", "Precision": "precision", "Recall": "recall"}
_NNUNET1_FILES = ("test", "reference")
_NNUNET1_COUNTS = ("Total Positives Test", "Total Positives Reference")
BACKGROUND = "0"  # nnU-Net 1 scores it beside the labels
PANTHER = "panther-evaluate-local"
_PANTHER = {
    "volumetric_dice": "dice",
    "surface_dice": "surface_dice_5mm",
    "hausdorff95": "hd95",
    "masd": "masd",
    "pred_volume": VOLUMES[0],
    "gt_volume": VOLUMES[1],
}


def reader_of(content: Any) -> Reader | None:
    """Return what reads another evaluator's JSON; None where it is none of those known here."""
    if not isinstance(content, Mapping):
        return None
    if "metric_per_case" in content:
        return _from_nnunet
    if "all" in (content.get("results") or ()):
        return _from_nnunet1
    return _from_panther if "per_subject" in content else None


def _from_nnunet(content: Mapping[str, Any]) -> Results:
    cases = {
        _case_of(row["reference_file"]): {
            label: {_NNUNET.get(metric, metric): _number(v) for metric, v in scores.items()}
            for label, scores in row["metrics"].items()
        }
        for row in content["metric_per_case"]
    }
    return Results("nnunet", cases, absent="excluded")


def _from_nnunet1(content: Mapping[str, Any]) -> Results:
    """Read the summary.json of nnU-Net 1, whose Dice is that of nnU-Net 2."""
    cases = {
        _case_of(row["reference"]): {
            label: _nnunet1_scores(scores)
            for label, scores in row.items()
            if label not in (*_NNUNET1_FILES, BACKGROUND)
        }
        for row in content["results"]["all"]
    }
    return Results("nnunet", cases, absent="excluded")


def _nnunet1_scores(scores: Mapping[str, Any]) -> dict[str, float]:
    """Return scores by their names here, and the voxel counts that follow from Dice and sizes."""
    predicted, reference = (float(scores[name]) for name in _NNUNET1_COUNTS)
    dice = _number(scores["Dice"])
    both = 0.0 if math.isnan(dice) else round(dice * (predicted + reference) / 2)
    counts = {"tp": both, "fp": predicted - both, "fn": reference - both}
    return {ours: _number(scores[name]) for name, ours in _NNUNET1.items()} | counts


def _from_panther(content: Mapping[str, Any]) -> Results:
    """Read PANTHER's evaluate_local.py, whose file does not say which axis order it took."""
    cases = {
        str(row["subject"]): {"tumour": {ours: _number(row[n]) for n, ours in _PANTHER.items()}}
        for row in content["per_subject"]
    }
    pairs = np.array([[case["tumour"][name] for name in VOLUMES] for case in cases.values()])
    rmse = volume_rmse_mm3(*pairs.reshape(-1, 2).T) if cases else math.nan
    extra = {"tumour": {RMSE: {"value": rmse, "n": len(cases)}}}
    return Results(PANTHER, cases, extra=extra, dice_kind="voxel-wise")


def _case_of(path: Any) -> str:
    return LABEL_ENDING.sub("", re.split(r"[\\/]", str(path))[-1])


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
