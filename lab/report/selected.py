"""Why these members: a selection of `lab select`, read for the report."""

from pathlib import Path
from typing import Any

from challenge.refusal import Refusal
from lab.drawing.svg import svg
from lab.json_files import read_json
from lab.member_selection.figures import draw_alone, draw_front
from lab.member_selection.summary import MEANING, SCHEMA

WAY = ("held_out", "gain", "interval", "gain_seen", "members", "case_s")
FRONT = ("members", "case_s", "merit", "interval")
ALONE = ("value", "interval", "over_first", "over_first_interval")
NAMES = ("candidate", "region", "metric")


def read_selection(path: Path) -> dict[str, Any]:
    """Read what the report shows of selection.json.

    Returns:
        scorer, objective and its meaning, cases, ships, weights, ways, front, alone.

    Raises:
        Refusal: the file is no selection, or of another version.
    """
    content = read_json(path)
    try:
        if content["schema"] != SCHEMA:
            raise Refusal(f"schema {content['schema']}, this program reads {SCHEMA}")
        told = {k: content[k] for k in ("scorer", "objective", "cases", "ships")}
        front = [_numbers(point, FRONT) for point in content["front"]]
        rows = [_numbers(row, ALONE) | {k: str(row[k]) for k in NAMES} for row in content["alone"]]
        ways = {
            str(name): _numbers(way, WAY) | {"ships": bool(way["ships"])}
            for name, way in content["ways"].items()
        }
        order = list(dict.fromkeys((row["region"], row["metric"]) for row in rows))
        rows.sort(key=lambda row: order.index((row["region"], row["metric"])))
        weights = {str(name): float(value) for name, value in content["weights"].items()}
        return told | {
            "ways": ways, "weights": weights, "front": front, "alone": rows,
            "meaning": MEANING[told["objective"]],
        }  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(f"{path}: not a selection ({error})") from error


def selection_figures(selection: dict[str, Any]) -> dict[str, str]:
    """Return the figures as SVG by name."""
    drawn = {"front": draw_front(selection), "alone": draw_alone(selection)}
    return {name: svg(figure, name) for name, figure in drawn.items() if figure is not None}


def _numbers(row: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Return a row's numbers, pairs as pairs."""
    ends = {key: [float(end) for end in row[key]] for key in keys if key.endswith("interval")}
    return {key: ends[key] if key in ends else float(row[key]) for key in keys}
