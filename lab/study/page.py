"""The study as a page with figures, as Markdown, and as JSON: the same numbers in all three."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from lab.adaptive.work import write_json
from lab.report.figures import ACCENT, INK, QUIET, grid
from lab.report.page import environment, stylesheet


def write_study(content: Mapping[str, Any], html: Path) -> list[Path]:
    """Write the page, and beside it Markdown and JSON."""
    paths = [html, html.with_suffix(".md"), html.with_suffix(".json")]
    found = environment(Path(__file__).parent)
    found.filters["signed4"] = signed4
    found.filters["span"] = span
    page = found.get_template("page.html.j2").render(
        **content, css=stylesheet(), figures={k: Markup(v) for k, v in _figures(content).items()}
    )
    paths[0].write_text(page, encoding="utf-8")
    text = found.get_template("page.md.j2").render(**content)
    paths[1].write_text(re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n", encoding="utf-8")
    write_json(paths[2], content)
    return paths


def signed4(value: float | None) -> str:
    """Format a change with its sign and four decimals."""
    return "-" if value is None or np.isnan(value) else f"{value:+.4f}".replace("-", "−")


def span(row: Mapping[str, Any]) -> str:
    """Format the interval of a row."""
    return f"{signed4(row['low'])} to {signed4(row['high'])}"


def _figures(content: Mapping[str, Any]) -> dict[str, str]:
    return {
        "arms": _intervals(content["arms"][1:], "arm", "arms"),
        "null": grid([None], lambda ax, _: _null(ax, content["null"]), "null", 1, 2.6),
        "recipes": grid([None], lambda ax, _: _recipes(ax, content["recipes"]), "recipes", 1, 2.2),
    }


def _intervals(rows: list[Mapping[str, Any]], key: str, name: str) -> str:
    """Draw gains with their intervals, one a row."""

    def draw(ax: Axes, _: None) -> None:
        for i, row in enumerate(rows[::-1]):
            colour = ACCENT if row["low"] > 0 else QUIET
            ax.plot([row["low"], row["high"]], [i, i], color=colour, lw=2)
            ax.plot(row["gain"], i, "o", color=colour, ms=6)
        ax.axvline(0, color=INK, lw=0.8)
        ax.set_yticks(range(len(rows)), [row[key] for row in rows[::-1]])
        ax.set_xlabel("held-out gain over no rules, 95 % interval")

    return grid([None], draw, name, 1, 0.8 + 0.32 * len(rows))


def _null(ax: Axes, rows: list[Mapping[str, Any]]) -> None:
    """Draw what a search promises and what it keeps where nothing is to be gained."""
    for i, row in enumerate(rows):
        ax.plot([i, i], [row["low"], row["high"]], color=QUIET, lw=1.4)
        ax.plot(i, row["gain"], "o", color=QUIET if row["ships"] == "identity" else "#d55e00", ms=4)
        ax.plot(i, row["in_sample"], "_", color=ACCENT, ms=9, mew=2)
    ax.axhline(0, color=INK, lw=0.8)
    ax.set_xticks(range(len(rows)), [str(row["seed"]) for row in rows], fontsize=7)
    ax.set_xlabel("cohort without faults (seed)")
    ax.set_ylabel("● held out, ▬ in sample")


def _recipes(ax: Axes, rows: list[Mapping[str, Any]]) -> None:
    """Draw promised and kept gain of both recipes."""
    for i, row in enumerate(rows[::-1]):
        ax.plot([row["low"], row["high"]], [i, i], color=ACCENT, lw=2)
        ax.plot(row["gain"], i, "o", color=ACCENT, ms=6)
        ax.plot(row["in_sample"], i, "D", color=INK, ms=6, mfc="none")
    ax.axvline(0, color=INK, lw=0.8)
    ax.set_yticks(range(len(rows)), [row["recipe"] for row in rows[::-1]])
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_xlabel("● held-out gain, 95 % interval; ◇ on the cases that chose the rules")
