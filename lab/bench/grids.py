"""Scores of a case over a grid of thresholds, exact, each distinct state scored once.

A score as a function of a threshold is constant between the sizes (or shares) that the case's own
components have, so a grid of twenty thresholds mostly holds three or four states.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lab.metrics.variant_scores import ComponentTable, score_variant

Objective = Callable[[Mapping[str, Mapping[str, float]]], float]
OVERLAPS = ("dice", "nsd_0.5", "nsd_1.0")


def mean_overlap(scores: Mapping[str, Mapping[str, float]]) -> float:
    """Return the mean over regions of lesion-wise Dice, and of NSD where the scorer has it."""
    return float(
        np.mean([np.mean([row[m] for m in OVERLAPS if m in row]) for row in scores.values()])
    )


def remove_small_grid(
    table: ComponentTable, value: int, min_voxels: Sequence[float], objective: Objective
) -> np.ndarray:
    """Score a case after removing components of one label below each size (strictly).

    Args:
        table: the case.
        value: the label's value in the prediction.
        min_voxels: thresholds.
        objective: from region -> metric -> value to what is searched for, higher is better.

    Returns:
        (threshold,) objective.
    """
    own = table.values == value
    return _scores_of_states(
        table, [np.where(own & (table.voxels < size), 0, table.values) for size in min_voxels],
        objective,
    )  # fmt: skip


def relabel_minor_grid(
    table: ComponentTable,
    change: tuple[int, int],
    min_shares: Sequence[float],
    objective: Objective,
) -> np.ndarray:
    """Score a case after relabelling a label whose share of the foreground is below each cut-off.

    `change` is the label's value and the one that it takes; the share is of all labelled voxels.
    """
    value, becomes = change
    own = table.values == value
    foreground = table.voxels.sum()
    share = table.voxels[own].sum() / foreground if foreground else 1.0
    changed = np.where(own, becomes, table.values)
    return _scores_of_states(
        table, [changed if share < cut else table.values for cut in min_shares], objective
    )


def _scores_of_states(
    table: ComponentTable, states: Sequence[np.ndarray], objective: Objective
) -> np.ndarray:
    known: dict[bytes, float] = {}
    for state in states:
        state = state.astype(np.uint8)
        key = state.tobytes()
        if key not in known:
            known[key] = objective(score_variant(table, state))
    return np.array([known[state.astype(np.uint8).tobytes()] for state in states])
