"""The figure beside a comparison's sentence: both systems' scores, and their differences."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from lab.drawing.page import signed4
from lab.drawing.style import ACCENT, INK, PAPER, QUIET, RULE, SMALL, figure, styled
from lab.drawing.svg import svg
from lab.evaluation.pair import ALPHA
from lab.report.answer import WORDS, p_in_words

INCHES, ROW_INCHES, HALF_BAND = 8.8, 0.36, 0.42


def answer_plot(change: Mapping[str, Any], name: str) -> str:
    """Draw the overall number and the Dice of each region, one a row, the overall one on top.

    On the left both systems' means, on the right the difference with its interval; the band is
    what another seed changes.
    """
    rows = figure_rows(change)
    with styled():
        picture = figure(INCHES, 1.0 + ROW_INCHES * len(rows))
        left = picture.add_subplot(1, 2, 1)
        right = picture.add_subplot(1, 2, 2, sharey=left)
        for y, (_, row) in enumerate(rows[::-1]):
            _draw_row(left, right, y, row)
        left.set_yticks(range(len(rows)), [label for label, _ in rows[::-1]])
        left.set_ylim(-0.6, len(rows) - 0.4)
        left.set_xlabel("score" if change["overall"]["better"] == "higher" else "rank, 1 is best")
        left.plot([], [], "o", mfc=PAPER, mec=QUIET, label=change["before"])
        left.plot([], [], "o", color=ACCENT, label=change["after"])
        floor = change["overall"]["seed_floor"]
        if floor:
            top = len(rows) - 1
            right.fill_betweenx(
                [top - HALF_BAND, top + HALF_BAND],
                *(-floor["value"], floor["value"]),
                color=RULE,
                lw=0,
                label="another seed",
            )
        right.axvline(0, color=INK, lw=0.8)
        right.set_xlabel("difference with its 95 % interval; to the right ● is higher")
        for axes in (left, right):
            axes.grid(axis="x")
            axes.tick_params(axis="y", length=0, labelleft=axes is left)
            axes.spines["left"].set_visible(False)
        picture.legend(loc="outside upper left", ncols=3)
        return svg(picture, name)


def figure_rows(change: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return what the figure shows, by name: first, second, difference, low, high, p."""
    overall = change["overall"]
    rows = [(WORDS[overall["what"]], overall)]
    if overall["better"] != "higher":  # ranks and scores share no axis
        return rows
    for region in change["regions"]:
        row = region["scorer"] or region["voxel"]
        kind = change["dice_kind"] if region["scorer"] else "voxel-wise"
        ends = {"first": row["mean_before"], "second": row["mean_after"], "p": row["p"]}
        difference = row["difference"]
        ends |= {"difference": difference["value"], **{e: difference[e] for e in ("low", "high")}}
        rows.append((" ".join(filter(None, (region["region"], kind, "Dice"))), ends))
    return rows


def _draw_row(left: Axes, right: Axes, y: int, row: Mapping[str, Any]) -> None:
    colour = ACCENT if row["p"] < ALPHA else QUIET
    left.plot([row["first"], row["second"]], [y, y], color=RULE, lw=3, zorder=1)
    left.plot(row["first"], y, "o", mfc=PAPER, mec=QUIET, ms=6)
    left.plot(row["second"], y, "o", color=ACCENT, ms=6)
    if not np.isnan(row["low"]):
        right.plot([row["low"], row["high"]], [y, y], color=colour, lw=2)
    right.plot(row["difference"], y, "o", color=colour, ms=6)
    text = f"{signed4(row['difference'])}, {p_in_words(row['p'])}"
    right.annotate(
        text,
        (1, y),
        xycoords=("axes fraction", "data"),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        fontsize=SMALL,
        color=INK,
        annotation_clip=False,
    )
