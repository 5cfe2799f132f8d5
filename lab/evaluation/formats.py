"""Files of scores, of any layout: which reader takes one, and the layouts that are written."""

import csv
import json
import math
from pathlib import Path

import numpy as np

from challenge.refusal import Refusal
from lab.evaluation.other_summaries import reader_of
from lab.evaluation.results import Facts, Results, results_from, summarise, to_json
from lab.evaluation.score_csv import ENDINGS, read_table
from lab.metrics.csv_layouts import Layout

READ_ERRORS = (
    *(OSError, KeyError, TypeError, AttributeError, IndexError),
    *(ValueError, csv.Error, RecursionError),
)
READ = (
    "read are `lab evaluate`'s JSON, nnU-Net's summary.json, the JSON of PANTHER's "
    "evaluate_local.py, and tables (.csv, .tsv) with a row a case and columns <Metric>_<Region>"
)


def read_results(path: Path, summary_rows: bool = False) -> Results:
    """Read scores from Podium's JSON, another evaluator's JSON, or a table.

    With `summary_rows` the mean, std and quantile rows of a table are kept as if they were cases,
    which is how some published rankings came about.

    Raises:
        Refusal: the file is none of these, or holds no case; the message names it.
    """
    try:
        # Names of cases are names of files, which may be no text.
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
        if path.suffix.lower() in ENDINGS:
            results = read_table(text, summary_rows)
        else:
            content = json.loads(text)
            results = (reader_of(content) or results_from)(content)
    except READ_ERRORS as error:
        reason = error if isinstance(error, Refusal) else repr(error)
        raise Refusal(f"{path}: not a result file ({reason}); {READ}") from error
    if not results.cases:
        raise Refusal(f"{path}: no case in it")
    return results


def remarks_on(path: Path, results: Results) -> tuple[str, ...]:
    """Say what of a table was not read, and which scores are another scorer's penalties."""
    said = {
        "columns without scores, not read": results.not_read,
        "cases that its scorer could not read, with the scores it gave them": results.penalised,
    }
    return tuple(f"{path}: {what}: {', '.join(names)}" for what, names in said.items() if names)


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


def _cell(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


def _mean(values: list[float]) -> float:
    numbers = np.array(values, float)
    numbers = numbers[~np.isnan(numbers)]
    return float(numbers.mean()) if numbers.size else math.nan
