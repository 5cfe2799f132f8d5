"""What `python -m lab rank` prints of every two systems."""

import math
from collections.abc import Mapping

from lab.evaluation.common_support import moved_sentence, support_sentence
from lab.evaluation.comparison import Comparison
from lab.evaluation.number_text import (
    interval_text,
    letter,
    p_text,
    signed,
    wrapped,
)
from lab.evaluation.pair import (
    ALPHA,
    MEAN_SCORE,
    RANK_AMONG_ALL,
    Pair,
    PairedDifference,
    Sampling,
)
from lab.evaluation.seed_floor import SeedFloor
from lab.statistics import CONFIDENCE

Floors = Mapping[str, SeedFloor]


def pairs_text(
    comparison: Comparison, pairs: tuple[Pair, ...], sampling: Sampling, floors: Floors
) -> str:
    """Lay out the table of every pair; who beats whom, which readers want most, comes last."""
    heading = _heading(comparison, pairs, sampling, floors)
    tables = [_pair(comparison, pair, len(pairs) > 1, floors) for pair in pairs]
    after = " after Holm" if len(pairs) > 1 else ""
    in_words = f"IN WORDS: a difference is shown where p{after} is below {ALPHA}"
    lines = [in_words, *(wrapped(sentence(pair, floors)) for pair in pairs)]
    return "\n\n".join([heading, *tables, "\n".join(lines)])


def sentence(pair: Pair, floors: Floors | None = None) -> str:
    """Say in words which system is better, by score and by rank; differences as the verb takes."""
    floors = floors or {}
    against = f"{pair.second} against {pair.first}"
    if pair.in_sample:
        return f"{against}: no verdict; {'; '.join(pair.in_sample)}."
    rows = pair.overall
    if pair.withheld:
        numbers = [_numbers(row, floors) for row in rows]
        return f"{'; '.join([_withheld(pair), *numbers])}."
    if len(pair.winners) != 1:
        verdict = "score and rank contradict each other" if pair.winners else "no difference shown"
        return f"{against}: {verdict}; {'; '.join(_numbers(row, floors) for row in rows)}."
    winner, loser = pair.second, pair.first
    if winner not in pair.winners:
        winner, loser = loser, winner
        rows = tuple(row.reverse() for row in rows)
    parts = [("" if c.is_significant else "not shown by ") + _numbers(c, floors) for c in rows]
    return f"{winner} is better than {loser}: {'; '.join(parts)}."


def _withheld(pair: Pair) -> str:
    """Say why a system whose numbers are better is not called better."""
    support, name, other = pair.support[MEAN_SCORE], pair.second, pair.first
    if name not in pair.withheld:
        support, name, other = support.reverse(), pair.first, pair.second
    return (
        f'{pair.second} against {pair.first}: no verdict "better" for {name}; over the '
        f"{support.n} cases with a score of both its {MEAN_SCORE} is lower than that of {other}, "
        f"{signed(support.difference)} {interval_text(support.low, support.high)}, "
        f"p = {p_text(support.p)}, and what it gains comes from cases or regions that have a "
        "score of one of the two only"
    )


def _heading(
    comparison: Comparison, pairs: tuple[Pair, ...], sampling: Sampling, floors: Floors
) -> str:
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
    if any(pair.support for pair in pairs):
        sentences.append(
            "Common support: the cases where both have a measured score; a value that the scorer "
            "gives where there is nothing to score is none. p there is not adjusted."
        )
    if not comparison.counted:
        sentences.append(
            "Not every file has voxel or lesion counts: where there are none, every number counts "
            "as a measured score."
        )
    if floors:
        any_floor = next(iter(floors.values()))
        sentences.append(
            f"Floor: the largest difference between {any_floor.seeds} seeds of "
            f"{next(iter(comparison.systems))}, over {any_floor.cases} cases."
        )
    if len(comparison.summary_values):
        sentences.append("Summary rows are no cases and take no part.")
    return wrapped(" ".join([*sentences, f"Seed {sampling.seed}."]))


def _pair(comparison: Comparison, pair: Pair, holm: bool, floors: Floors) -> str:
    names = list(comparison.systems)
    first, second = letter(names.index(pair.first)), letter(names.index(pair.second))
    width = max(len(c.what) for c in pair.comparisons)
    better, worse = f"{second} better", f"{second} worse"
    lines = [
        f"{second} - {first}: {pair.second} minus {pair.first}",
        f"{'':<{width}}  better  difference {'interval':>22}  {'p':>7}"
        + (f"  {'Holm':>7}" if holm else "")
        + f"  {'n':>4}  {better:>8}  {worse:>8}"
        + (f"  {'floor':>8}" if floors else ""),
    ]
    lines += [
        f"{c.what:<{width}}  {c.better:<6}  {signed(c.difference):>10} "
        + f"{interval_text(c.low, c.high):>22}"
        + f"  {p_text(c.p):>7}"
        + (f"  {p_text(c.p_holm):>7}" if holm else "")
        + f"  {c.n:>4}  {c.n_better:>8}  {c.n_worse:>8}"
        + (_floor_cell(c, floors) if floors else "")
        for c in pair.comparisons
    ]
    lines += [wrapped(f"  common support, {each}") for each in support_sentences(comparison, pair)]
    return "\n".join(lines)


def support_sentences(comparison: Comparison, pair: Pair) -> list[str]:
    """Say what the means have that common support has not, number by number."""
    lines = []
    signs = {str(column): column.sign for column in comparison.columns}
    sides = (pair.first, pair.second)
    for what, support in pair.support.items():
        sign = signs.get(what, 1)
        turned = any(each.gains_by_denominator(sign) for each in (support, support.reverse()))
        words = support_sentence(support, what, sides)
        warning = " THE MEANS GAIN, COMMON SUPPORT LOSES." if turned else ""
        moved = (
            "" if what == MEAN_SCORE else f" {moved_sentence(support, comparison.cases, sides)}."
        )
        lines.append(f"{words}.{warning}{moved}")
    return lines


def below_floor(row: PairedDifference, floors: Floors) -> bool:
    """Whether a difference is no larger than one between seeds."""
    floor = floors.get(row.what)
    return floor is not None and abs(row.difference) <= floor.value


def _floor_cell(row: PairedDifference, floors: Floors) -> str:
    if row.what not in floors:
        return f"  {'-':>8}"
    sign = "<=" if below_floor(row, floors) else ">"
    value = floors[row.what].value
    return f"  {sign:>2} {'-' if math.isnan(value) else f'{value:.4f}'}"


def _numbers(c: PairedDifference, floors: Floors) -> str:
    if math.isnan(c.p):  # no case has both numbers, or some differ by infinity
        return f"{c.what} {signed(c.difference)}, not tested"
    adjusted = "" if c.p_holm == c.p else f" (Holm {p_text(c.p_holm)})"
    interval = interval_text(c.low, c.high)
    floor = (
        f", no larger than between {floors[c.what].seeds} seeds ({floors[c.what].value:.4f})"
        if below_floor(c, floors)
        else ""
    )
    return f"{c.what} {signed(c.difference)} {interval}, p = {p_text(c.p)}{adjusted}{floor}"
