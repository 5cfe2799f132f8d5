"""The study as a page with figures, as Markdown, and as JSON: the same numbers in all three."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup
from matplotlib.axes import Axes

from lab.drawing.page import environment, markdown_cell, signed4, stylesheet
from lab.drawing.style import ACCENT, ALARM, INK, QUIET
from lab.drawing.svg import grid
from lab.rule_search.workspace import write_json

WRAPPED = 'td[style*="left"] { white-space: normal; }'


def write_study(content: Mapping[str, Any], html: Path) -> list[Path]:
    """Write the page, and beside it Markdown and JSON."""
    return _write(content, "page.md.j2", _figures(content), html)


def write_systems_study(content: Mapping[str, Any], html: Path) -> list[Path]:
    """Write the page of a study of label maps, and beside it Markdown and JSON."""
    return _write(content, "systems.md.j2", _systems_figures(content), html)


def _write(
    content: Mapping[str, Any], template: str, figures: Mapping[str, str], html: Path
) -> list[Path]:
    text = render_markdown(content, template)
    markdown, numbers = html.with_suffix(".md"), html.with_suffix(".json")
    html.write_text(render_page(text, figures), encoding="utf-8")
    markdown.write_text(text, encoding="utf-8")
    write_json(numbers, content)
    return [html, markdown, numbers]


def render_markdown(content: Mapping[str, Any], template: str = "page.md.j2") -> str:
    """Return the numbers as Markdown."""
    templates = environment(Path(__file__).parent)
    templates.filters |= {"span": span, "words": words}
    text = templates.get_template(template).render(**content)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def render_page(text: str, figures: Mapping[str, str]) -> str:
    """Return the same text as one self-contained page, a figure below each heading that has one."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    body = body.replace("<table>", '<div class="scroll"><table>')
    body = body.replace("</table>", "</table></div>")
    for heading, svg in figures.items():
        line = f"<h2>{heading}</h2>\n"
        body = body.replace(line, f"{line}<figure>{svg}</figure>\n")
    title = text.splitlines()[0].removeprefix("# ")
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{stylesheet()}{WRAPPED}</style>\n</head>\n"
        f"<body><main>\n{body}</main></body>\n</html>\n"
    )


def span(row: Mapping[str, Any]) -> str:
    """Format the interval of a row."""
    return f"{signed4(row['low'])} to {signed4(row['high'])}"


def words(rules: str) -> Markup:
    """Return rules for a cell of a table: no sign that HTML or Markdown would read."""
    return Markup(markdown_cell(rules.replace("<", "below").replace("->", "→")))


def _figures(content: Mapping[str, Any]) -> dict[str, str]:
    """Draw the figures, by the heading that each stands below."""
    null, configs = content["null"], content["configs"]
    return {
        "Adaptive, global, identity": _intervals(content["methods"][1:], "method", "methods"),
        "The published configuration and the validated one": grid(
            [None], lambda ax, _: _configs(ax, configs), "configs", 1, 2.2
        ),
        "Where nothing is to be gained": grid(
            [None], lambda ax, _: _null(ax, null), "null", 1, 2.6
        ),
    }


def _systems_figures(content: Mapping[str, Any]) -> dict[str, str]:
    figures = {
        f"What rules gain on {part['name']}": _intervals(
            part["methods"][1:], "method", f"methods{number}"
        )
        for number, part in enumerate(content["systems"])
    }
    if content["between"]:
        rows = [
            {"pair": f"{row['rules_of']} → {row['applied_to']}", **row["pooled"]}
            for row in content["between"]
        ]
        figures["Rules of one system on another's label maps"] = _intervals(rows, "pair", "between")
    return figures


def _intervals(rows: Sequence[Mapping[str, Any]], key: str, name: str) -> str:
    """Draw gains with their intervals, one a row."""

    def draw(ax: Axes, _: None) -> None:
        for i, row in enumerate(rows[::-1]):
            colour = ACCENT if row["low"] > 0 else QUIET
            ax.plot([row["low"], row["high"]], [i, i], color=colour, lw=2)
            ax.plot(row["gain"], i, "o", color=colour, ms=6)
        ax.axvline(0, color=INK, lw=0.8)
        ax.set_yticks(range(len(rows)), [row[key] for row in rows[::-1]])
        ax.set_xlabel("held-out gain over no rules, 95 % interval")

    return grid([None], draw, name, 1, 0.8 + 0.32 * len(rows))


def _null(ax: Axes, rows: list[Mapping[str, Any]]) -> None:
    """Draw the gain in sample and held out where nothing is to be gained."""
    for i, row in enumerate(rows):
        ax.plot([i, i], [row["low"], row["high"]], color=QUIET, lw=1.4)
        ax.plot(i, row["gain"], "o", color=QUIET if row["ships"] == "identity" else ALARM, ms=4)
        ax.plot(i, row["in_sample"], "_", color=ACCENT, ms=9, mew=2)
    ax.axhline(0, color=INK, lw=0.8)
    ax.set_xticks(range(len(rows)), [str(row["seed"]) for row in rows], fontsize=7)
    ax.set_xlabel("cohort without systematic errors (seed)")
    ax.set_ylabel("● held out, ▬ in sample")


def _configs(ax: Axes, rows: list[Mapping[str, Any]]) -> None:
    """Draw the gain in sample and held out of both configurations."""
    for i, row in enumerate(rows[::-1]):
        ax.plot([row["low"], row["high"]], [i, i], color=ACCENT, lw=2)
        ax.plot(row["gain"], i, "o", color=ACCENT, ms=6)
        ax.plot(row["in_sample"], i, "D", color=INK, ms=6, mfc="none")
    ax.axvline(0, color=INK, lw=0.8)
    ax.set_yticks(range(len(rows)), [row["config"] for row in rows[::-1]])
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_xlabel("● held-out gain, 95 % interval; ◇ on the cases that chose the rules")
