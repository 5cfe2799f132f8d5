"""The report's numbers as a page and as Markdown; every string from a file is escaped."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ensemble.member_weights import Weight, in_words
from lab.drawing.page import bins, environment, number, stylesheet
from lab.drawing.style import label_colours
from lab.evaluation.results import Results
from lab.metrics.metric_info import lower_is_better, metric_info, title, unit
from lab.report import figures, heatmaps
from lab.report.answer import p_in_words
from lab.report.answer_figure import answer_plot
from lab.report.headline import headline_metrics
from lab.report.selected import selection_figures


def render_html(
    content: Mapping[str, Any], results: Results, pictures: Mapping[str, Mapping[str, Any]]
) -> str:
    """Return the page: figures, pictures and style all inside."""
    colours = label_colours(results.labels)
    svgs = {name: Markup(text) for name, text in _figures(content, results, colours).items()}
    template = _environment().get_template("page.html.j2")
    rest = {
        "cards": _cards(content),
        "gallery": _gallery(content["extremes"], pictures),
        "script": Markup((Path(__file__).parent / "cases.js").read_text(encoding="utf-8")),
        "regions_shown": results.scored_regions,
        "spread": _by_metric(content["distributions"], set(headline_metrics(results))),
        "colours": colours,
        "css": stylesheet(),
    }
    return template.render(**content, figures=svgs, pictures=pictures, **rest)


def render_markdown(content: Mapping[str, Any]) -> str:
    """Return the same numbers as Markdown tables."""
    text = _environment().get_template("page.md.j2").render(**content)
    return re.sub(r"\n{3,}", "\n\n", text)


def _environment() -> jinja2.Environment:
    """Return what renders the report's templates: all pages' formats, metrics' names."""
    rendering = environment(Path(__file__).parent)
    rendering.filters |= {
        "metric_title": title,
        "metric_unit": unit,
        "lower_is_better": lower_is_better,
        "units": lambda unit: figures.UNITS[unit],
        "p_value": p_value,
        "sort_value": sort_value,
        "weight": weight_in_words,
    }
    return rendering


def p_value(p: float, named: bool = True) -> str:
    """Format a p-value, with its name or for a column of them."""
    text = p_in_words(p)
    return text if named else text.removeprefix("p = ").removeprefix("p ")


def weight_in_words(weight: Weight) -> str:
    """Return a member's share of the weight; by channel, in brackets."""
    return f"({in_words(weight)})" if isinstance(weight, Mapping) else number(weight)


def sort_value(value: float | None) -> str:
    """Return what a table sorts a number by; nothing where there is none."""
    return "" if value is None or math.isnan(value) else repr(float(value))


def _cards(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each region's Dices, or what else comes first, and below them its other numbers."""
    cards = {row["region"]: {**row, "rows": []} for row in content["regions"]}
    dices = [row["scorer"] for row in content["regions"] if row["scorer"]]
    for row in content["cover"]["headline"] + content["cover"]["extra"]:
        empty = {"region": row["region"], "scorer": None, "voxel": None, "rows": []}
        if row not in dices:
            cards.setdefault(row["region"], empty)["rows"].append(row)
    return list(cards.values())


def _gallery(extremes: Mapping[str, Any], pictures: Mapping[str, Any]) -> dict[str, Any]:
    """Sort out which of the worst and best cases have a picture, each drawn once."""
    worst = {row["case"]: row for row in extremes["worst"]}
    best = {row["case"]: row for row in extremes["best"]}
    missing = {
        case: shot["missing"] if shot else "No picture: the results name no files for this case."
        for case in (worst | best if pictures else ())
        if not (shot := pictures.get(case)) or shot["missing"]
    }
    return {
        "worst": [row for case, row in worst.items() if case in pictures and case not in missing],
        "best": [
            row
            for case, row in best.items()
            if case in pictures and case not in missing and case not in worst
        ],
        "both": sorted(set(worst) & set(best) - set(missing)) if pictures else [],
        "missing": missing,
    }


def _by_metric(rows: list[dict[str, Any]], wanted: set[str]) -> list[dict[str, Any]]:
    """Group the distributions of wanted metrics and lesion counts, the regions within."""
    metrics: dict[str, dict[str, Any]] = {}
    for row in rows:
        metric = metric_info(row["metric"])
        counts_lesions = metric.kind == "count" and metric.decimals is not None
        if row["metric"] not in wanted and not counts_lesions:
            continue
        names = {"title": row["title"], "unit": row["unit"], "regions": {}}
        metrics.setdefault(row["metric"], names)["regions"][row["region"]] = row
    return list(metrics.values())


def _figures(
    content: Mapping[str, Any], results: Results, colours: Mapping[str, str]
) -> dict[str, str]:
    svgs = {"box": figures.box_plots(results)}
    if content["volume_and_dice"]:
        svgs["volume"] = figures.volume_plots(content["volume_and_dice"], colours)
        svgs["cross"] = heatmaps.cross_class_map(content["cross_class"])
        svgs["confusion"] = heatmaps.confusion_map(content["confusion"])
    if content["detection"]:
        names = bins(content["detection"]["bin_edges_mm3"])
        svgs["detection"] = figures.detection_plots(content["detection"], names)
    if content["selection"]:
        svgs |= selection_figures(content["selection"])
    for i, change in enumerate(content["changes"]):
        if not change["refusal"]:
            svgs[f"answer{i}"] = answer_plot(change, f"answer{i}")
            svgs[f"pairs{i}"] = figures.pair_plots(change, "pairs", i)
    return svgs
