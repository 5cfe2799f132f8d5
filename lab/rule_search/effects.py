"""What rules do to a cohort: absolute changes with intervals, and ranks beside them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab.gate import RESAMPLES, measure_gain
from lab.metrics.objective import Column, objective_values, reported_objective
from lab.rule_search.config import SearchConfig
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import Setting
from lab.statistics import bootstrap_interval, ranks

# A case whose objective moves less than this is the same but for rounding.
CHANGED = 1e-9


def effect_table(
    cache: ScoreCache,
    config: SearchConfig,
    methods: Mapping[str, Sequence[Setting]],
    cases: np.ndarray,
) -> list[dict[str, Any]]:
    """Compare methods of post-processing the same cases with doing nothing, the first row.

    Args:
        cache: scores of the cohort's variants.
        config: whose objective is reported and whose seed the bootstrap has.
        methods: name -> one setting a case.
        cases: (case,) numbers.

    Returns:
        One row a method: mean objective, gain with interval and p over doing nothing, cases
        changed, better and worse, mean rank among all methods, and every column's mean and change.
    """
    methods = {"identity": [cache.no_rules] * len(cases), **methods}
    scores = {name: cache.scores(settings, cases) for name, settings in methods.items()}
    stacked = np.stack(list(scores.values()), axis=1)
    values = objective_values(stacked, cache.columns, reported_objective(config.objective))
    mean_ranks = ranks(np.nan_to_num(np.moveaxis(stacked, 1, -1), nan=1.0)).mean(1)
    rng = np.random.default_rng(config.seed)
    return [
        {
            "method": name,
            "mean": float(values[:, i].mean()),
            **gain_statistics(values[:, i] - values[:, 0], rng),
            "mean_rank": float(mean_ranks[:, i].mean()),
            "columns": _column_changes(cache.columns, scores["identity"], scores[name], rng),
        }
        for i, name in enumerate(methods)
    ]


def gain_statistics(gain: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """Return the mean of paired gains (case,), its 95 % interval, p, and how many cases moved."""
    measured = measure_gain(gain, rng)
    return {
        "cases": measured.cases,
        "gain": measured.mean,
        "low": measured.low,
        "high": measured.high,
        "p": measured.p,
        "changed": int((np.abs(gain) > CHANGED).sum()),
        "better": int((gain > CHANGED).sum()),
        "worse": int((gain < -CHANGED).sum()),
    }


def _column_changes(
    columns: Sequence[Column], before: np.ndarray, after: np.ndarray, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Compare column by column; a case whose region no map holds counts as right, 1."""
    change = np.nan_to_num(after, nan=1.0) - np.nan_to_num(before, nan=1.0)
    low, high = bootstrap_interval(change, RESAMPLES, rng)
    return [
        {
            "region": region,
            "metric": metric,
            "before": float(np.nan_to_num(before[:, i], nan=1.0).mean()),
            "after": float(np.nan_to_num(after[:, i], nan=1.0).mean()),
            "change": float(change[:, i].mean()),
            "low": float(low[i]),
            "high": float(high[i]),
        }
        for i, (region, metric) in enumerate(columns)
    ]
