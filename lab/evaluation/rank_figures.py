"""Figures of a ranking: how stable it is, and which system is significantly better than which."""

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from lab.drawing.style import (
    ACCENT,
    INK,
    MARKERS,
    PALE_ACCENT,
    PAPER,
    QUIET,
    RULE,
    SMALL,
    WASH,
    figure,
    series_colour,
    styled,
)
from lab.drawing.svg import grid, svg
from lab.evaluation.number_text import letter, p_text
from lab.evaluation.pair import ALPHA, PairedDifference
from lab.evaluation.ranking import Ranking
from lab.evaluation.ranking_stability import Stability
from lab.evaluation.significance import LARGEST_P

HALF = 5.0  # inches of a figure of half the page's width
BLOB = 330.0  # points squared of a place that is taken in every sample
MOST_WITH_NUMBERS, MOST_WITH_DIGITS = 12, 7  # systems whose matrix has p in it, and all digits
SHORT = 18  # letters of a name beside a line


def blob_plot(ranking: Ranking) -> str:
    """Draw how often each system takes each place, a panel a way to rank; as challengeR does."""

    def draw(ax: Axes, stability: Stability) -> None:
        order = np.argsort(stability.full, kind="stable")
        count = len(order)
        low, high = stability.interval
        ax.plot([0.5, count + 0.5], [0.5, count + 0.5], ":", color=QUIET, lw=0.8, zorder=0)
        for x, i in enumerate(order, 1):
            colour = series_colour(int(i))
            share = stability.frequency[i]
            taken = np.flatnonzero(share)
            sizes = BLOB * share[taken] * min(1.0, 8 / count)
            ax.scatter([x] * len(taken), taken + 1, s=sizes, color=colour, alpha=0.65, lw=0)
            ax.plot([x, x], [low[i], high[i]], color=INK, lw=1.1)
            ax.plot(x, stability.median[i], "x", color=INK, ms=5, mew=1.2)
        ax.set_xticks(range(1, count + 1), [letter(int(i)) for i in order])
        ax.set_xlim(0.4, count + 0.6)
        ax.set_ylim(count + 0.6, 0.4)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.set_ylabel("place")
        ax.set_title(f"by {stability.method}")

    return grid(list(ranking.stability), draw, "blob", 3, 3.1)


def line_plot(ranking: Ranking) -> str:
    """Draw each system's place by every way to rank, a line a system."""
    methods = ranking.stability
    with styled():
        picture = figure(HALF, 1.1 + 0.3 * len(ranking.names))
        ax = picture.add_subplot()
        for i in range(len(ranking.names)):
            places = [method.full[i] for method in methods]
            marker = MARKERS[i % len(MARKERS)]
            ax.plot(range(len(methods)), places, f"-{marker}", color=series_colour(i), lw=1.4)
        for place, members in _by_place(ranking, methods[-1]).items():
            names = ", ".join(f"{letter(i)} {_short(ranking.names[i])}" for i in members)
            ax.annotate(
                names,
                (len(methods) - 1, place),
                xytext=(9, 0),
                textcoords="offset points",
                va="center",
                fontsize=SMALL,
                annotation_clip=False,
            )
        ax.set_xticks(range(len(methods)), [m.method.replace(" ", "\n", 1) for m in methods])
        ax.set_ylim(len(ranking.names) + 0.5, 0.5)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.grid(axis="y")
        ax.set_ylabel("place")
        return svg(picture, "line")


def box_plot(ranking: Ranking) -> str:
    """Draw the ranks that each system has in single cases, the best system on top."""
    names = {f"{letter(i)}  {_short(ranking.names[i])}": i for i in ranking.order}
    columns = {name: ranking.standings.case_ranks[:, i] for name, i in names.items()}

    def draw(ax: Axes) -> None:
        means = [column.mean() for column in columns.values()]
        ax.plot(means, range(1, len(means) + 1), "D", color=PAPER, mec=INK, ms=4)
        ax.set_xlabel("mean rank of a case over its columns, 1 is best")

    return _boxes(columns, "box", draw, showfliers=False)


def tau_plot(ranking: Ranking) -> str:
    """Draw how far the samples' orders agree with that of all cases, a box a way to rank."""
    columns = {each.method: each.tau[~np.isnan(each.tau)] for each in ranking.stability}

    def draw(ax: Axes) -> None:
        ax.set_xlim(right=1.02)
        ax.set_xticks((-1, -0.5, 0, 0.5, 1))
        ax.set_xlabel("Kendall’s tau-b with the ranking of all cases")

    return _boxes(columns, "tau", draw, whis=(2.5, 97.5))


def _boxes(
    columns: Mapping[str, np.ndarray], name: str, draw: Callable[[Axes], None], **how: Any
) -> str:
    """Draw a box of numbers a row, the first on top.

    Args:
        columns: name of the row -> its numbers.
        name: of the figure.
        draw: what else is drawn, and the axis of the numbers.
        how: how matplotlib draws a box.
    """
    with styled():
        picture = figure(HALF, 0.8 + 0.34 * len(columns))
        ax = picture.add_subplot()
        boxes = ax.boxplot(
            list(columns.values()), orientation="horizontal", widths=0.55, patch_artist=True, **how
        )
        for line in (*boxes["whiskers"], *boxes["caps"]):
            line.set(color=QUIET, linewidth=0.9)
        for box, median in zip(boxes["boxes"], boxes["medians"], strict=True):
            box.set(facecolor=PALE_ACCENT, edgecolor=QUIET, linewidth=0.9)
            median.set(color=ACCENT, linewidth=2)
        for flier in boxes["fliers"]:
            flier.set(marker=".", markersize=2.5, markeredgecolor=RULE)
        ax.set_yticks(range(1, len(columns) + 1), list(columns))
        ax.invert_yaxis()
        ax.grid(axis="x")
        draw(ax)
        return svg(picture, name)


def significance_maps(ranking: Ranking) -> str:
    """Draw who is significantly better than whom, by Wilcoxon's test and by sign flips."""
    order = ranking.order
    side = len(order)
    tests = (
        ("Wilcoxon, one-sided, Holm", ranking.significance.p_holm, LARGEST_P),
        ("sign flips, two-sided, Holm", flip_matrix(ranking), ALPHA),
    )

    def draw(ax: Axes, item: tuple[str, np.ndarray, float]) -> None:
        title, p, largest = item
        p = p[np.ix_(order, order)]
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        ax.set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5), aspect="equal")
        for row, column in np.ndindex(side, side):
            value = float(p[row, column])
            is_better = value <= largest  # never where there is none
            ax.add_patch(_cell(row, column, is_better))
            if side <= MOST_WITH_NUMBERS and not np.isnan(value):
                text = p_text(value) if side <= MOST_WITH_DIGITS else f"{value:.2f}"
                text = "1" if value > 0.99995 else text
                ink = PAPER if is_better else QUIET
                ax.text(column, row, text, ha="center", va="center", color=ink, fontsize=6.5)
        ax.set_xticks(range(side), [letter(i) for i in order])
        ax.set_yticks(range(side), [letter(i) for i in order])
        ax.tick_params(length=0)
        ax.set_title(title)
        ax.set_xlabel("than this one")
        ax.set_ylabel("this one is better")

    return grid(list(tests), draw, "significance", 2, 1.2 + min(0.42 * side, 7.0))


def flip_matrix(ranking: Ranking) -> np.ndarray:
    """Return Holm's p (system, system) of sign flips where the row's system is ahead, else 1."""
    what = ranking.significance.number
    p = np.full((len(ranking.names),) * 2, np.nan)
    pairs = combinations(range(len(ranking.names)), 2)
    for (first, second), pair in zip(pairs, ranking.pairs, strict=True):
        row: PairedDifference = next(c for c in pair.comparisons if c.what == what)
        winner, loser = (second, first) if row.second_wins else (first, second)
        p[winner, loser], p[loser, winner] = row.p_holm, 1.0
    return p


def _cell(row: int, column: int, is_better: bool) -> Rectangle:
    colour = PAPER if row == column else ACCENT if is_better else WASH
    return Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, color=colour, lw=0)


def _by_place(ranking: Ranking, stability: Stability) -> dict[int, list[int]]:
    places: dict[int, list[int]] = {}
    for i in range(len(ranking.names)):
        places.setdefault(int(stability.full[i]), []).append(i)
    return places


def _short(name: str) -> str:
    return name if len(name) <= SHORT else f"{name[: SHORT - 1]}…"
