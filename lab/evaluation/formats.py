"""Other people's layouts of scores: the platforms' CSV and nnU-Net's summary.json."""

import csv
import io
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from challenge.refusal import Refusal
from lab.evaluation.results import Facts, Results, results_from, summarise, to_json
from lab.metrics.csv_layouts import SUMMARY_ROWS, Layout
from lab.metrics.metric_info import METRICS
from lab.metrics.scorers import SCORERS

READ_ERRORS = (
    *(OSError, KeyError, TypeError, AttributeError, IndexError),
    *(ValueError, csv.Error, RecursionError),
)
LABEL_ENDING = re.compile(r"\.(nii\.gz|nii|mha)$")


def read_results(path: Path, summary_rows: bool = False) -> Results:
    """Read scores from Podium's JSON, nnU-Net's summary.json, or a platform's CSV.

    With `summary_rows` the mean, std and quantile rows of a CSV are kept as if they were cases,
    which is how some published rankings came about.

    Raises:
        Refusal: the file is none of these, or holds no case; the message names it.
    """
    try:
        # Names of cases are names of files, which may be no text.
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        if path.suffix.lower() == ".csv":
            results = _from_csv(list(csv.reader(io.StringIO(text, newline=""))), summary_rows)
        else:
            content = json.loads(text)
            results = (_from_nnunet if "metric_per_case" in content else results_from)(content)
    except READ_ERRORS as error:
        raise Refusal(f"{path}: not a result file ({error!r})") from error
    if not results.cases:
        raise Refusal(f"{path}: no case in it")
    return results


def write_csv(results: Results, path: Path, layout: Layout) -> None:
    """Write a platform's table: one row a case, then summary rows; empty cells for NaN."""
    regions = sorted(results.scored_regions)
    metrics = [metric for metric in layout.metrics or results.metrics if metric in results.metrics]
    keys = [(region, metric) for region in regions for metric in metrics]
    if not layout.by_region:
        keys = [(region, metric) for metric in metrics for region in regions]
    present = {(r, m) for case in results.cases.values() for r, row in case.items() for m in row}
    keys = [key for key in keys if key in present]
    columns = [_finite(results.column(*key), layout) for key in keys]
    summaries = [summarise(column) for column in columns]
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow([layout.index, *(_column_name(*key, layout) for key in keys)])
        for i, id in enumerate(results.cases):
            writer.writerow([id, *(_cell(column[i]) for column in columns)])
        for row in layout.rows:
            writer.writerow([row, *(_cell(summary[row]) for summary in summaries)])


def _column_name(region: str, metric: str, layout: Layout) -> str:
    return f"{layout.column(metric)}_{region.lower() if layout.lower_case else region}"


def _finite(column: np.ndarray, layout: Layout) -> np.ndarray:
    return np.where(np.isposinf(column), layout.infinite, column)


def write_nnunet(results: Results, path: Path) -> None:
    """Write nnU-Net's summary.json (2.8): voxel counts and overlaps a label, means over cases.

    Keys are label values as text, as `nnUNetv2_evaluate_folder` writes them; Dice and IoU are null
    where prediction and reference both lack the label, and left out of the means.
    """
    values = list(results.labels.values())
    per_case = [
        {
            "metrics": {str(value): _nnunet_counts(facts, i) for i, value in enumerate(values, 1)},
            "prediction_file": facts.prediction,
            "reference_file": facts.reference,
        }
        for facts in results.facts.values()
        if facts.prediction is not None
    ]
    mean = {
        str(v): {
            metric: float(_mean([case["metrics"][str(v)][metric] for case in per_case]))  # type: ignore[index]
            for metric in ("Dice", "IoU", "FP", "TP", "FN", "TN", "n_pred", "n_ref")
        }
        for v in values
    }
    keys = next(iter(mean.values()), {})
    foreground = {key: _mean([row[key] for row in mean.values()]) for key in keys}
    content = {"metric_per_case": per_case, "mean": mean, "foreground_mean": foreground}
    path.write_text(to_json(content) + "\n", encoding="utf-8")


def _nnunet_counts(facts: Facts, label: int) -> dict[str, float]:
    table = facts.confusion
    tp = int(table[label, label])
    reference, prediction = int(table[label].sum()), int(table[:, label].sum())
    fp, fn = prediction - tp, reference - tp
    any_of_both = tp + fp + fn
    return {
        "Dice": 2 * tp / (reference + prediction) if any_of_both else math.nan,
        "IoU": tp / any_of_both if any_of_both else math.nan,
        "FP": fp,
        "TP": tp,
        "FN": fn,
        "TN": int(table.sum()) - any_of_both,
        "n_pred": prediction,
        "n_ref": reference,
    }


def _from_nnunet(content: Mapping[str, Any]) -> Results:
    cases = {}
    for row in content["metric_per_case"]:
        id = LABEL_ENDING.sub("", re.split(r"[\\/]", str(row["reference_file"]))[-1])
        cases[id] = {
            label: {
                _NNUNET_METRICS.get(metric, metric): math.nan if value is None else float(value)
                for metric, value in scores.items()
            }
            for label, scores in row["metrics"].items()
        }
    return Results("nnunet", cases, absent="excluded")


_NNUNET_METRICS = {"Dice": "dice", "IoU": "iou", "TP": "tp", "FP": "fp", "FN": "fn", "TN": "tn"}


def _from_csv(rows: list[list[str]], summary_rows: bool) -> Results:
    """Read a platform's table; columns that are not `<Metric>_<Region>` are left out."""
    keys = {i: key for i, name in enumerate(rows[0]) if i and (key := _key_of_column(name))}
    if not keys:
        raise Refusal(f"no column named <Metric>_<Region> in {rows[0]}")
    cases: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows[1:]:
        if not row or (row[0] in SUMMARY_ROWS and not summary_rows):
            continue
        if row[0] in cases:
            raise Refusal(f"two rows for {row[0]}")
        regions = cases.setdefault(row[0], {})
        for i, (region, metric) in keys.items():
            regions.setdefault(region, {})[metric] = float(row[i]) if row[i] else math.nan
    dice = {rows[0][i].lower() for i, (_, metric) in keys.items() if metric == "dice"}
    is_lesionwise = bool(dice) and all(name.startswith("lesionwise") for name in dice)
    return Results("platform-csv", cases, dice_kind="lesion-wise" if is_lesionwise else "")


def _key_of_column(column: str) -> tuple[str, str] | None:
    """Return the region and the metric of a column, by the tables of all scorers."""
    stem, _, region = column.rpartition("_")
    for layout in dict.fromkeys(scorer.layout for scorer in SCORERS.values()):
        for metric in layout.metrics or METRICS:
            if layout.column(metric) == stem:
                return (region.upper() if layout.lower_case else region), metric
    return (region, stem) if stem else None


def _cell(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


def _mean(values: list[float]) -> float:
    numbers = np.array(values, float)
    numbers = numbers[~np.isnan(numbers)]
    return float(numbers.mean()) if numbers.size else math.nan
