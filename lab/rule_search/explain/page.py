"""The page itself; every string from a file is escaped."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lab.drawing.page import environment, stylesheet
from lab.drawing.style import label_colours, series_colour
from lab.rule_search.common_support import support_line
from lab.rule_search.declared_answer import far_line
from lab.rule_search.explain import figures
from lab.rule_search.explain.gates import GateSection
from lab.rule_search.gate_text import HOW_WEIGHED
from lab.rule_search.loss_limit import loss_line
from lab.rule_search.search_parameter import SearchParameter
from lab.rule_search.seed_noise import SeedNoise, noise_lines
from lab.rule_search.summary import rules_in_words
from lab.rule_search.workspace import Setup

SHIPS = {
    "adaptive": "Every cluster gets its own rules.",
    "pooled": "All cases get the same rules: more clusters gained nothing that held.",
    "identity": "Labels stay as the ensemble gives them: no rule gained anything that held.",
}


def render(
    setup: Setup,
    clusters: Mapping[str, Any],
    search: Mapping[str, Any],
    thumbnails: Sequence[Sequence[Mapping[str, Any]]],
    gates: GateSection,
) -> str:
    """Return one self-contained HTML page."""
    parameters = [SearchParameter.from_json(row) for row in search["parameters"]]
    methods = {row["method"]: row for row in search["effects"]}
    groups = [
        {
            **_rule_set(row, parameters, f"curves{k}"),
            "name": f"Cluster {k}",
            "colour": series_colour(k),
            "thumbnails": thumbnails[k],
        }
        for k, row in enumerate(search["clusters"])
    ]
    if len(groups) > 1:
        pooled = {**search["pooled"], "cases": len(search["cases"])}
        pooled = _rule_set(pooled, parameters, "curves")
        groups.append({**pooled, "name": "All cases together", "colour": None, "thumbnails": []})
    effect = methods[search["ships"] if search["ships"] != "identity" else "adaptive"]
    svgs = {
        "scatter": figures.scatter(search, clusters["variance_shares"]),
        "stability": figures.stability_plot(search["k"]) if search["k"] else "",
        "loadings": figures.loadings_plot(clusters["loadings"]),
        "forest": figures.forest(effect["columns"]),
    }
    return (
        environment(Path(__file__).parent)
        .get_template("page.html.j2")
        .render(
            setup=setup,
            clusters=clusters,
            search=search,
            ships=SHIPS[search["ships"]],
            methods=methods,
            effect=effect["method"],
            beside=_beside_effects(search),
            gates=gates,
            how_weighed=HOW_WEIGHED,
            groups=groups,
            figures={name: Markup(text) for name, text in svgs.items()},
            colours=label_colours(setup.scheme.labels),
            css=stylesheet(),
        )
    )


def _beside_effects(search: Mapping[str, Any]) -> list[str]:
    """Say what stands beside the gains: lesions lost, common support, far cases, other seeds."""
    lines = [
        line
        for row in search["effects"][1:]
        for line in (
            loss_line(row["method"], row["lost"]),
            support_line(row["method"], row["common_support"], search["cases"]),
        )
        if line
    ]
    if "far" in search:  # an older search has none
        lines.append(far_line(search["far"]))
    if search.get("seed_noise"):
        lines += noise_lines(SeedNoise(**search["seed_noise"]), search["effects"])
    return lines


def _rule_set(
    row: Mapping[str, Any], parameters: Sequence[SearchParameter], figure: str
) -> dict[str, Any]:
    """Describe a setting: its rules, the curves that matter, and the parameters that do not."""
    curves = row["curves"]
    plotted = [curve for curve in curves if figures.matters(curve)]
    harmful = [curve for curve in curves if figures.harms(curve)]
    without_effect = [curve for curve in curves if curve not in plotted and curve not in harmful]
    svg = figures.curve_plots(plotted, parameters, figure) if plotted else ""
    return {
        "cases": row["cases"],
        "rules": rules_in_words(parameters, tuple(row["setting"])).replace("->", "→"),
        "curves": Markup(svg),
        "harmful": [parameters[curve["parameter"]].title for curve in harmful],
        "without_effect": [parameters[curve["parameter"]].title for curve in without_effect],
    }
