"""The numbers of result files as one array, and which of them are scores of something."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lab.evaluation.columns import Column
from lab.evaluation.common_support import defined_scores
from lab.evaluation.results import Results
from lab.metrics.metric_info import metric_info
from lab.metrics.voxel import label_rows

LESION_COUNTS = ("num_tp", "num_fp", "num_fn")
MEASURES = ("count", "volume", "volume_ml")  # kinds of metrics
VOXEL_COUNTS = ("tp", "fp", "fn")  # of nnU-Net's summary.json


@dataclass(frozen=True)
class Cells:
    """Numbers (case, column, system), NaN where a case lacks one."""

    values: np.ndarray
    both_absent: np.ndarray  # NaN since neither map holds the region; by voxel counts
    # A measured score: not NaN, and no value that a convention gives where there is nothing to
    # score, which voxel or lesion counts tell. Without either every number counts as measured.
    defined: np.ndarray
    counted: bool  # every file has voxel or lesion counts of every case


def gather(results: Sequence[Results], rows: Sequence[str], columns: Sequence[Column]) -> Cells:
    """Gather some rows of every system's results."""
    shape = (len(rows), len(columns), len(results))
    values = gather_values(results, rows, columns)
    absent, nothing = np.zeros(shape, bool), np.zeros(shape, bool)
    for system, result in enumerate(results):
        regions = label_rows(result.labels, result.regions)
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                scores = result.cases[row].get(column.region, {})
                absent[i, j, system] = _is_absent(result, row, scores, regions.get(column.region))
                nothing[i, j, system] = _is_by_convention(scores, column)
    # A count or a volume of nothing is 0, and measured.
    measures = np.array([metric_info(column.metric).kind in MEASURES for column in columns])
    absent_scores = (absent | nothing) & ~measures[:, None]
    counted = all(_is_counted(result, row) for result in results for row in rows)
    defined = defined_scores(values, absent_scores)
    return Cells(values, absent & np.isnan(values), defined, counted)


def gather_values(
    results: Iterable[Results], rows: Iterable[str], columns: Sequence[Column]
) -> np.ndarray:
    """Return values (row, column, system), NaN where a row lacks one."""
    results = tuple(results)
    values = [
        [[r.cases[row].get(c.region, {}).get(c.metric, math.nan) for r in results] for c in columns]
        for row in rows
    ]
    return np.array(values, float).reshape(len(values), len(columns), len(results))


def volume_errors(
    results: Sequence[Results], rows: Sequence[str], regions: Sequence[str]
) -> np.ndarray:
    """Return predicted minus reference volume in mm3 (row, region, system), NaN where unknown."""
    predicted, reference = (
        gather_values(results, rows, [Column(region, name) for region in regions])
        for name in ("volume_prediction_mm3", "volume_reference_mm3")
    )
    return predicted - reference


def _is_counted(results: Results, case: str) -> bool:
    if case in results.facts:
        return True
    names = VOXEL_COUNTS if results.scorer == "nnunet" else LESION_COUNTS
    return all(name in scores for scores in results.cases[case].values() for name in names)


def _is_absent(
    results: Results, case: str, scores: Mapping[str, float], rows: list[int] | None
) -> bool:
    """Tell from voxel counts whether neither map holds a region."""
    if results.scorer == "nnunet":
        return all(scores.get(name) == 0 for name in VOXEL_COUNTS)
    if rows is None or case not in results.facts:
        return False
    table = results.facts[case].confusion
    return not table[rows].any() and not table[:, rows].any()


def _is_by_convention(scores: Mapping[str, float], column: Column) -> bool:
    """Tell from lesion counts whether a perfect value is of no lesion at all.

    Lesions below a scorer's limit are none to it, though the maps hold them.
    """
    if any(scores.get(name) != 0 for name in LESION_COUNTS):
        return False
    return scores.get(column.metric) == metric_info(column.metric).best
