"""Which columns of a scorer a search looks at, and what scores them fast."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from challenge.refusal import Refusal
from challenge.scheme import Scheme
from lab.metrics.metric_info import VOLUME_ERROR, metric_info
from lab.metrics.objective import (
    POSITIONS,
    Column,
    check_counted,
    selection_columns,
    selection_row,
    written_scores,
)
from lab.metrics.pair import Pair
from lab.metrics.scorer import Scorer, without_scores

# A metric with one of these objectives is read for it, or for ranks where organisers rank by it.
SLOW = frozenset({"hd95", "masd", "volume"})


def search_columns(
    scorer: Scorer, scheme: Scheme, objective: str = "overlap"
) -> tuple[Column, ...]:
    """List the columns that a search with an objective reads, of regions that are written.

    They are those that the organisers rank by, where any of these counts for an objective; of
    distances and volume errors, which take longer or longer to explain, those that this objective
    counts. `positions` reads what a leaderboard shows.

    Raises:
        Refusal: nothing counts for the objective, or the scorer's fast scorer does not compute a
            score; the message names it.
    """
    leaderboard = selection_columns(scorer, scheme)
    if objective == POSITIONS:
        return leaderboard
    ranked = {metric for metric in scorer.ranked_by if metric_info(metric).objectives}
    columns: list[Column] = []
    for region, row in written_scores(without_scores(scorer), scheme):
        columns += [(region, m) for m in row if _is_read(m, objective, ranked)]
        if objective == "volume" and (region, VOLUME_ERROR) in leaderboard:
            columns.append((region, VOLUME_ERROR))
    check_counted(columns, objective)
    quick = [c for c in columns if SLOW.isdisjoint(metric_info(c[1]).objectives)]
    _check_fast_scorer(scorer, quick)
    return tuple(columns)


def searched_scorer(scorer: Scorer, columns: Sequence[Column]) -> Scorer:
    """Return the scorer with the fastest way to score a case's variants in all of these columns.

    Where its fast scorers lack one, whole volumes are scored.
    """
    for fast in (scorer.fast_scorer, scorer.fast_distances):
        if fast is not None and not _missing(replace(scorer, fast_scorer=fast), columns):
            return replace(scorer, fast_scorer=fast)
    return replace(scorer, fast_scorer=None)


def _is_read(metric: str, objective: str, ranked: set[str]) -> bool:
    """Return whether a search reads a metric that a scorer reports."""
    objectives = metric_info(metric).objectives
    if SLOW.isdisjoint(objectives):
        return bool(objectives) and (not ranked or metric in ranked)
    return objective in objectives and (objective in SLOW or metric in ranked)


def _check_fast_scorer(scorer: Scorer, columns: Sequence[Column]) -> None:
    if missing := _missing(scorer, columns):
        raise Refusal(
            f"scorer {scorer.name}: its fast_scorer does not compute {', '.join(missing)}; "
            "add them to it, or set fast_scorer to None to score whole volumes"
        )


def _missing(scorer: Scorer, columns: Sequence[Column]) -> list[str]:
    """Return which columns a fast scorer does not compute, in words; [] where there is none."""
    if scorer.fast_scorer is None:
        return []
    nothing = np.zeros((1, 1, 1), np.uint8)
    scores = scorer.fast_scorer(Pair(nothing, nothing, (1.0, 1.0, 1.0))).score(
        np.zeros(1, np.uint8)
    )
    missing = []
    for region, metric in columns:
        try:
            selection_row(scores, [(region, metric)])
        except KeyError:
            missing.append(f"{metric} of {region}")
    return missing
