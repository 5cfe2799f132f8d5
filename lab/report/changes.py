"""What changed since other results, by the statistics of `python -m lab rank`: the same numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from challenge.challenges import in_reading_order
from lab.evaluation.case_groups import Grouping
from lab.evaluation.columns import ComparisonError, RequestedColumns
from lab.evaluation.comparison import Comparison, comparison_of
from lab.evaluation.counts import cohort_of
from lab.evaluation.pair import PairedDifference, Sampling
from lab.evaluation.paired import compare
from lab.evaluation.results import Results
from lab.evaluation.standings import default_rule, stand
from lab.metrics.metric_info import lower_is_better, metric_info, title, unit
from lab.report.answer import answer
from lab.report.groups import group_changes
from lab.report.headline import VOXEL_WISE, dice_beside, headline_metrics

MOVERS = 10
SAMPLING = Sampling()  # as `rank` does without options


@dataclass(frozen=True)
class Earlier:
    """Results to compare with, and what bears on the comparison."""

    name: str
    results: Results
    seeds: Mapping[Path, Results]  # of further seeds of the same method, by file


def changes(
    after: Results,
    before: Earlier,
    name: str,
    metric: str,
    absent: str = "excluded",
    groupings: Sequence[Grouping] = (),
) -> dict[str, Any]:
    """Pair two result files case by case; a difference is after minus before.

    `refusal` says why they cannot be compared; then there are no numbers.

    Args:
        after: results of the report.
        before: results that they are compared with.
        name: of the results of the report.
        metric: orders the cases that moved the most.
        absent: how voxel-wise Dice counts what both maps lack: excluded | one.
        groupings: of the cases of `after`; `groups` is what changed in each.
    """
    ids = [set(each.cases) for each in (after, before.results)]
    earlier = before.name if before.name != name else f"{name} (before)"
    facts: dict[str, Any] = {
        "before": earlier,
        "after": name,
        "n_shared": len(ids[0] & ids[1]),
        "only_after": sorted(ids[0] - ids[1]),
        "only_before": sorted(ids[1] - ids[0]),
        "scorers_known": "platform-csv" not in (before.results.scorer, after.scorer),
        "dice_kind": dice_beside(after)[1],
    }
    systems = {each: Path(each) for each in (earlier, name)}
    results = [before.results, after]
    try:
        ranked = comparison_of(systems, results, RequestedColumns())
        by_metric = rows(systems, results)
        by_voxels = voxel_wise_rows(systems, results, ranked.cases, absent)
        seeds = {systems[earlier]: before.results, **before.seeds} if before.seeds else {}
        return facts | {
            "refusal": None,
            "left_out": ranked.left_out,
            "overall": answer(ranked, paired(ranked), before.results, before.seeds),
            "groups": group_changes(ranked, groupings, tuple(after.cases), seeds, SAMPLING),
            "rows": by_metric,
            "regions": both_dices(by_metric, by_voxels, dice_beside(after)),
            **points_and_movers(after, before.results, ranked, metric),
        }
    except ComparisonError as error:
        return facts | {"refusal": str(error)}


def paired(comparison: Comparison) -> Any:
    """Compare the two systems of a comparison as `rank` does."""
    rule = default_rule(comparison.scorer)
    return compare(comparison, stand(comparison, rule), rule, SAMPLING)[0]


def rows(systems: Mapping[str, Path], results: list[Results]) -> list[dict[str, Any]]:
    """Return each headline metric of each region: means, difference, interval, p, who moved."""
    metrics = tuple(
        m
        for m in headline_metrics(results[1])
        if m in results[0].metrics and metric_info(m).better and not metric_info(m).of_cohort
    )
    if not metrics:
        return []
    comparison = comparison_of(systems, results, RequestedColumns(metrics=metrics))
    by_name = {row.what: row for row in paired(comparison).comparisons}
    columns = {(c.region, c.metric): by_name[str(c)] for c in comparison.columns}
    regions = [r for r in results[1].scored_regions if any(r == region for region, _ in columns)]
    keys = [(r, m) for m in metrics for r in regions if (r, m) in columns]
    return [row_of(region, metric, columns[region, metric]) for region, metric in keys]


def both_dices(
    by_metric: list[dict[str, Any]], by_voxels: list[dict[str, Any]], shown_dice: tuple[str, str]
) -> list[dict[str, Any]]:
    """Return the scorer's and the voxel-wise Dice of each region; a scorer's of voxels is both."""
    metric, kind = shown_dice
    scorer = {row["region"]: row for row in by_metric if row["metric"] == metric}
    voxel = {} if kind == VOXEL_WISE and scorer else {row["region"]: row for row in by_voxels}
    return [
        {"region": region, "scorer": scorer.get(region), "voxel": voxel.get(region)}
        for region in in_reading_order((*scorer, *voxel))
    ]


def row_of(region: str, metric: str, row: PairedDifference) -> dict[str, Any]:
    """Return one row of the page from one row of `rank`."""
    return {
        "region": region,
        "metric": metric,
        "title": title(metric),
        "unit": unit(metric),
        "n": row.n,
        "mean_before": row.first,
        "mean_after": row.second,
        "difference": {"value": row.difference, "low": row.low, "high": row.high, "n": row.n},
        "p": row.p,
        "n_better": row.n_better,
        "n_worse": row.n_worse,
        "n_equal": row.n - row.n_better - row.n_worse,
    }


def voxel_wise_rows(
    systems: Mapping[str, Path], results: list[Results], cases: tuple[str, ...], absent: str
) -> list[dict[str, Any]]:
    """Return the voxel-wise Dice of each class, compared in the same way; none without counts."""
    by_voxels = [voxel_wise(each, cases, absent) for each in results]
    if any(each is None for each in by_voxels):
        return []
    comparable = [each for each in by_voxels if each is not None]
    comparison = comparison_of(systems, comparable, RequestedColumns(metrics=("dice",)))
    by_name = {row.what: row for row in paired(comparison).comparisons}
    by_region = {c.region: row_of(c.region, c.metric, by_name[str(c)]) for c in comparison.columns}
    return [by_region[region] for region in comparable[1].scored_regions if region in by_region]


def voxel_wise(results: Results, cases: tuple[str, ...], absent: str) -> Results | None:
    """Return the voxel-wise Dice of some cases as results; None where not all have counts."""
    cohort = cohort_of(results)
    if cohort is None or not set(cases) <= set(cohort.ids):
        return None
    scores: dict[str, dict[str, dict[str, float]]] = {id: {} for id in cases}
    for scored in cohort.classes:
        for id, value in zip(cohort.ids, cohort.dice(scored, absent).tolist(), strict=True):
            if id in scores:
                scores[id][scored.name] = {"dice": value}
    return Results(VOXEL_WISE, scores)


def points_and_movers(
    after: Results, before: Results, comparison: Comparison, metric: str
) -> dict[str, Any]:
    """Return each case's values before and after by region, and the cases that moved the most."""
    metric = metric if metric in before.metrics else comparison.columns[0].metric
    regions = [r for r in after.scored_regions if r in before.scored_regions]
    points = {r: pairs(after, before, r, metric) for r in regions}
    return {"metric": metric, "points": points, **movers(points, metric)}


def pairs(after: Results, before: Results, region: str, metric: str) -> list[dict[str, Any]]:
    """Return the cases that have a value, maybe infinite, before and after."""
    rows = []
    for id in after.cases:
        sides = [r.cases.get(id, {}).get(region, {}).get(metric, np.nan) for r in (after, before)]
        if not np.isnan(sides).any():
            rows.append({"case": id, "before": sides[1], "after": sides[0]})
    return rows


def movers(points: Mapping[str, list[dict[str, Any]]], metric: str) -> dict[str, Any]:
    """List the mean difference over regions of every case, and who got better or worse the most."""
    differences: dict[str, dict[str, float]] = {}
    for region, of_region in points.items():
        for point in of_region:
            if math.isfinite(point["after"]) and math.isfinite(point["before"]):
                by_region = differences.setdefault(point["case"], {})
                by_region[region] = point["after"] - point["before"]
    moved: list[dict[str, Any]] = [
        {"case": id, "mean": float(np.mean(list(by_region.values()))), "regions": by_region}
        for id, by_region in differences.items()
    ]
    sign = -1 if lower_is_better(metric) else 1
    ordered = sorted(moved, key=lambda row: (-sign * row["mean"], row["case"]))
    worst = sorted(moved, key=lambda row: (sign * row["mean"], row["case"]))
    return {
        "better": [row for row in ordered if sign * row["mean"] > 0][:MOVERS],
        "worse": [row for row in worst if sign * row["mean"] < 0][:MOVERS],
        "mean_by_case": {row["case"]: row["mean"] for row in moved},
    }
