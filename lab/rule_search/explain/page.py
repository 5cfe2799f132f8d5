"""The page itself; every string from a file is escaped."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lab.drawing.page import environment, stylesheet
from lab.drawing.svg import label_colours
from lab.rule_search.explain import figures
from lab.rule_search.search_space import SearchParameter
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
    shots: Sequence[Sequence[Mapping[str, Any]]],
) -> str:
    """Return one self-contained HTML page."""
    parameters = [
        SearchParameter(
            row["label"], row["region"], row["becomes"], row["unit"], tuple(row["grid"])
        )
        for row in search["parameters"]
    ]
    methods = {row["method"]: row for row in search["effects"]}
    groups = [
        _group(f"Cluster {k}", row, (parameters, search), k) | {"shots": shots[k]}
        for k, row in enumerate(search["clusters"])
    ]
    pooled = {**search["pooled"], "cases": len(search["cases"])}
    if len(groups) > 1:
        groups.append(_group("All cases together", pooled, (parameters, search), None))
    svgs = {
        "scatter": figures.scatter(search, clusters["variance_shares"]),
        "stability": figures.stability_plot(search["k"]) if search["k"] else "",
        "loadings": figures.loadings_plot(clusters["loadings"]),
        "forest": figures.forest(methods["adaptive"]["columns"]),
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
            groups=groups,
            figures={name: Markup(text) for name, text in svgs.items()},
            colours=label_colours(setup.scheme.labels),
            css=stylesheet(),
        )
    )


def _group(
    name: str,
    row: Mapping[str, Any],
    where: tuple[Sequence[SearchParameter], Mapping[str, Any]],
    number: int | None,
) -> dict[str, Any]:
    parameters, search = where
    shown = [curve for curve in row["curves"] if figures.matters(curve)]
    harmful = [parameters[c["parameter"]].title for c in row["curves"] if figures.harms(c)]
    still = [
        parameters[c["parameter"]].title
        for c in row["curves"]
        if not figures.matters(c) and not figures.harms(c)
    ]
    svg = figures.curve_plots(shown, search["parameters"], f"curves{number}") if shown else ""
    return {
        "name": name,
        "cases": row["cases"],
        "colour": None if number is None else figures.cluster_colour(number),
        "rules": rules_in_words(parameters, tuple(row["setting"])).replace("->", "→"),
        "curves": Markup(svg),
        "still": still,
        "harmful": harmful,
        "shots": [],
    }
