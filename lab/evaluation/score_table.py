"""Scores of a cohort as a table in the terminal."""

from collections import Counter

import numpy as np

from lab.evaluation.detection import detect, detection_lines
from lab.evaluation.results import Results, summarise
from lab.metrics.metric_info import METRICS
from lab.metrics.scorers import ranked_by

MOST_CASES_SHOWN = 60


def table(results: Results) -> str:
    """Lay out each case's Dice by region, every metric's mean, and who was hit or missed."""
    regions, metric = results.scored_regions, key_metric(results)
    columns = {region: results.column(region, metric) for region in regions}
    width = max(8, *map(len, list(results.cases)[:MOST_CASES_SHOWN]))
    lines = [f"{results.scorer}, {results.scheme}: {results.absent}"]
    if official := ranked_by(results.scorer):
        lines.append(f"its organisers rank by {', '.join(official)}")
    if results.cohorts:
        counts = sorted(Counter(results.cohorts.values()).items())
        lines.append("cases by cohort: " + ", ".join(f"{name} {n}" for name, n in counts))
    lines.append("")
    lines.append(f"{metric:<{width}}" + "".join(f"{region:>9}" for region in regions))
    for i, id in enumerate(results.cases):
        if i == MOST_CASES_SHOWN:
            lines.append(f"... {len(results.cases) - i} more cases")
            break
        row = "".join(f"{_cell(columns[region][i], 3):>9}" for region in regions)
        lines.append(f"{id:<{width}}{row}")
    lines += ["", *_means(results)]
    if detections := detection_lines(detect(results)):
        lines += ["", *detections]
    return "\n".join(lines)


def key_metric(results: Results) -> str:
    """Return the metric that is shown case by case: Dice, else the first ranked, else the first."""
    present = results.metrics
    return next(m for m in ("dice", *ranked_by(results.scorer), *present) if m in present)


def _means(results: Results) -> list[str]:
    decimals = {name: row.decimals for name, row in METRICS.items() if row.decimals is not None}
    metrics = [metric for metric in decimals if metric in results.metrics]
    names = {metric: metric.replace("surface_", "s") for metric in metrics}
    widths = {metric: max(11, len(names[metric]) + 2) for metric in metrics}
    lines = [f"{'mean':<8}{'n':>5}" + "".join(f"{names[m]:>{widths[m]}}" for m in metrics)]
    for region in results.scored_regions:
        n = summarise(results.column(region, key_metric(results)))["n"]
        cells = "".join(
            f"{_cell(summarise(results.column(region, m))['mean'], decimals[m]):>{widths[m]}}"
            for m in metrics
        )
        lines.append(f"{region:<8}{n:>5}{cells}")
    for region, numbers in results.extra.items():
        for name, row in numbers.items():
            lines.append(f"{region:<8}{row['n']:>5}  {name} {row['value']:.1f}")
    return lines


def _cell(value: float, digits: int) -> str:
    return "-" if np.isnan(value) else f"{value:.{digits}f}"
