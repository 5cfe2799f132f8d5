"""Figures of a search: cases in feature space, stability, loadings, threshold curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from challenge.challenges import in_reading_order
from lab.drawing.style import ACCENT, ALARM, INK, PAPER, QUIET, SMALL, series_colour
from lab.drawing.svg import grid
from lab.metrics.metric_info import title
from lab.rule_search.config import LOWERING
from lab.rule_search.search_parameter import SearchParameter
from lab.rule_search.sparing import SIZE_OR, spare_of

UNITS = {"mm3": "mm³", "voxels": "voxels", "share": "share", "probability": "probability"}
AXES = {  # what the threshold of each rule type is on, but of those of `sparing`
    "size": "components below, {unit}",
    "share": "below a {unit}",
    "region threshold": "takes voxels from a {unit} on",
    "threshold": "takes voxels from a {unit} on",
    "dice": "1: takes what raises its expected Dice",
}
TOP = 15
MOVES = 1e-4  # a curve that never leaves this band does nothing


def scatter(search: Mapping[str, Any], variance_shares: Sequence[float]) -> str:
    """Draw the cases in the first two components, with the clusters' centres."""
    points, assigned = np.array(search["points"]), np.array(search["assigned"])
    second = points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))

    def draw(ax: Axes, _: None) -> None:
        outside = assigned < 0
        if outside.any():
            ax.plot(points[outside, 0], second[outside], "x", color=QUIET, ms=5, label="no cluster")
        for k, centre in enumerate(search["centres"]):
            members, colour = assigned == k, series_colour(k)
            x, y = points[members, 0], second[members]
            label = f"cluster {k}, n={members.sum()}"
            ax.plot(x, y, "o", color=colour, ms=4.5, alpha=0.7, mew=0, label=label)
            height = centre[1] if len(centre) > 1 else 0.0
            ax.plot(centre[0], height, "D", color=colour, mec=INK, ms=9, mew=1.2)
        shares = [*variance_shares, 0.0, 0.0]
        ax.set_xlabel(f"first component, {shares[0]:.0%} of the variance")
        ax.set_ylabel(f"second, {shares[1]:.0%}")
        # Above the panel: inside it, a mark of the legend would look like one more case.
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)

    return grid([None], draw, "scatter", 1, 4.2)


def stability_plot(rows: Sequence[Mapping[str, Any]]) -> str:
    """Draw how reproducible each number of clusters is, and what it gains held out."""
    k = [row["k"] for row in rows]

    def draw(ax: Axes, panel: str) -> None:
        if panel == "stability":
            for key, colour, name in (
                ("over_resamples", ACCENT, "resamples"),
                ("over_seeds", QUIET, "seeds"),
            ):
                ax.plot(k, [row[key] for row in rows], "o-", color=colour, ms=4, lw=1.2, label=name)
            ax.axhline(0.8, color=INK, lw=0.8, ls=":")
            ax.set_ylim(-0.02, 1.05)
            ax.set_ylabel("adjusted Rand index")
            ax.legend(loc="lower left")
        else:
            known = [row for row in rows if row["held_out_gain"] is not None]
            for row in known:
                colour = ACCENT if row["chosen"] else QUIET
                bar = (row["k"], row["held_out_gain"], row["error"])
                size = 6 if row["chosen"] else 4
                ax.errorbar(*bar, fmt="o", color=colour, ms=size, capsize=3, lw=1.2)
            ax.axhline(0, color=INK, lw=0.8)
            ax.set_ylabel("held-out gain ± standard error")
            ax.set_xlim(min(k) - 0.5, max(k) + 0.5)
        ax.set_xticks(k)
        ax.set_xlabel("number of clusters")

    return grid(["stability", "gain"], draw, "stability", 2, 2.8)


def loadings_plot(loadings: Mapping[str, float]) -> str:
    """Draw the features that carry most of the variance."""
    top = list(loadings.items())[:TOP][::-1]

    def draw(ax: Axes, _: None) -> None:
        ax.barh([name for name, _ in top], [share for _, share in top], color=ACCENT, height=0.65)
        ax.grid(axis="y", visible=False)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
        ax.set_xlabel("share of the variance")
        ax.tick_params(axis="y", labelsize=SMALL)

    return grid([None], draw, "loadings", 1, 0.8 + 0.26 * len(top))


def matters(curve: Mapping[str, Any]) -> bool:
    """Say whether a parameter has a rule, or some threshold that gains."""
    return bool(curve["grid_index"]) or max(curve["mean"]) > MOVES


def harms(curve: Mapping[str, Any]) -> bool:
    """Say whether a parameter without a rule could only have done harm."""
    return not matters(curve) and min(curve["mean"]) < -MOVES


def curve_plots(
    curves: Sequence[Mapping[str, Any]], parameters: Sequence[SearchParameter], name: str
) -> str:
    """Draw what each threshold gains over no rule; the chosen one is marked.

    One threshold is a curve with its interval, two are a map of means.
    """

    def draw(ax: Axes, curve: Mapping[str, Any]) -> None:
        parameter, chosen = parameters[curve["parameter"]], curve["grid_index"]
        (_draw_map if isinstance(parameter.grid[0], tuple) else _draw_curve)(ax, curve, parameter)
        change = f"{parameter.name} → {parameter.becomes}"
        if parameter.rule_type in LOWERING:
            change = f"any → {parameter.name}"
        ax.set_title(f"{change}{'' if chosen else ' (no rule)'}")

    return grid(list(curves), draw, name, 3, 2.4)


def _draw_curve(ax: Axes, curve: Mapping[str, Any], parameter: SearchParameter) -> None:
    chosen, x = curve["grid_index"], np.arange(len(parameter.grid))
    low, high = (np.array(curve[end], float) for end in ("low", "high"))
    ax.axhline(0, color=INK, lw=0.8)
    ax.fill_between(x, low, high, color=ACCENT, alpha=0.18, lw=0)
    ax.plot(x, curve["mean"], color=ACCENT, lw=1.5)
    if chosen:
        point = (chosen, curve["mean"][chosen])
        ax.plot(*point, "D", color=ALARM, ms=6)
        threshold = parameter.point_in_words(chosen)
        ax.annotate(threshold, point, (5, 5), textcoords="offset points", fontsize=SMALL)
    ticks = x[:: max(1, len(x) // 6)]
    ax.set_xticks(ticks, [parameter.point_in_words(i) if i else "no rule" for i in ticks])
    ax.set_xlabel(_axis(parameter))


def _axis(parameter: SearchParameter) -> str:
    """Say what the thresholds of a curve are on."""
    spare, unit = spare_of(parameter.rule_type), UNITS.get(parameter.unit, "")
    if spare is None:
        return AXES[parameter.rule_type].format(unit=unit)
    fails = spare.axis.format(other=parameter.other)
    if parameter.rule_type.startswith(SIZE_OR):
        return f"components {fails}, and below, {unit}"
    return f"components {fails}" if spare.unit != "none" else f"1: components {fails}"


def _draw_map(ax: Axes, curve: Mapping[str, Any], parameter: SearchParameter) -> None:
    """Draw the mean gain of each size with each threshold; the scale ends at the highest gain."""
    spare = spare_of(parameter.rule_type)
    assert spare is not None
    points, means = np.array(parameter.grid[1:]), np.array(curve["mean"][1:], float)
    (sizes, rows), (thresholds, columns) = (
        np.unique(values, return_inverse=True) for values in points.T
    )
    gains = np.empty((len(sizes), len(thresholds)))
    gains[rows, columns] = means
    highest = max(float(means.max()), MOVES)
    mesh = ax.pcolormesh(gains, cmap="RdBu", vmin=-highest, vmax=highest, edgecolors="face")
    ax.figure.colorbar(mesh, ax=ax, extend="min", format="%+.3g")
    if curve["grid_index"]:
        at = curve["grid_index"] - 1
        ax.plot(columns[at] + 0.5, rows[at] + 0.5, "D", color=ALARM, mec=PAPER, ms=6)
    ax.grid(visible=False)
    ax.set_xticks(np.arange(len(thresholds)) + 0.5, [f"{each:g}" for each in thresholds])
    ax.set_yticks(np.arange(len(sizes)) + 0.5, [f"{size:g}" for size in sizes])
    ax.tick_params(labelsize=SMALL)
    ax.set_xlabel(f"components {spare.axis.format(other=parameter.other)}")
    ax.set_ylabel(f"and size, {UNITS[parameter.unit]}")


def forest(columns: Sequence[Mapping[str, Any]]) -> str:
    """Draw the change of every region and metric with its interval, WT on top."""
    order = in_reading_order(row["region"] for row in columns)
    rows = sorted(columns, key=lambda row: order.index(row["region"]))[::-1]

    def draw(ax: Axes, _: None) -> None:
        for i, row in enumerate(rows):
            low, high = (np.nan if row[e] is None else row[e] for e in ("low", "high"))
            clear = low > 0 or high < 0
            ax.plot([low, high], [i, i], color=ACCENT if clear else QUIET, lw=1.6)
            ax.plot(row["change"], i, "o", color=ACCENT if clear else QUIET, ms=4.5)
        ax.axvline(0, color=INK, lw=0.8)
        ax.set_yticks(range(len(rows)), [f"{r['region']} {title(r['metric'])}" for r in rows])
        ax.tick_params(axis="y", labelsize=SMALL)
        ax.set_ylim(-0.6, len(rows) - 0.4)
        ax.set_xlabel("held-out change, 95 % interval")

    return grid([None], draw, "forest", 1, 0.8 + 0.22 * len(rows))
