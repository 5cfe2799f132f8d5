"""The report's voxel-wise tables: overlap, false-positive volume, confusion."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from lab.evaluation.counts import Cohort, ScoredClass, ratio


def overlap_row(cohort: Cohort, scored: ScoredClass, absent: str) -> dict[str, Any]:
    """Return one class's row: macro (mean over cases) and micro (pooled), with denominators.

    `absent` is how Dice and IoU count a case where prediction and reference both lack the class:
    "excluded" or "one". Precision and recall stay undefined without prediction or reference.
    """
    counts = cohort.counts(scored)
    prediction, reference = counts.prediction > 0, counts.reference > 0
    both_lack = ~prediction & ~reference
    values = counts.overlaps()
    if absent == "one":
        values |= {metric: np.where(both_lack, 1.0, values[metric]) for metric in ("dice", "iou")}
    defined = {metric: column[~np.isnan(column)] for metric, column in values.items()}
    return asdict(scored) | {
        "macro": {m: float(v.mean()) if v.size else np.nan for m, v in defined.items()},
        "n": {metric: int(column.size) for metric, column in defined.items()},
        "micro": {m: float(v[0]) for m, v in counts.pooled().overlaps().items()},
        "n_absent_both": int(both_lack.sum()),
        "n_prediction_only": int((prediction & ~reference).sum()),
        "n_reference_only": int((reference & ~prediction).sum()),
    }


def mean_over(rows: list[dict[str, Any]], kind: str) -> dict[str, float]:
    """Return the plain mean of the macro numbers of all labels, or of all regions."""
    wanted = [row["macro"] for row in rows if row["kind"] == kind]
    metrics = dict.fromkeys(metric for row in rows for metric in row["macro"])
    columns = {m: np.array([macro[m] for macro in wanted]) for m in metrics}
    columns = {m: column[~np.isnan(column)] for m, column in columns.items()}
    return {m: float(column.mean()) if column.size else np.nan for m, column in columns.items()}


def false_positive_row(cohort: Cohort, scored: ScoredClass) -> dict[str, Any]:
    """Compare false-positive volume with reference volume, over all cases and case by case."""
    counts = cohort.counts(scored)
    fp_mm3 = counts.fp * cohort.voxel_volume_mm3
    reference_mm3 = counts.reference * cohort.voxel_volume_mm3
    each = ratio(fp_mm3, reference_mm3)
    each = each[~np.isnan(each)]
    return {
        "name": scored.name,
        "mean_fp_mm3": float(fp_mm3.mean()),
        "mean_reference_mm3": float(reference_mm3.mean()),
        "ratio": float(ratio(fp_mm3.mean(), reference_mm3.mean())),
        "n": len(cohort.ids),
        "median_case_ratio": float(np.median(each)) if each.size else np.nan,
        "n_with_reference": int(each.size),
    }


def confusion(cohort: Cohort, labels: Mapping[str, int]) -> dict[str, Any]:
    """Pool the matrices, and divide each row by the voxels of its reference label."""
    pooled = cohort.tables.sum(0)
    shares = ratio(pooled, np.broadcast_to(pooled.sum(1, keepdims=True), pooled.shape))
    return {
        "labels": ["background", *labels],
        "voxels": pooled.tolist(),
        "row_shares": shares.tolist(),
    }
