"""The worst and the best cases, by a declared key and a declared tie rule."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lab.evaluation.counts import Cohort
from lab.evaluation.results import Results
from lab.metrics.metric_info import lower_is_better


def extremes(results: Results, cohort: Cohort | None, metric: str, count: int) -> dict[str, Any]:
    """List the `count` worst and best cases; ties go by case id.

    The key is the mean of the scorer's `metric` over the regions that prediction or reference
    holds; a scorer that gives an absent region 1 thus cannot lift a failed case. With no more than
    `count` cases there is one list, worst first, and no best one. `cases` are all of them, the
    worst first, those without any score last.
    """
    absent = absences(results, cohort)
    rows = [case_row(id, results, absent[id], metric) for id in results.cases]
    ranked = [row for row in rows if not np.isnan(row["key"])]
    sign = -1 if lower_is_better(metric) else 1
    worst = sorted(ranked, key=lambda row: (sign * row["key"], row["case"]))
    best = sorted(ranked, key=lambda row: (-sign * row["key"], row["case"]))
    single = len(ranked) <= count
    _add_voxel_dice(rows, cohort)
    return {
        "metric": metric,
        "count": count,
        "single_list": single,
        "overlap": not single and len(ranked) < 2 * count,
        "cases": [*worst, *(row for row in rows if np.isnan(row["key"]))],
        "worst": worst if single else worst[:count],
        "best": [] if single else best[:count],
        "not_ranked": sorted(row["case"] for row in rows if np.isnan(row["key"])),
    }


def absences(results: Results, cohort: Cohort | None) -> dict[str, set[str]]:
    """Return for every case the scored regions that prediction and reference both lack."""
    absent: dict[str, set[str]] = {id: set() for id in results.cases}
    for scored in cohort.classes if cohort else ():
        for id, present in cohort.presence(scored).items() if cohort else ():
            if not present and id in absent:
                absent[id].add(scored.name)
    return absent


def case_row(id: str, results: Results, absent: set[str], metric: str) -> dict[str, Any]:
    """Return one case's key and scores; a region absent from both has None."""
    scores: dict[str, float | None] = {
        region: None if region in absent else results.cases[id].get(region, {}).get(metric, np.nan)
        for region in results.scored_regions
    }
    numbers = [value for value in scores.values() if value is not None and not np.isnan(value)]
    return {"case": id, "key": float(np.mean(numbers)) if numbers else np.nan, "scores": scores}


def _add_voxel_dice(rows: list[dict[str, Any]], cohort: Cohort | None) -> None:
    by_case: dict[str, dict[str, float]] = {}
    for scored in cohort.classes if cohort else ():
        dice = cohort.counts(scored).overlaps()["dice"] if cohort else ()
        for id, value in zip(cohort.ids if cohort else (), dice, strict=True):
            by_case.setdefault(id, {})[scored.name] = float(value)
    for row in rows:
        dice_by_class: Mapping[str, float] = by_case.get(row["case"], {})
        row["voxel_dice"] = {k: None if np.isnan(v) else v for k, v in dice_by_class.items()}
