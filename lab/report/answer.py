"""The answer that a comparison opens with: which system is better, by how much, how surely."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lab.drawing.page import signed4
from lab.evaluation.comparison import Comparison
from lab.evaluation.pair import MEAN_RANK, MEAN_SCORE, Pair, PairedDifference
from lab.evaluation.pair_text import sentence, support_sentences
from lab.evaluation.results import Results
from lab.evaluation.seed_floor import SeedFloor, seed_floor
from lab.evaluation.standings import default_rule

WORDS = {MEAN_SCORE: "overall score", MEAN_RANK: "mean rank"}
LEAST_P = 0.0001  # what rounds to less is written as "< 0.0001"


def answer(
    comparison: Comparison, pair: Pair, before: Results, seeds: Mapping[Path, Results]
) -> dict[str, Any]:
    """Return the overall numbers of two systems, first before second, as `rank` has them.

    Keys: `what` and the numbers of the row that decides, `rank` (the mean rank's row), `metrics`
    that the overall score is of, `ranked_by`, `cells` (case x column), `cells_missing`,
    `seed_floor`, `verdict`, `sentences` and `common_support` for the page, `in_words` as `rank`
    prints it.
    """
    rows = {row.what: row for row in pair.overall}
    row = rows.get(MEAN_SCORE, rows[MEAN_RANK])
    floor = None
    if seeds:
        seeds = {comparison.systems[pair.first]: before, **seeds}
        floor = seed_floor(seeds, comparison, row.what, default_rule(comparison.scorer))
    missing = np.isnan(comparison.values).any(-1)
    columns = [c for c in comparison.columns if c.better == "higher" or row.what == MEAN_RANK]
    return {
        **asdict(row),
        "rank": asdict(rows[MEAN_RANK]),
        "metrics": list(dict.fromkeys(column.metric for column in columns)),
        "ranked_by": list(dict.fromkeys(column.metric for column in comparison.columns)),
        "chosen": comparison.chosen,
        "cells": int(missing.size),
        "cells_missing": int(missing.sum()),
        "seed_floor": asdict(floor) if floor else None,
        "verdict": verdict(pair),
        "sentences": sentences(pair, row, floor),
        "common_support": support_sentences(comparison, pair),
        "in_words": sentence(pair),
    }


def verdict(pair: Pair) -> str:
    """Say which system is better, or that it is not shown, or cannot be."""
    if pair.in_sample:
        return f"No verdict on {pair.second} against {pair.first}: {'; '.join(pair.in_sample)}"
    if pair.withheld:
        name = ", ".join(sorted(pair.withheld))
        return f"{name} is not called better: it scores worse where both have a score"
    if len(pair.winners) > 1:
        return f"{pair.second} against {pair.first}: score and rank contradict each other"
    if not pair.winners:
        return f"No difference between {pair.second} and {pair.first} is shown"
    is_better = pair.second in pair.winners
    by = [WORDS[row.what] for row in pair.overall if row.is_significant]
    only = ""
    if len(by) < len(pair.overall):
        only = f" by {by[0]} (not shown by {_other(pair, by[0])})"
    return f"{pair.second} is {'better' if is_better else 'worse'} than {pair.first}{only}"


def sentences(pair: Pair, row: PairedDifference, floor: SeedFloor | None) -> list[str]:
    """Return the numbers behind the verdict, and how they compare with another seed."""
    interval = f"95 % interval {signed4(row.low)} to {signed4(row.high)}"
    interval = "no interval" if np.isnan(row.low) else interval
    lines = [
        f"{WORDS[row.what]} {row.second:.4f} against {row.first:.4f}, difference "
        f"{signed4(row.difference)} ({interval}, {p_in_words(row.p)}), over {row.n} common cases."
    ]
    if floor is not None:
        lines.append(_floor_sentence(pair, row, floor))
    return lines


def p_in_words(p: float) -> str:
    """Format a p-value."""
    if np.isnan(p):
        return "not tested"
    return f"p < {LEAST_P:.4f}" if p < LEAST_P / 2 else f"p = {p:.4f}"


def _floor_sentence(pair: Pair, row: PairedDifference, floor: SeedFloor) -> str:
    size = abs(row.difference)
    start = f"{floor.seeds} seeds of {pair.first} differ by up to {floor.value:.4f}"
    if size <= floor.value:
        return f"{start}: this difference is no larger than that of another seed."
    times = f"{size / floor.value:.1f} times that" if floor.value else "more than that"
    return f"{start}; this difference is {times}."


def _other(pair: Pair, name: str) -> str:
    return next(WORDS[row.what] for row in pair.overall if WORDS[row.what] != name)
