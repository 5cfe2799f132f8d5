"""What metrics are called, which of them head a report, and the scorer's own summary."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from challenge.challenges import in_reading_order
from challenge.refusal import Refusal
from lab.evaluation.counts import Cohort
from lab.evaluation.results import Results, summarise
from lab.metrics.metric_info import HEADLINE_WORDS, RMSE, metric_info, title, unit, words
from lab.metrics.scorers import dice_kind, ranked_by
from lab.statistics import Estimate, mean_estimate, root_mean_square_estimate

YEAR = re.compile(r"20\d\d")
VOXEL_WISE = "voxel-wise"
# Scorers that had one year only and do not say it in their name.
YEARS = {"panther": "2025"}


def headline_metrics(results: Results) -> list[str]:
    """Return the metrics that stand on the cover.

    First what the scorer's organisers rank by; then those that are headline metrics by name; else
    those with one in their name; else all.
    """
    ranked = [m for m in ranked_by(results.scorer) if m in results.metrics]
    headline = list(
        dict.fromkeys([*ranked, *(m for m in results.metrics if metric_info(m).headline)])
    )
    similar = [m for m in results.metrics if words(m) & HEADLINE_WORDS and "std" not in words(m)]
    return headline or similar or list(results.metrics)


def key_metric(results: Results, wanted: str | None = None) -> str:
    """Return the metric that orders cases: the wanted one, else the first ranked that is a Dice.

    Raises:
        Refusal: no case has the wanted metric.
    """
    if wanted is not None and wanted not in results.metrics:
        raise Refusal(f"no metric {wanted!r} in the results, only {list(results.metrics)}")
    dices = [m for m in headline_metrics(results) if words(m) & {"dice", "dsc"}]
    ranked = [m for m in dices if m in ranked_by(results.scorer)]
    return wanted or [*ranked, *(["dice"] if "dice" in dices else dices), *results.metrics][0]


def scorer_year(scorer: str) -> str:
    """Return the year in a scorer's name, or the one it is known to be of; else nothing."""
    match = YEAR.search(scorer)
    return match[0] if match else YEARS.get(scorer.lower().split("-")[0], "")


def headline(results: Results) -> list[dict[str, Any]]:
    """Return the mean and interval of every headline metric of every region."""
    rows = []
    for region in results.scored_regions:
        for metric in headline_metrics(results):
            column = results.column(region, metric)
            estimate = mean_estimate(column)
            if estimate.n:
                infinite = int(np.isinf(column).sum())
                rows.append(_row(region, metric, estimate) | {"n_infinite": infinite})
    return rows


def region_dices(results: Results, cohort: Cohort | None, absent: str) -> list[dict[str, Any]]:
    """Return the scorer's and the voxel-wise Dice of each region and label, None where it lacks.

    Where the scorer's Dice is voxel-wise itself it stands alone.
    """
    metric, kind = dice_beside(results)
    rows = {row["region"]: row for row in headline(results) if row["metric"] == metric}
    voxel: dict[str, dict[str, Any]] = {}
    for scored in cohort.classes if cohort and not (rows and kind == VOXEL_WISE) else ():
        dice = cohort.dice(scored, absent) if cohort else np.array([])
        voxel[scored.name] = _row(scored.name, "dice", mean_estimate(dice)) | {"n_infinite": 0}
    return [
        {"region": region, "scorer": rows.get(region), "voxel": voxel.get(region)}
        for region in in_reading_order((*rows, *voxel))
    ]


def dice_beside(results: Results) -> tuple[str, str]:
    """Return the Dice to show beside the voxel-wise one, and its kind; a lesion-wise one first."""
    dices = [m for m in headline_metrics(results) if words(m) & {"dice", "dsc"}]
    kinds = {metric: kind_of(results, metric) for metric in dices}
    lesionwise = (metric for metric, kind in kinds.items() if kind == "lesion-wise")
    metric = next(lesionwise, dices[0] if dices else "")
    return metric, kinds.get(metric, "")


def kind_of(results: Results, metric: str) -> str:
    """Say what a Dice is over, by the columns of a CSV or by the scorer; "" for other metrics."""
    if not words(metric) & {"dice", "dsc"}:
        return ""
    return (results.dice_kind if metric == "dice" else "") or dice_kind(results.scorer, metric)


def extra_headline(results: Results, cohort: Cohort | None) -> list[dict[str, Any]]:
    """Return the scorer's summary numbers that are no mean, such as PANTHER's volume RMSE."""
    rows = []
    for region, numbers in results.extra.items():
        for metric, value in numbers.items():
            number = value if isinstance(value, dict) else {"value": value}
            if isinstance(number.get("value"), int | float):
                estimate = _extra_estimate(cohort, region, metric, number)
                rows.append(_row(region, metric, estimate) | {"n_infinite": 0})
    return rows


def _row(region: str, metric: str, estimate: Estimate) -> dict[str, Any]:
    names = {"region": region, "metric": metric, "title": title(metric), "unit": unit(metric)}
    return names | asdict(estimate)


def _extra_estimate(
    cohort: Cohort | None, region: str, metric: str, number: Mapping[str, Any]
) -> Estimate:
    """Give a volume RMSE an interval where the voxel counts lead to the same number."""
    value = float(number["value"])
    unknown = Estimate(value, np.nan, np.nan, int(number.get("n", 0)))
    classes = [c for c in cohort.classes if c.name == region] if cohort else []
    if cohort is None or not classes or metric != RMSE:
        return unknown
    counts = cohort.counts(classes[0])
    difference_mm3 = (counts.prediction - counts.reference) * cohort.voxel_volume_mm3
    estimate = root_mean_square_estimate(difference_mm3)
    return estimate if np.isclose(estimate.value, value, rtol=1e-6) else unknown


def distributions(results: Results) -> list[dict[str, Any]]:
    """Summarise every metric of every region over the cases: mean, spread, quartiles, n."""
    rows = []
    for metric in results.metrics:
        for region in results.scored_regions:
            column = results.column(region, metric)
            numbers = summarise(column)
            if numbers["n"]:
                names = {"region": region, "metric": metric, "title": title(metric)}
                infinite = int(np.isinf(column).sum())
                rows.append(names | {"unit": unit(metric)} | numbers | {"n_infinite": infinite})
    return rows
