"""Matrices as heat maps with their numbers written in."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.drawing.style import INK, PAPER, WASH, figure, styled
from lab.drawing.svg import svg


def cross_class_map(content: dict[str, Any]) -> str:
    """Draw Spearman's correlation of one class's volume (row) with another's Dice (column)."""
    names = content["classes"]
    with styled():
        picture, ax = _square(len(names))
        values = np.array(content["spearman"], float)
        image = ax.imshow(np.ma.masked_invalid(values), cmap="RdBu", vmin=-1, vmax=1)
        for (a, b), value in np.ndenumerate(values):
            text = "–" if np.isnan(value) else f"{value:.2f}"
            colour = PAPER if abs(np.nan_to_num(value)) > 0.55 else INK
            _cell(ax, (a, b), text, f"n={content['n'][a][b]}", colour)
        _name(ax, names, "Dice of", "reference volume of")
        bar = picture.colorbar(image, ax=ax, shrink=0.7, pad=0.03, ticks=[-1, -0.5, 0, 0.5, 1])
        bar.outline.set_visible(False)
        return svg(picture, "cross")


def confusion_map(content: dict[str, Any]) -> str:
    """Draw where the voxels of each reference label (row) went, as shares of the row."""
    names, shares = content["labels"], np.array(content["row_shares"], float)
    with styled():
        picture, ax = _square(len(names))
        ax.imshow(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=1)
        for (a, b), share in np.ndenumerate(shares):
            voxels = f"{content['voxels'][a][b]:,}".replace(",", "\u202f")
            text = "–" if np.isnan(share) else percent(float(share))
            _cell(ax, (a, b), text, voxels, PAPER if np.nan_to_num(share) > 0.5 else INK)
        _name(ax, names, "predicted as", "reference label")
        return svg(picture, "confusion")


def percent(share: float) -> str:
    """Return a share in percent; what is not quite none or all does not round to it."""
    if 0 < share < 0.001:
        return "< 0.1\u202f%"
    if 0.999 < share < 1:
        return "> 99.9\u202f%"
    return f"{share:.1%}".replace("%", "\u202f%")


def _square(side: int) -> tuple[Figure, Axes]:
    picture = figure(2.2 + 0.95 * side, 1.1 + 0.62 * side)
    ax = picture.add_subplot()
    ax.spines[:].set_visible(False)
    ax.set_facecolor(WASH)
    return picture, ax


def _cell(ax: Axes, cell: tuple[int, ...], large: str, small: str, colour: str) -> None:
    row, column = cell
    ax.text(column, row - 0.1, large, ha="center", va="center", color=colour, fontsize=9.5)
    ax.text(column, row + 0.26, small, ha="center", va="center", color=colour, fontsize=7)


def _name(ax: Axes, names: list[str], columns: str, rows: str) -> None:
    ax.set_aspect("auto")
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.xaxis.set_label_position("top")
    ax.set_xlabel(columns)
    ax.set_ylabel(rows)
    ax.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    ax.grid(which="minor", color=PAPER, linewidth=2)
    ax.tick_params(which="minor", length=0, top=False, bottom=False, left=False)
