"""Figures as inline SVG: text stays text, ids are unique in the page, no reference leaves it."""

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.drawing.style import STYLE, figure, styled

WIDE, NARROW = 10.2, 5.6  # inches of several panels beside each other, and of one


def grid(
    items: list[Any], draw: Callable[[Axes, Any], None], name: str, columns: int, row_inches: float
) -> str:
    """Draw one panel an item, row by row."""
    columns = max(1, min(columns, len(items)))
    rows = max(1, -(-len(items) // columns))
    with styled():
        panels = figure(WIDE if columns > 1 else NARROW, row_inches * rows)
        for i, item in enumerate(items, 1):
            ax = panels.add_subplot(rows, columns, i)
            ax.grid(axis="y")
            draw(ax, item)
        return svg(panels, name)


def svg(picture: Figure, name: str) -> str:
    """Return a figure as SVG for the inside of a page, its ids prefixed with `name`."""
    file = io.StringIO()
    with mpl.rc_context(STYLE | {"svg.hashsalt": name}):
        picture.savefig(file, format="svg")
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    # No fixed size: a figure shrinks with the page, and its letters never grow beyond the text's.
    text = re.sub(r'\s(width|height)="[^"]*pt"', "", text, count=2)
    text = text.replace("<svg", f'<svg style="max-width:{picture.get_figwidth() * 108:.0f}px"', 1)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    return re.sub(r"url\(#", f"url(#{name}-", text)
