"""Figures as inline SVG: text stays text, ids are unique in the page, no reference leaves it."""

import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

INK, QUIET, RULE, ACCENT = "#22262b", "#6b7280", "#d9dde2", "#1f5f8b"
# Okabe and Ito's palette without those too dark on a scan or too light on paper.
LABEL_COLOURS = ("#e69f00", "#56b4e9", "#cc79a7", "#009e73", "#d55e00", "#b8a700")
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
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def label_colours(labels: Mapping[str, int]) -> dict[str, str]:
    """Give every label its colour, by its place in the label map."""
    return {name: LABEL_COLOURS[i % len(LABEL_COLOURS)] for i, name in enumerate(labels)}


def grid(
    items: list[Any], draw: Callable[[Axes, Any], None], name: str, columns: int, row_inches: float
) -> str:
    """Draw one panel an item, row by row."""
    columns = max(1, min(columns, len(items)))
    rows = max(1, -(-len(items) // columns))
    with mpl.rc_context(STYLE):
        width = 10.2 if columns > 1 else 5.6
        engine = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
        figure = Figure(figsize=(width, row_inches * rows), layout=engine)
        for i, item in enumerate(items, 1):
            ax = figure.add_subplot(rows, columns, i)
            ax.grid(axis="y", color=RULE, linewidth=0.6)
            ax.set_axisbelow(True)
            draw(ax, item)
        return svg(figure, name)


def svg(figure: Figure, name: str) -> str:
    """Return a figure as SVG for the inside of a page, its ids prefixed with `name`."""
    file = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(file, format="svg")
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    # No fixed size: a figure shrinks with the page, and its letters never grow beyond the text's.
    text = re.sub(r'\s(width|height)="[^"]*pt"', "", text, count=2)
    text = text.replace("<svg", f'<svg style="max-width:{figure.get_figwidth() * 108:.0f}px"', 1)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    return re.sub(r"url\(#", f"url(#{name}-", text)
