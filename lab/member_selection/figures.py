"""A selection as figures: what more networks gain, and what each candidate scores by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.drawing.style import ACCENT, INK, MARKERS, figure, series_colour, styled
from lab.member_selection.summary import system_name
from lab.metrics.metric_info import metric_info, title

MOST_TICKS = 10  # so that their captions never touch


def draw_cost_curve(content: Mapping[str, Any]) -> Figure | None:
    """Draw the gain of ever more networks, with intervals, above the seconds that they cost.

    None where the strategy `greedy` was not among those that ran.
    """
    points = content["cost_curve"]
    if not points:
        return None
    gains = [point["gain"] for point in points]
    error_bars = [
        [point["gain"] - point["interval"][0] for point in points],
        [point["interval"][1] - point["gain"] for point in points],
    ]
    # Evenly spaced, as networks of the same cost would have their captions on each other.
    places = range(len(points))
    with styled():
        picture = figure(6.8, 3.8)
        axes = picture.add_subplot()
        axes.grid(axis="y")
        axes.errorbar(places, gains, yerr=error_bars, fmt="o-", color=ACCENT, lw=1.5)
        axes.axhline(0, color=INK, lw=0.8)
        step = -(-len(points) // MOST_TICKS)
        named = [place for place in places if (len(points) - 1 - place) % step == 0]
        axes.set_xticks(named, [_cost(points[place]) for place in named])
        axes.margins(x=0.08)
        axes.set_xlabel("networks, and seconds a case (networks only, as measured out of fold)")
        baseline = system_name(content["baseline"])
        axes.set_ylabel(f"held-out gain in {content['objective']}\nover {baseline} (95 %)")
        axes.set_title("What more networks gain")
    return picture


def _cost(point: Mapping[str, Any]) -> str:
    return f"{point['members']:g}\n{point['case_s']:.3g} s"


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
    with styled():
        picture = figure(4.6 * columns + 0.6, 3.6 * rows)
        for number, panel in enumerate(panels, 1):
            _draw_panel(picture.add_subplot(rows, columns, number), panel, legend=number == 1)
        picture.legend(loc="outside lower center", ncols=4)
    return picture


def _draw_panel(axes: Axes, panel: tuple[str, dict, dict], legend: bool) -> None:
    region, across, up = panel
    axes.grid()
    for at, name in enumerate(across):  # a legend: similar candidates overlap
        x, y = across[name], up[name]
        axes.errorbar(
            x["value"],
            y["value"],
            xerr=_error_bar(x),
            yerr=_error_bar(y),
            fmt=MARKERS[at % len(MARKERS)],
            color=series_colour(at),
            elinewidth=0.8,
            ms=6,
            alpha=0.85,
            label=name if legend else None,
        )
    axes.invert_yaxis()
    first = next(iter(across))
    axes.set_xlabel(title(across[first]["metric"]))
    axes.set_ylabel(f"{title(up[first]['metric'])}, mm (axis turned over)")
    axes.set_title(region)
    axes.margins(0.15)


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
