"""What rules gain on the regions and cases that have a measured score with them and without.

A scorer leaves a region out that neither map holds, or gives it the best value, and so does the
search. A rule that removes all of a region where the reference has none turns a 0 into such a
value: the mean rises, and no lesion is segmented better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from challenge.scheme import Scheme
from lab.evaluation.common_support import (
    CommonSupport,
    common_support_of_score,
    defined_scores,
    moved_sentence,
)
from lab.gate import FLIPS, RESAMPLES
from lab.metrics.objective import Column, case_objective, objective_terms
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_case import SearchCase, variant_after
from lab.rule_search.search_space import Setting, rules_of

SIDES = ("the labels as they are", "the labels after rules")


def rule_support(
    cache: ScoreCache, settings: Sequence[Setting], cases: np.ndarray, objective: str, seed: int
) -> CommonSupport:
    """Compare no rules with rules by an objective, where both have a measured score.

    Args:
        cache: scores of the cohort's variants.
        settings: what each of `cases` gets.
        cases: (case,) numbers.
        objective: of the search.
        seed: of bootstrap and sign flips.
    """
    both = ([cache.no_rules] * len(cases), settings)
    scores = [cache.scores(each, cases) for each in both]
    absent = [absent_regions(cache, each, cases) for each in both]
    return support_of(scores, absent, cache.columns, objective, seed)


def support_of(
    scores: Sequence[np.ndarray],
    absent: Sequence[np.ndarray],
    columns: Sequence[Column],
    objective: str,
    seed: int,
) -> CommonSupport:
    """Compare two sides by an objective, where both have a measured score.

    Args:
        scores: of each side, (case, column).
        absent: of each side, where neither it nor the reference holds the column's region.
        columns: of both.
        objective: of the search.
        seed: of bootstrap and sign flips.
    """
    objective = case_objective(objective)
    terms, weights = zip(
        *(objective_terms(side, columns, objective) for side in scores), strict=True
    )
    counted = weights[0] > 0
    values = np.stack(terms, axis=-1)[:, counted]
    defined = defined_scores(values, np.stack(absent, axis=-1)[:, counted])
    return common_support_of_score(values, defined, weights[0][counted], RESAMPLES, FLIPS, seed)


def absent_regions(cache: ScoreCache, settings: Sequence[Setting], cases: np.ndarray) -> np.ndarray:
    """Return where neither the reference nor the labels after rules hold a region; (case, column).

    The region is that of the column.
    """
    rows = []
    for number, setting in zip(cases.tolist(), settings, strict=True):
        case = cache.search_cases[number]
        variant = variant_after(case, rules_of(cache.parameters, setting), cache.scheme)
        rows.append(absent_in(case, variant.values, cache.columns, cache.scheme))
    return np.array(rows)


def absent_in(
    case: SearchCase, values: np.ndarray, columns: Sequence[Column], scheme: Scheme
) -> list[bool]:
    """Return which columns' regions neither the reference nor label components of values hold."""
    predicted, in_reference = set(np.unique(values[1:]).tolist()), case.confusion.sum(1)
    held = {
        name
        for i, name in enumerate(scheme.labels)
        if in_reference[1 + i] or scheme.labels[name] in predicted
    }
    return [held.isdisjoint(scheme.regions.get(region, (region,))) for region, _ in columns]


def describe_support(support: CommonSupport, ids: Sequence[str]) -> dict[str, Any]:
    """Return the numbers, and the ids of the cases that have a score of one side only."""
    moved = {side: [ids[i] for i in getattr(support, side)] for side in ("left", "entered")}
    return {**asdict(support), **moved}


def support_failures(support: Mapping[str, Any]) -> tuple[str, ...]:
    """Say that a method loses where both have a score, beyond doubt; () passes."""
    if not support["high"] < 0:
        return ()
    return (
        f"on common support it loses: {support['difference']:+.4f}, {support['low']:+.4f} to "
        f"{support['high']:+.4f}",
    )


def support_line(name: str, support: Mapping[str, Any], ids: Sequence[str]) -> str:
    """Say in a line what a method gains on common support, and which cases left or entered.

    "" where each case has the same scores with rules and without.
    """
    places = {id: i for i, id in enumerate(ids)}
    moved = {side: tuple(places[id] for id in support[side]) for side in ("left", "entered")}
    if not any(moved.values()):
        return ""
    words = moved_sentence(CommonSupport(**{**support, **moved}), ids, SIDES)
    return (
        f"{name}, on common support ({support['n']} cases): {support['difference']:+.4f}, "
        f"{support['low']:+.4f} to {support['high']:+.4f}, p = {support['p']:.3f}; {words}"
    )
