"""A ranking as one HTML page; every string from a file is escaped."""

from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from lab.drawing.page import environment, number, signed4, stylesheet
from lab.drawing.style import series_colour
from lab.evaluation import rank_figures
from lab.evaluation.common_support import CommonSupport, moved_sentence
from lab.evaluation.number_text import letter, p_text
from lab.evaluation.origin import in_sample_sentences
from lab.evaluation.pair import ALPHA, MEAN_SCORE, Pair, PairedDifference
from lab.evaluation.pair_text import below_floor, sentence
from lab.evaluation.rank_text import NAN, TIES
from lab.evaluation.ranking import Ranking
from lab.evaluation.significance import LARGEST_P
from lab.evaluation.stability_text import HOW, withheld_sentences
from lab.evaluation.subgroup_text import grouping_sentence
from lab.evaluation.subgroups import FEWEST_CASES, Subgroup


def render(ranking: Ranking) -> str:
    """Return the page: tables, figures and style all inside."""
    rendering = environment(Path(__file__).parent)
    rendering.filters |= {"letter": letter, "p_text": p_text, "place": lambda v: f"{v:g}"}
    systems = [_system(ranking, i) for i in ranking.order]
    figures = {
        "blob": rank_figures.blob_plot(ranking),
        "line": rank_figures.line_plot(ranking),
        "box": rank_figures.box_plot(ranking),
        "tau": rank_figures.tau_plot(ranking),
        "significance": rank_figures.significance_maps(ranking),
    }
    return rendering.get_template("rank_page.html.j2").render(
        ranking=ranking,
        comparison=ranking.comparison,
        systems=systems,
        leader=systems[0],
        in_sample=in_sample_sentences(ranking.comparison.in_sample),
        withheld=withheld_sentences(ranking),
        tiers=[[letter(i) for i in group] for group in ranking.tiers.groups],
        pairs=[_pair(ranking, pair) for pair in ranking.pairs],
        supports=[row for pair in ranking.pairs for row in _supports(ranking, pair)],
        floors=ranking.floors,
        groups=_groups(ranking),
        figures={name: Markup(text) for name, text in figures.items()},
        how=HOW,
        ties=TIES[ranking.rule.ties],
        nan=NAN[ranking.rule.nan],
        alpha=ALPHA,
        largest_p=LARGEST_P,
        fewest=FEWEST_CASES,
        css=stylesheet(),
    )


def _system(ranking: Ranking, i: int) -> dict[str, Any]:
    """Return the row of one system in the first table."""
    standings, first = ranking.standings, ranking.stability[0]
    low, high = first.interval[:, i]
    return {
        "letter": letter(i),
        "name": ranking.names[i],
        "colour": series_colour(i),
        "in_sample": ranking.names[i] in ranking.comparison.in_sample,
        "place": int(standings.place[i]),
        "mean_rank": standings.mean_rank[i],
        "mean_score": None if standings.mean_score is None else standings.mean_score[i],
        "interval": f"{low:g}" if low == high else f"{low:g}–{high:g}",
        "first": first.first[i],
        "tier": int(ranking.tiers.tier[i]),
        "by_means": int(ranking.stability[1].full[i]),
        "wins": int(ranking.significance.wins[i]),
        "wins_holm": int(ranking.significance.wins_holm[i]),
    }


def _pair(ranking: Ranking, pair: Pair) -> dict[str, Any]:
    """Return two systems' overall numbers, and the sentence that says what they show."""
    rows = [
        {
            "what": row.what,
            "difference": signed4(row.difference),
            "interval": _interval(row),
            "p": p_text(row.p_holm),
            "is_shown": row.is_significant and not pair.in_sample,
            "below_floor": below_floor(row, ranking.floors),
        }
        for row in pair.overall
    ]
    return {
        "letters": _letters(ranking, pair),
        "rows": rows,
        "n": max(row.n for row in pair.overall),
        "without_verdict": bool(pair.withheld or pair.in_sample),
        "sentence": sentence(pair, ranking.floors),
    }


def _supports(ranking: Ranking, pair: Pair) -> list[dict[str, Any]]:
    """Return what differs in which cases count, a row a number."""
    sides = (pair.first, pair.second)
    signs = {str(column): column.sign for column in ranking.comparison.columns}
    return [
        {
            "letters": _letters(ranking, pair),
            "what": what,
            "support": support,
            "official": signed4(support.official),
            "difference": signed4(support.difference),
            "interval": _interval(support),
            "p": p_text(support.p),
            "turned": any(
                each.gains_by_denominator(signs.get(what, 1))
                for each in (support, support.reverse())
            ),
            "counts": ", ".join(
                f"{len(places)} of {side} only"
                for side, places in zip(
                    _sides(ranking, pair), (support.left, support.entered), strict=True
                )
                if places
            ),
            "moved": ""
            if what == MEAN_SCORE
            else moved_sentence(support, ranking.comparison.cases, sides),
        }
        for what, support in pair.support.items()
    ]


def _groups(ranking: Ranking) -> list[dict[str, Any]]:
    """Return every grouping with the rows of its groups."""
    return [
        {
            "title": grouping.column,
            "sentence": grouping_sentence(grouping),
            "rows": [
                row
                for group in ranking.subgroups
                if group.column == grouping.column
                for row in _group_rows(ranking, group)
            ],
        }
        for grouping in ranking.groupings
    ]


def _group_rows(ranking: Ranking, group: Subgroup) -> list[dict[str, Any]]:
    standings = group.standings
    start = {"group": group.name, "n": group.cases, "tau": group.tau}
    if standings is None:
        return [start | {"system": None}]
    rows = []
    for i in np.argsort(standings.place, kind="stable").tolist():
        gain = group.gains[i - 1] if i else None
        rows.append(
            start
            | {
                "system": f"{letter(i)}  {ranking.names[i]}",
                "place": int(standings.place[i]),
                "mean_rank": number(standings.mean_rank[i]),
                "mean_score": ""
                if standings.mean_score is None
                else number(standings.mean_score[i]),
                "gain": gain,
                "difference": gain and signed4(gain.gain),
                "interval": gain and _interval(gain),
            }
        )
        start = {"group": "", "n": "", "tau": None}
    return rows


def _sides(ranking: Ranking, pair: Pair) -> tuple[str, str]:
    first, second = (letter(ranking.names.index(name)) for name in (pair.first, pair.second))
    return first, second


def _letters(ranking: Ranking, pair: Pair) -> str:
    first, second = _sides(ranking, pair)
    return f"{second} − {first}"


def _interval(row: PairedDifference | CommonSupport | Any) -> str:
    return "no interval" if np.isnan(row.low) else f"{signed4(row.low)} to {signed4(row.high)}"
