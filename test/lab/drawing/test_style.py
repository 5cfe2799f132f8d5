"""One look: figures are made in lab/drawing alone, and what is written on them can be read."""

import ast
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from lab.drawing.sequences import best_sequence, largest_label
from lab.drawing.style import MARKERS, SERIES, series_colour, write_png
from lab.drawing.svg import grid
from lab.member_selection.figures import draw_cost_curve, draw_per_candidate

LAB = Path(__file__).resolve().parents[3] / "lab"
ELSEWHERE = [path for path in sorted(LAB.rglob("*.py")) if path.parent.name != "drawing"]


def test_no_figure_is_made_and_no_colour_is_chosen_outside_of_drawing():
    assert len(ELSEWHERE) > 100
    faults = []
    for path in ELSEWHERE:
        text = path.read_text()
        names = {
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call)
        }
        faults += [f"{path}: {name}" for name in names & {"Figure", "rc_context", "subplots"}]
        faults += [f"{path}: {colour}" for colour in re.findall(r'"#[0-9a-fA-F]{6}"', text)]
    assert faults == []


def selection(points: int) -> dict:
    """Return a selection whose later networks cost next to nothing, as small ones do."""
    seconds = [2.5 + 0.001 * i for i in range(points)]
    return {
        "objective": "overlap",
        "baseline": "equal",
        "cost_curve": [
            {"members": i + 1, "case_s": s, "gain": 0.0, "interval": [-0.001, 0.001]}
            for i, s in enumerate(seconds)
        ],
        "per_candidate": [
            {
                "candidate": f"candidate {i}",
                "region": "WT",
                "metric": metric,
                "value": 0.5,
                "interval": [0.4, 0.6],
            }
            for i in range(40)
            for metric in ("dice", "hd95")
        ],
    }


@pytest.mark.parametrize("points", [1, 2, 9, 24])
def test_no_caption_of_the_cost_curve_lies_on_another(points):
    picture = draw_cost_curve(selection(points))
    canvas = FigureCanvasAgg(picture)
    canvas.draw()
    axes = picture.axes[0]
    texts = [*axes.get_xticklabels(), *axes.texts, axes.xaxis.label, axes.yaxis.label, axes.title]
    boxes = [t.get_window_extent() for t in texts if t.get_text()]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    captions = [tick.get_text() for tick in axes.get_xticklabels()]
    assert captions[-1] == f"{points}\n{2.5 + 0.001 * (points - 1):.3g} s"


def test_forty_candidates_differ_in_colour_or_marker():
    marks = {(series_colour(i), MARKERS[i % len(MARKERS)]) for i in range(40)}
    assert len(marks) == 40
    assert len(set(SERIES)) == len(SERIES)
    figure = draw_per_candidate(selection(1))
    assert len(figure.legends[0].get_texts()) == 40


def test_a_picture_file_is_on_white_and_a_page_on_nothing(tmp_path):
    write_png(draw_cost_curve(selection(3)), tmp_path / "a.png")
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGBA"))
    assert pixels[0, 0].tolist() == [255, 255, 255, 255]
    text = grid([1], lambda ax, _: ax.set_title("a <b> $x_$"), "one", 1, 2)
    assert "a &lt;b&gt; $x_$" in text  # as text, not as outlines of letters
    assert "#ffffff" not in text


def test_the_sequence_that_shows_a_label_best():
    every = ("t1n", "t1c", "t2w", "t2f")
    wanted = {"SNFH": "t2f", "ED": "t2f", "CC": "t2w", "ET": "t1c", "NETC": "t1c", "RC": "t1c"}
    assert {name: best_sequence(name, every) for name in wanted} == wanted
    assert best_sequence("SNFH", ("t1n", "t1c")) == "t1c"
    assert best_sequence("ET", ("t1n", "t2f")) == "t2f"
    assert best_sequence("tumour", ("t2",)) == "t2"
    with pytest.raises(ValueError, match="no sequence to show ET on"):
        best_sequence("ET", ())
    labels = np.array([[1, 2, 2], [0, 0, 0]])
    assert largest_label(labels, {"NETC": 1, "SNFH": 2}) == "SNFH"
    assert largest_label(labels * 0, {"NETC": 1}) == ""
