"""Why these members: a selection of `lab select`, read for the report."""

from pathlib import Path
from typing import Any

from challenge.refusal import Refusal
from ensemble.member_weights import read_weight
from lab.drawing.svg import svg
from lab.json_files import read_json
from lab.member_selection.figures import draw_cost_curve, draw_per_candidate
from lab.member_selection.summary import MEANING, READABLE, SCHEMA, system_name

STRATEGY = ("held_out", "gain", "interval", "p", "in_sample_gain", "members", "case_s")
COST_POINT = ("members", "case_s", "gain", "interval")
CANDIDATE = ("value", "interval", "over_first", "over_first_interval")
NAMES = ("candidate", "region", "metric")


def read_selection(path: Path) -> dict[str, Any]:
    """Read what the report shows of selection.json.

    Returns:
        scorer, objective and its meaning, cases, baseline and its name, ships and the reason,
        weights, strategies, cost_curve, per_candidate.

    Raises:
        Refusal: the file is no selection, or of another version.
    """
    content = read_json(path)
    try:
        if content["schema"] not in READABLE:
            raise Refusal(
                f"schema {content['schema']}, this program reads {SCHEMA}; run `python -m lab "
                "select` again"
            )
        keys = ("scorer", "objective", "cases", "baseline", "ships")
        summary = {key: content[key] for key in keys}
        reason = [str(line) for line in content["reason"]]
        points = [_numbers(point, COST_POINT) for point in content["cost_curve"]]
        rows = [
            _numbers(row, CANDIDATE) | {key: str(row[key]) for key in NAMES}
            for row in content["per_candidate"]
        ]
        strategies = {
            str(name): _numbers(row, STRATEGY) for name, row in content["strategies"].items()
        }
        order = list(dict.fromkeys((row["region"], row["metric"]) for row in rows))
        rows.sort(key=lambda row: order.index((row["region"], row["metric"])))
        weights = {str(name): read_weight(w, name) for name, w in content["weights"].items()}
        return summary | {
            "reason": reason,
            "baseline_name": system_name(content["baseline"]),
            "strategies": strategies,
            "weights": weights,
            "cost_curve": points,
            "per_candidate": rows,
            "meaning": MEANING[summary["objective"]],
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(f"{path}: not a selection ({error})") from error


def selection_figures(selection: dict[str, Any]) -> dict[str, str]:
    """Return the figures as SVG by name."""
    drawings = {
        "cost_curve": draw_cost_curve(selection),
        "per_candidate": draw_per_candidate(selection),
    }
    return {name: svg(figure, name) for name, figure in drawings.items() if figure is not None}


def _numbers(row: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Return a row's numbers, pairs as pairs."""
    ends = {key: [float(end) for end in row[key]] for key in keys if key.endswith("interval")}
    return {key: ends[key] if key in ends else float(row[key]) for key in keys}
