"""The tables that `python -m lab rank` prints."""

import math

import numpy as np

from lab.evaluation.comparison import Comparison
from lab.evaluation.number_text import interval_text, p_text, signed, value_text, wrapped
from lab.evaluation.origin import in_sample_sentences
from lab.evaluation.paired import (
    ALPHA,
    RANK_AMONG_ALL,
    Pair,
    PairedDifference,
    Sampling,
)
from lab.evaluation.standings import Rule, Standings
from lab.statistics import CONFIDENCE

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


def text(
    comparison: Comparison,
    standings: Standings,
    pairs: tuple[Pair, ...],
    rule: Rule,
    sampling: Sampling,
) -> str:
    """Lay out all tables; who beats whom, which readers want most, comes last."""
    parts = (
        *(wrapped(f"IN SAMPLE: {each}") for each in in_sample_sentences(comparison.in_sample)),
        _heading(comparison, standings, rule),
        _ranking(comparison, standings),
        _positions(comparison, standings),
        _pairs_heading(comparison, pairs, sampling),
        *(_pair(comparison, pair, holm=len(pairs) > 1) for pair in pairs),
        _in_words(pairs),
    )
    return "\n\n".join(parts)


def sentence(pair: Pair) -> str:
    """Say in words which system is better, by score and by rank; differences as the verb takes."""
    if pair.in_sample:
        return f"{pair.second} against {pair.first}: no verdict; {'; '.join(pair.in_sample)}."
    rows = pair.overall
    if len(pair.winners) != 1:
        verdict = "score and rank contradict each other" if pair.winners else "no difference shown"
        numbers = "; ".join(map(_numbers, rows))
        return f"{pair.second} against {pair.first}: {verdict}; {numbers}."
    winner, loser = pair.second, pair.first
    if winner not in pair.winners:
        winner, loser = loser, winner
        rows = tuple(row.reverse() for row in rows)
    parts = [("" if c.is_significant else "not shown by ") + _numbers(c) for c in rows]
    return f"{winner} is better than {loser}: {'; '.join(parts)}."


def letter(i: int) -> str:
    """Return a short name for the i-th system: A to Z, then A2."""
    return chr(ord("A") + i % 26) + (str(i // 26 + 1) if i >= 26 else "")


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
    rows = "cases and summary rows" if len(comparison.summary_values) else "cases"
    lines = [
        wrapped(
            f"RANKING: mean rank over {rows}, then the columns of a region, then regions; lower is "
            "better"
        ),
        f"place  {'system':<{width}}  mean rank"
        + "".join(f"{r[:9]:>10}" for r in regions)
        + ("" if standings.mean_score is None else "   mean score"),
    ]
    for i in np.argsort(standings.place, kind="stable"):
        name = f"{letter(i)}  {tuple(comparison.systems)[i]}"
        line = f"{standings.place[i]:>5}  {name:<{width}}  {standings.mean_rank[i]:>9.4f}"
        line += "".join(f"{values[i]:>10.4f}" for values in regions.values())
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
    return "\n".join([heading, *lines])


def _pairs_heading(comparison: Comparison, pairs: tuple[Pair, ...], sampling: Sampling) -> str:
    sentences = [
        f"PAIRS: mean difference over cases, with its {CONFIDENCE:.0%} bootstrap interval "
        f"({sampling.resamples} resamples of cases).",
        f"p: two-sided sign flips, {sampling.flips} random ones, or all where the cases that "
        "differ allow no more.",
    ]
    if len(pairs) > 1:
        sentences.append(f"Holm: p adjusted for the {len(pairs)} pairs, row by row.")
        sentences.append(
            f"Mean rank: between the two alone; {RANK_AMONG_ALL}: the ranking's, among all "
            f"{len(comparison.systems)}."
        )
    if len(comparison.summary_values):
        sentences.append("Summary rows are no cases and take no part.")
    return wrapped(" ".join([*sentences, f"Seed {sampling.seed}."]))


def _pair(comparison: Comparison, pair: Pair, holm: bool) -> str:
    names = list(comparison.systems)
    first, second = letter(names.index(pair.first)), letter(names.index(pair.second))
    width = max(len(c.what) for c in pair.comparisons)
    better, worse = f"{second} better", f"{second} worse"
    lines = [
        f"{second} - {first}: {pair.second} minus {pair.first}",
        f"{'':<{width}}  better  difference {'interval':>22}  {'p':>7}"
        + (f"  {'Holm':>7}" if holm else "")
        + f"  {'n':>4}  {better:>8}  {worse:>8}",
    ]
    lines += [
        f"{c.what:<{width}}  {c.better:<6}  {signed(c.difference):>10} "
        + f"{interval_text(c.low, c.high):>22}"
        + f"  {p_text(c.p):>7}"
        + (f"  {p_text(c.p_holm):>7}" if holm else "")
        + f"  {c.n:>4}  {c.n_better:>8}  {c.n_worse:>8}"
        for c in pair.comparisons
    ]
    return "\n".join(lines)


def _in_words(pairs: tuple[Pair, ...]) -> str:
    after = " after Holm" if len(pairs) > 1 else ""
    heading = f"IN WORDS: a difference is shown where p{after} is below {ALPHA}"
    return "\n".join([heading, *(wrapped(sentence(pair)) for pair in pairs)])


def _numbers(c: PairedDifference) -> str:
    if math.isnan(c.p):  # no case has both numbers, or some differ by infinity
        return f"{c.what} {signed(c.difference)}, not tested"
    adjusted = "" if c.p_holm == c.p else f" (Holm {p_text(c.p_holm)})"
    interval = interval_text(c.low, c.high)
    return f"{c.what} {signed(c.difference)} {interval}, p = {p_text(c.p)}{adjusted}"
