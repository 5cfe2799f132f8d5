"""A selection as figures: what more networks gain, and what each candidate scores by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.member_selection.summary import system_name
from lab.metrics.metric_info import metric_info

BLUE, GREY = "#1f5f8b", "0.4"
# Okabe and Ito's palette; with the markers 40 candidates can be told apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#22262b", "#b8a700")
MARKERS = "osD^v"


def draw_cost_curve(content: Mapping[str, Any]) -> Figure | None:
    """Draw the gain of ever more networks, with intervals, against the seconds that they cost.

    None where the strategy `greedy` was not among those that ran.
    """
    points = content["cost_curve"]
    if not points:
        return None
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    gains = [point["gain"] for point in points]
    error_bars = [
        [point["gain"] - point["interval"][0] for point in points],
        [point["interval"][1] - point["gain"] for point in points],
    ]
    seconds = [point["case_s"] for point in points]
    axes.errorbar(seconds, gains, yerr=error_bars, fmt="o-", color=BLUE, capsize=3, lw=1.5)
    axes.axhline(0, color="0.5", lw=1, ls="--")
    for point in points:
        label = f"{point['members']:g} network{'s' * (point['members'] != 1)}"
        at = (point["case_s"], point["gain"])
        axes.annotate(label, at, xytext=(6, 6), textcoords="offset points", fontsize=8)
    axes.annotate(
        system_name(content["baseline"]),
        (1, 0),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 4),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=GREY,
    )
    axes.margins(x=0.15)
    axes.set_xlabel("seconds a case, networks alone, as measured out of fold")
    axes.set_ylabel(f"gain in {content['objective']}, held out (95 % interval)")
    axes.set_title("What more networks gain", loc="left", fontsize=11)
    _plain(axes)
    return figure


def draw_per_candidate(content: Mapping[str, Any]) -> Figure | None:
    """Draw each candidate's overlap against its boundary distance; better is up and right.

    None where the scorer has no pair of both.
    """
    regions = dict.fromkeys(row["region"] for row in content["per_candidate"])
    panels = [pair for region in regions for pair in _panels(content, region)]
    if not panels:
        return None
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.6 * columns + 0.6, 3.6 * rows), layout="constrained")
    for number, (region, across, up) in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, number)
        names = list(across)
        for at, name in enumerate(names):  # a legend: similar candidates overlap
            x, y = across[name], up[name]
            axes.errorbar(
                x["value"],
                y["value"],
                xerr=_error_bar(x),
                yerr=_error_bar(y),
                fmt=MARKERS[at % len(MARKERS)],
                color=COLOURS[at % len(COLOURS)],
                elinewidth=0.8,
                ms=6,
                alpha=0.85,
                label=name if number == 1 else None,
            )
        axes.invert_yaxis()
        first = names[0]
        axes.set_xlabel(across[first]["metric"])
        axes.set_ylabel(f"{up[first]['metric']}, mm (axis turned over)")
        axes.set_title(region, loc="left", fontsize=10)
        axes.margins(0.15)
        _plain(axes)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8.5)
    return figure


def _panels(content: Mapping[str, Any], region: str) -> Sequence[tuple[str, dict, dict]]:
    """Pair the first overlap of a region with each of its distances."""
    metrics: dict[str, dict[str, Any]] = {}
    for row in content["per_candidate"]:
        if row["region"] == region:
            metrics.setdefault(row["metric"], {})[row["candidate"]] = row
    overlap = next((m for m in metrics if metric_info(m).kind == "overlap"), None)
    distances = [m for m in metrics if metric_info(m).kind == "distance"]
    return [] if overlap is None else [(region, metrics[overlap], metrics[d]) for d in distances]


def _error_bar(row: Mapping[str, Any]) -> list[list[float]]:
    low, high = row["interval"]
    return [[row["value"] - low], [high - row["value"]]]


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
