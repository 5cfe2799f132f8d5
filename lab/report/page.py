"""The report's numbers as a page and as Markdown; every string from a file is escaped."""

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from lab.report import figures, heatmaps
from lab.report.headline import headline_metrics, lower_is_better, title, unit
from lab.report.selected import selection_figures
from lab.results import Results

NARROW = "\u202f"  # no-break space between thousands
DECIMALS = {"": 3, "mm": 2, "mm3": 0, "count": 1}


def render_html(
    content: Mapping[str, Any], results: Results, pictures: Mapping[str, Mapping[str, Any]]
) -> str:
    """Return the page: figures, pictures and style all inside."""
    colours = figures.label_colours(results.labels)
    svgs = {name: Markup(text) for name, text in _figures(content, results, colours).items()}
    template = environment().get_template("page.html.j2")
    rest = {
        "cards": _cards(content),
        "regions_shown": results.scored_regions,
        "spread": _by_metric(content["distributions"], set(headline_metrics(results))),
        "colours": colours,
        "css": stylesheet(),
    }
    return template.render(**content, figures=svgs, pictures=pictures, **rest)


def render_markdown(content: Mapping[str, Any]) -> str:
    """Return the same numbers as Markdown tables."""
    text = environment().get_template("page.md.j2").render(**content)
    return re.sub(r"\n{3,}", "\n\n", text)


def number(value: float | None, unit: str = "") -> str:
    """Format a number: scores with 3 decimals, mm with 2, mm3 without; absent is "-"."""
    if value is None:
        return "-"
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    text = f"{value:,.{DECIMALS[unit]}f}".replace(",", NARROW)
    return re.sub(r"^-(0(\.0+)?)$", r"\1", text).replace("-", "−")


def signed(value: float, unit: str = "") -> str:
    """Format a difference with its sign."""
    text = number(value, unit)
    return f"+{text}" if value > 0 and re.search(r"[1-9∞]", text) else text


def interval(estimate: Mapping[str, Any], unit: str = "", sign: bool = False) -> str:
    """Format an estimate's bootstrap interval, or say that there is none."""
    if math.isnan(estimate["low"]):
        return "no interval"
    told = signed if sign else number
    return f"{told(estimate['low'], unit)} to {told(estimate['high'], unit)}"


def count(value: int) -> str:
    """Format a count with thousands set apart."""
    return f"{value:,}".replace(",", NARROW)


def percent(value: float) -> str:
    """Format a share in percent with one decimal."""
    return "n/a" if math.isnan(value) else f"{value * 100:.1f}{NARROW}%"


def bins(edges: list[float]) -> list[str]:
    """Name the bins between edges; a bin holds its upper edge."""
    inner = [f"{count(int(a))}–{count(int(b))}" for a, b in pairwise(edges[1:-1])]
    return [f"≤ {count(int(edges[1]))}", *inner, f"> {count(int(edges[-2]))}"]


def markdown_cell(value: object) -> Markup:
    """Escape a string for a Markdown table: no HTML, no link, no cell border."""
    plain = re.sub(r"([\\`*\[\]|])", r"\\\1", " ".join(str(value).split()))
    return escape(plain)


def stylesheet() -> Markup:
    """Return the style that all pages of the lab share."""
    return Markup((Path(__file__).parent / "page.css").read_text(encoding="utf-8"))


def environment(folder: Path = Path(__file__).parent) -> jinja2.Environment:
    """Return what renders the templates of a folder, with the lab's number formats."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "number": number,
        "signed": signed,
        "interval": interval,
        "count": count,
        "percent": percent,
        "bins": bins,
        "md": markdown_cell,
        "metric_title": title,
        "metric_unit": unit,
        "lower_is_better": lower_is_better,
        "units": lambda unit: figures.UNITS[unit],
    }
    return found


def _cards(content: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Group the cover's numbers by region."""
    cards: dict[str, list[dict[str, Any]]] = {}
    for row in content["cover"]["headline"] + content["cover"]["extra"]:
        cards.setdefault(row["region"], []).append(row)
    return list(cards.values())


def _by_metric(rows: list[dict[str, Any]], wanted: set[str]) -> list[dict[str, Any]]:
    """Group the distributions of wanted metrics and lesion counts, the regions within."""
    metrics: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["metric"] not in wanted and not row["metric"].startswith("num_"):
            continue
        names = {"title": row["title"], "unit": row["unit"], "regions": {}}
        metrics.setdefault(row["metric"], names)["regions"][row["region"]] = row
    return list(metrics.values())


def _figures(
    content: Mapping[str, Any], results: Results, colours: Mapping[str, str]
) -> dict[str, str]:
    found = {"box": figures.box_plots(results)}
    if content["volume_and_dice"]:
        found["volume"] = figures.volume_plots(content["volume_and_dice"], colours)
        found["cross"] = heatmaps.cross_class_map(content["cross_class"])
        found["confusion"] = heatmaps.confusion_map(content["confusion"])
    if content["detection"]:
        names = bins(content["detection"]["bin_edges_mm3"])
        found["detection"] = figures.detection_plots(content["detection"], names)
    if content["selection"]:
        found |= selection_figures(content["selection"])
    for i, change in enumerate(content["changes"]):
        found[f"pairs{i}"] = figures.pair_plots(change, "pairs", i)
    return found
