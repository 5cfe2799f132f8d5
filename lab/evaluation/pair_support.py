"""Two systems on common support, number by number."""

import numpy as np

from lab.evaluation.common_support import (
    CommonSupport,
    common_support,
    common_support_of_score,
)
from lab.evaluation.comparison import Comparison
from lab.evaluation.pair import MEAN_SCORE, Sampling
from lab.evaluation.standings import column_weights, higher_is_better


def find_support(
    comparison: Comparison, pair: tuple[int, int], sampling: Sampling
) -> dict[str, CommonSupport]:
    """Compare two systems on common support, by whatever some case has of one of them only."""
    values, defined = (a[..., list(pair)] for a in (comparison.values, comparison.defined))
    moved = np.flatnonzero((defined[..., 0] != defined[..., 1]).any(0))
    draws = (sampling.resamples, sampling.flips, sampling.seed)
    higher = higher_is_better(comparison)
    supports = {}
    if set(higher) & set(moved.tolist()):
        weights = column_weights(comparison.columns[i] for i in higher)
        arrays = values[:, higher], defined[:, higher]
        supports[MEAN_SCORE] = common_support_of_score(*arrays, weights, *draws)
    if len(moved):
        names = [str(comparison.columns[i]) for i in moved]
        by_column = common_support(values[:, moved], defined[:, moved], *draws)
        supports |= dict(zip(names, by_column, strict=True))
    return supports
