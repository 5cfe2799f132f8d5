"""The frame of all pages: number formats, escaping, style; every string from a file is escaped."""

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

NARROW = "\u202f"  # no-break space between thousands
DECIMALS = {"": 3, "mm": 2, "mm3": 0, "mL": 3, "count": 1}


def number(value: float | None, unit: str = "") -> str:
    """Format a number: scores with 3 decimals, mm with 2, mL with 3, mm3 without; absent is "-"."""
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


def signed4(value: float | None) -> str:
    """Format a gain with its sign and four decimals; "-" where there is none."""
    if value is None or math.isnan(value):
        return "-"
    return f"{0.0 if abs(value) < 5e-5 else value:+.4f}".replace("+0.0000", "0.0000").replace(
        "-", "−"
    )


def difference(value: float, unit: str = "") -> str:
    """Format a difference as `rank` does: of scores with four decimals, else by its unit."""
    return signed(value, unit) if unit or not math.isfinite(value) else signed4(value)


def interval(estimate: Mapping[str, Any], unit: str = "", sign: bool = False) -> str:
    """Format an estimate's bootstrap interval, or say that there is none."""
    if math.isnan(estimate["low"]):
        return "no interval"
    text_of = signed if sign else number
    return f"{text_of(estimate['low'], unit)} to {text_of(estimate['high'], unit)}"


def difference_interval(row: Mapping[str, Any], unit: str = "") -> str:
    """Format the interval of a difference, or say that there is none."""
    if math.isnan(row["low"]):
        return "no interval"
    return f"{difference(row['low'], unit)} to {difference(row['high'], unit)}"


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


def environment(folder: Path) -> jinja2.Environment:
    """Return what renders the templates of a folder, with the lab's number formats."""
    rendering = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rendering.filters |= {
        "number": number,
        "signed": signed,
        "signed4": signed4,
        "difference": difference,
        "difference_interval": difference_interval,
        "interval": interval,
        "count": count,
        "percent": percent,
        "bins": bins,
        "md": markdown_cell,
    }
    return rendering
