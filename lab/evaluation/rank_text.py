"""The tables that `python -m lab rank` prints."""

import numpy as np

from lab.evaluation.comparison import Comparison
from lab.evaluation.number_text import letter, value_text, wrapped
from lab.evaluation.origin import in_sample_sentences
from lab.evaluation.pair_text import pairs_text
from lab.evaluation.ranking import Ranking
from lab.evaluation.stability_text import significance_text, stability_text, tiers_text
from lab.evaluation.standings import Rule, Standings
from lab.evaluation.subgroup_text import subgroups_text

TIES = {
    "average": "share the average of the places they take",
    "dense": "share a rank, and the next rank follows directly",
    "competition": "share the best of the places they take",
}
NAN = {
    "by-cause": "ranks before every number where neither map holds the region, else behind",
    "worst": "ranks behind every number",
    "best": "ranks before every number",
    "last": "takes the last rank, that is the number of systems",
    "tie": "makes all systems equal in that case and column",
}


def text(ranking: Ranking) -> str:
    """Lay out all tables; who beats whom, which readers want most, comes last."""
    comparison, standings = ranking.comparison, ranking.standings
    parts = (
        *(wrapped(f"IN SAMPLE: {each}") for each in in_sample_sentences(comparison.in_sample)),
        _heading(comparison, standings, ranking.rule),
        _ranking(comparison, standings),
        _positions(comparison, standings),
        stability_text(ranking),
        significance_text(ranking),
        tiers_text(ranking),
        *(
            [subgroups_text(ranking.groupings, ranking.subgroups, ranking.names)]
            if ranking.groupings
            else []
        ),
        pairs_text(comparison, ranking.pairs, ranking.sampling, ranking.floors),
    )
    return "\n\n".join(parts)


def _heading(comparison: Comparison, standings: Standings, rule: Rule) -> str:
    n, rows = len(comparison.cases), len(comparison.summary_values)
    metrics = {c.metric: c.better for c in comparison.columns}
    regions = dict.fromkeys(c.region for c in comparison.columns)
    lines = [
        f"{len(comparison.systems)} systems, scorer {comparison.scorer}, n = {n} cases"
        + (f" and {rows} summary rows, which are ranked as if they were cases" if rows else ""),
        f"Columns: {len(comparison.columns)}, of {', '.join(regions)}. "
        + " ".join(
            f"{better.capitalize()} is better: {', '.join(named)}."
            for better in ("higher", "lower")
            if (named := [m for m, b in metrics.items() if b == better])
        ),
        f"Ranked by {comparison.chosen}: {', '.join(metrics)}."
        + (f" Reported, not ranked: {', '.join(rest)}." if (rest := comparison.not_ranked) else ""),
        f"Ranks: 1 is best. Ties: {rule.ties}, systems that are equal to the last digit "
        f"{TIES[rule.ties]}.",
        _nan(comparison, standings, rule),
    ]
    return "\n".join(wrapped(line) for line in lines)


def _nan(comparison: Comparison, standings: Standings, rule: Rule) -> str:
    cells, split = standings.nan_cells
    total = comparison.values.shape[0] * comparison.values.shape[1]
    count = f"{cells or 'none'} of {total} cells (case x column)"
    if cells:
        count += f", {split} of them for some systems only"
    absent = f" The scorer: {comparison.absent}." if comparison.absent else ""
    return f"NaN: {rule.nan}, it {NAN[rule.nan]}. Here: {count}.{absent}"


def _ranking(comparison: Comparison, standings: Standings) -> str:
    width = max(map(len, comparison.systems)) + len(letter(len(comparison.systems) - 1)) + 2
    regions = standings.region_rank
    region_width = max(10, *(min(len(region) + 1, 20) for region in regions))
    rows = "cases and summary rows" if len(comparison.summary_values) else "cases"
    lines = [
        wrapped(
            f"RANKING: mean rank over {rows}, then the columns of a region, then regions; lower is "
            "better"
        ),
        f"place  {'system':<{width}}  mean rank"
        + "".join(f"{r[: region_width - 1]:>{region_width}}" for r in regions)
        + ("" if standings.mean_score is None else "   mean score"),
    ]
    for i in np.argsort(standings.place, kind="stable"):
        name = f"{letter(i)}  {tuple(comparison.systems)[i]}"
        line = f"{standings.place[i]:>5}  {name:<{width}}  {standings.mean_rank[i]:>9.4f}"
        line += "".join(f"{values[i]:>{region_width}.4f}" for values in regions.values())
        if standings.mean_score is not None:
            line += f"{value_text(standings.mean_score[i]):>13}"
        lines.append(line)
    if standings.mean_score is not None:
        lines.append(
            "Mean score: mean over cases of the columns where higher is better; higher is better"
        )
    return "\n".join(lines)


def _positions(comparison: Comparison, standings: Standings) -> str:
    heading = wrapped(
        "POSITION OF MEANS: each column's mean over cases, NaN left out (its position), then "
        "the mean position over the columns of a region, then regions; lower is better"
    )
    rows = [("", "better", [letter(i) for i in range(len(comparison.systems))])]
    for column, means, positions in zip(
        standings.mean_columns, standings.means, standings.positions, strict=True
    ):
        pairs = zip(means, positions, strict=True)
        cells = [f"{value_text(mean)} ({position:g})" for mean, position in pairs]
        rows.append((str(column), column.better, cells))
    rows.append(("mean position", "lower", [f"{v:.4f}" for v in standings.mean_position]))
    width = max(len(name) for name, _, _ in rows)
    cell = max(len(cell) for _, _, cells in rows for cell in cells) + 2
    lines = (
        f"{name:<{width}}  {better:<6}" + "".join(f"{text:>{cell}}" for text in cells)
        for name, better, cells in rows
    )
    return "\n".join([heading, *lines, *_unequal_cases(comparison)])


def _unequal_cases(comparison: Comparison) -> list[str]:
    """Say in which columns the means of the systems are not over the same cases."""
    counted = ~np.isnan(comparison.values)
    unequal = np.flatnonzero((counted.any(-1) != counted.all(-1)).any(0))
    if not unequal.size:
        return []
    n = counted.sum(0)[unequal]
    columns = (
        f"{comparison.columns[i]} ({low} to {high} of {len(comparison.cases)})"
        for i, low, high in zip(unequal, n.min(-1), n.max(-1), strict=True)
    )
    return [wrapped(f"Not the same cases count for all systems: {', '.join(columns)}; see PAIRS.")]
