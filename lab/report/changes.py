"""Before and after: paired differences of two result files."""

from dataclasses import asdict
from typing import Any

import numpy as np

from lab.evaluation.results import Results
from lab.metrics.metric_info import lower_is_better, title, unit
from lab.report.headline import headline_metrics
from lab.statistics import mean_estimate

MOVERS = 10


def changes(after: Results, before: Results, name: str, metric: str) -> dict[str, Any]:
    """Pair two result files case by case; a difference is after minus before."""
    shared = [id for id in after.cases if id in before.cases]
    wanted = [m for m in headline_metrics(after) if m in before.metrics]
    metric = metric if metric in before.metrics else (wanted or [metric])[0]
    regions = [r for r in after.scored_regions if r in before.scored_regions]
    rows = [pair_row(after, before, region, m) for m in wanted for region in regions]
    return {
        "before": name,
        "scorer_before": before.scorer,
        "same_scorer": before.scorer == after.scorer,
        "scorers_told": "platform-csv" not in (before.scorer, after.scorer),
        "metric": metric,
        "n_shared": len(shared),
        "only_after": sorted(set(after.cases) - set(before.cases)),
        "only_before": sorted(set(before.cases) - set(after.cases)),
        "rows": [row for row in rows if row["n"]],
        "points": {r: pairs(after, before, r, metric) for r in regions},
        **movers(after, before, regions, metric),
    }


def pairs(after: Results, before: Results, region: str, metric: str) -> list[dict[str, Any]]:
    """Return the cases that have a value, maybe infinite, before and after."""
    rows = []
    for id in after.cases:
        sides = [r.cases.get(id, {}).get(region, {}).get(metric, np.nan) for r in (after, before)]
        if not np.isnan(sides).any():
            rows.append({"case": id, "before": sides[1], "after": sides[0]})
    return rows


def pair_row(after: Results, before: Results, region: str, metric: str) -> dict[str, Any]:
    """Return means, mean difference with its interval, and how many cases moved which way.

    Means are over the pairs with finite values; a case that gains or loses an infinite value is
    counted as better or worse all the same.
    """
    both = [(pair["before"], pair["after"]) for pair in pairs(after, before, region, metric)]
    columns = np.array(both, float).reshape(-1, 2)
    finite = columns[np.isfinite(columns).all(1)]
    sign = -1 if lower_is_better(metric) else 1
    means = finite.mean(0).tolist() if finite.size else [np.nan, np.nan]
    return {
        "region": region,
        "metric": metric,
        "title": title(metric),
        "unit": unit(metric),
        "n": len(both),
        "n_infinite": len(both) - len(finite),
        "mean_before": means[0],
        "mean_after": means[1],
        "difference": asdict(mean_estimate(finite[:, 1] - finite[:, 0])),
        "n_better": int((sign * columns[:, 1] > sign * columns[:, 0]).sum()),
        "n_worse": int((sign * columns[:, 1] < sign * columns[:, 0]).sum()),
        "n_equal": int((columns[:, 1] == columns[:, 0]).sum()),
    }


def movers(after: Results, before: Results, regions: list[str], metric: str) -> dict[str, Any]:
    """List the cases that got better or worse the most, by their mean difference over regions."""
    differences: dict[str, dict[str, float]] = {}
    for region in regions:
        for pair in pairs(after, before, region, metric):
            if np.isfinite([pair["after"], pair["before"]]).all():
                differences.setdefault(pair["case"], {})[region] = pair["after"] - pair["before"]
    rows: list[dict[str, Any]] = [
        {"case": id, "mean": float(np.mean(list(by_region.values()))), "regions": by_region}
        for id, by_region in differences.items()
    ]
    sign = -1 if lower_is_better(metric) else 1
    ordered = sorted(rows, key=lambda row: (-sign * row["mean"], row["case"]))
    worst = sorted(rows, key=lambda row: (sign * row["mean"], row["case"]))
    return {
        "better": [row for row in ordered if sign * row["mean"] > 0][:MOVERS],
        "worse": [row for row in worst if sign * row["mean"] < 0][:MOVERS],
    }
