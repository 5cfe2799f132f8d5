"""A report's figures: distributions, Dice over volume, detection, before and after."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from lab.drawing.style import ACCENT, PALE_ACCENT, PAPER, QUIET, RULE, SMALL
from lab.drawing.svg import grid
from lab.evaluation.results import Results
from lab.metrics.metric_info import title, unit
from lab.report.headline import headline_metrics

UNITS = {"mm": "mm", "mm3": "mm³", "mL": "mL", "count": "", "": ""}
COLUMNS = 3
SCORE_TICKS = (0, 0.25, 0.5, 0.75, 1)
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def box_plots(results: Results) -> str:
    """Draw the distribution of every headline metric, a box and the cases a region."""
    metrics, regions = headline_metrics(results), results.scored_regions

    def draw(ax: Axes, metric: str) -> None:
        columns = [results.column(region, metric) for region in regions]
        columns = [column[np.isfinite(column)] for column in columns]
        boxes = ax.boxplot(columns, widths=0.5, showfliers=False, patch_artist=True)
        for part in ("boxes", "whiskers", "caps", "medians"):
            for line in boxes[part]:
                line.set(color=ACCENT if part == "medians" else QUIET, linewidth=0.9)
        for box, median in zip(boxes["boxes"], boxes["medians"], strict=True):
            box.set_facecolor(PALE_ACCENT)
            median.set_linewidth(2)
        rng = np.random.default_rng(0)
        for i, column in enumerate(columns, 1):
            x = i + rng.uniform(-0.17, 0.17, column.size)
            ax.plot(x, column, ".", color=ACCENT, markersize=4, alpha=0.55, markeredgewidth=0)
        names = [f"{r}\nn={c.size}" for r, c in zip(regions, columns, strict=True)]
        ax.set_xticks(range(1, len(regions) + 1), names)
        ax.set_ylabel(" ".join(filter(None, (title(metric), UNITS[unit(metric)]))))
        _score_limits(ax, metric)

    return grid(metrics, draw, "box", 2 if len(metrics) > 1 else 1, 2.6)


def volume_plots(rows: list[dict[str, Any]], colours: Mapping[str, str]) -> str:
    """Scatter voxel-wise Dice over reference volume, one panel a class."""

    def draw(ax: Axes, row: dict[str, Any]) -> None:
        x = [point["volume_mm3"] for point in row["points"]]
        y = [point["dice"] for point in row["points"]]
        colour = colours.get(row["name"], ACCENT)
        ax.plot(
            x,
            y,
            "o",
            color=colour,
            markersize=4.5,
            alpha=0.75,
            markeredgecolor=PAPER,
            markeredgewidth=0.4,
        )
        ax.set_xscale("log")
        ax.set_xlabel("reference volume, mm³")
        ax.set_ylabel("voxel-wise Dice")
        rho = row["spearman"]["value"]
        text = "undefined" if np.isnan(rho) else f"{rho:.2f}"
        ax.set_title(f"{row['name']}: Spearman {text}, n = {row['n']}")
        _decades(ax, x)
        _score_limits(ax, "dice")

    return grid([row for row in rows if row["n"]], draw, "volume", COLUMNS, 2.4)


def detection_plots(content: dict[str, Any], names: list[str]) -> str:
    """Draw the detection rate by lesion volume, one panel a region, n over each bar."""

    def draw(ax: Axes, row: dict[str, Any]) -> None:
        n, detected = np.array(row["n"]), np.array(row["detected"])
        rate = np.divide(detected, n, out=np.zeros(n.size), where=n > 0)
        ax.bar(range(n.size), rate, color=ACCENT, width=0.72, alpha=0.85)
        for i, (height, count) in enumerate(zip(rate, n.tolist(), strict=True)):
            text = f"{count}" if count else "–"
            ax.text(i, height + 0.02, text, ha="center", color=QUIET, fontsize=SMALL)
        ax.set_xticks(range(n.size), names, rotation=40, ha="right", rotation_mode="anchor")
        ax.tick_params(axis="x", labelsize=SMALL)
        ax.set_ylim(0, 1.13)
        ax.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
        ax.set_xlabel("lesion volume, mm³")
        ax.set_title(f"{row['region']}: {detected.sum()} of {n.sum()} detected")

    return grid(content["regions"], draw, "detection", COLUMNS, 2.5)


def pair_plots(change: dict[str, Any], name: str, number: int) -> str:
    """Scatter each case after over before, one panel a region, with the line of no change."""

    def draw(ax: Axes, item: tuple[str, list[dict[str, Any]]]) -> None:
        region, points = item
        both = np.array([(p["before"], p["after"]) for p in points], float).reshape(-1, 2)
        both = both[np.isfinite(both).all(1)]
        top = 1.0 if not unit(change["metric"]) else float(both.max(initial=1)) * 1.05
        ax.plot([0, top], [0, top], color=RULE, linewidth=1, zorder=0)
        ax.plot(
            both[:, 0],
            both[:, 1],
            "o",
            color=ACCENT,
            markersize=4.5,
            alpha=0.7,
            markeredgecolor=PAPER,
            markeredgewidth=0.4,
        )
        ax.set(xlim=(-0.03 * top, 1.03 * top), ylim=(-0.03 * top, 1.03 * top), aspect="equal")
        if top == 1:
            ax.set(xticks=SCORE_TICKS, yticks=SCORE_TICKS)
        ax.set_xlabel(f"{title(change['metric'])} before")
        ax.set_ylabel(f"{title(change['metric'])} after")
        ax.set_title(f"{region}: n = {len(both)}")

    return grid(list(change["points"].items()), draw, f"{name}{number}", COLUMNS, 3.0)


def _decades(ax: Axes, volumes_mm3: list[float]) -> None:
    """Label whole powers of ten only, in plain characters, which need no mathematics."""
    low = int(np.floor(np.log10(min(volumes_mm3))))
    high = max(int(np.ceil(np.log10(max(volumes_mm3)))), low + 1)
    powers = range(low, high + 1)
    names = [f"10{str(power).translate(SUPERSCRIPTS)}" for power in powers]
    ax.set_xticks([10.0**power for power in powers], names)
    ax.xaxis.set_minor_formatter(NullFormatter())


def _score_limits(ax: Axes, metric: str) -> None:
    if not unit(metric):
        ax.set_ylim(-0.03, 1.03)
        ax.set_yticks(SCORE_TICKS)
