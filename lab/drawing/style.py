"""One look for all figures: colours, letters, lines; every figure of the lab is made here.

A figure is made, drawn and saved inside `styled()`, since matplotlib reads its settings at each of
the three. Without it a figure has matplotlib's own look, which `test/lab/drawing` refuses.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

INK, QUIET, RULE, ACCENT = "#22262b", "#6b7280", "#d9dde2", "#1f5f8b"
PAPER, WASH, PALE_ACCENT = "#ffffff", "#f1f3f5", "#eef3f7"
ALARM = "#d55e00"  # what a reader must not miss
# Okabe and Ito's palette without those too dark on a scan or too light on paper.
LABEL_COLOURS = ("#e69f00", "#56b4e9", "#cc79a7", "#009e73", "#d55e00", "#b8a700")
# Of series such as clusters and candidates; with the markers 40 of them can be told apart.
SERIES = (ACCENT, *LABEL_COLOURS, "#7a4fa3", "#8a8f98")
MARKERS = "osD^v"
DOTS_PER_INCH = 130
SMALL = 8.0  # points, of ticks and notes
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # region names may hold a dollar sign
    "font.family": "DejaVu Sans",  # wider than what the page shows, so nothing will collide
    "font.size": 9,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "lines.markersize": 5,
    "errorbar.capsize": 0,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def styled() -> AbstractContextManager[None]:
    """Return the context in which figures are made, drawn and saved."""
    return mpl.rc_context(STYLE)


def figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches, laid out without overlaps."""
    engine = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    return Figure(figsize=(width, height), layout=engine)


def label_colours(labels: Mapping[str, int]) -> dict[str, str]:
    """Give every label its colour, by its place in the label map."""
    return {name: LABEL_COLOURS[i % len(LABEL_COLOURS)] for i, name in enumerate(labels)}


def series_colour(number: int) -> str:
    """Return the colour of the so-and-so-many-th cluster or candidate."""
    return SERIES[number % len(SERIES)]


def write_png(picture: Figure, path: Path) -> None:
    """Write a figure as PNG on white."""
    with styled():
        picture.savefig(path, dpi=DOTS_PER_INCH, facecolor=PAPER)
