"""What rules do to a cohort: absolute changes with intervals, and ranks beside them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab.gate import RESAMPLES, measure_gain
from lab.metrics.metric_info import VOLUME_ERROR, metric_info
from lab.metrics.objective import Column, comparable, mean_position, reported_values
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
        changed, better and worse, mean rank among all methods, mean position of the cohort's
        numbers beside the identity's, and every column's mean and change.
    """
    methods = {"identity": [cache.no_rules] * len(cases), **methods}
    scores = {name: cache.scores(settings, cases) for name, settings in methods.items()}
    stacked = np.stack(list(scores.values()), axis=1)
    values = reported_values(stacked, scores["identity"], cache.columns, config.objective)
    mean_ranks = ranks(np.moveaxis(comparable(stacked, cache.columns), 1, -1)).mean(1)
    rng = np.random.default_rng(config.seed)
    return [
        {
            "method": name,
            "mean": float(values[:, i].mean()),
            **gain_statistics(values[:, i] - values[:, 0], rng),
            "mean_rank": float(mean_ranks[:, i].mean()),
            "position": position_of(scores[name], scores["identity"], cache.columns),
            "columns": _column_changes(cache.columns, scores["identity"], scores[name], rng),
        }
        for i, name in enumerate(methods)
    ]


def position_of(scores: np.ndarray, without: np.ndarray, columns: Sequence[Column]) -> float:
    """Return the mean position, from 1 to 2, of a cohort's numbers beside those without rules.

    Scores are (case, column); 1.5 is a tie.
    """
    table = np.stack([scores, without])
    return -float(mean_position(table, columns, np.ones(len(scores)))[0])


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
    """Compare column by column; a case whose region no map holds counts as right.

    Of volume errors, which are signed, the mean size is compared.
    """
    is_signed = np.array([metric == VOLUME_ERROR for _, metric in columns])
    best = np.array([metric_info(metric).best for _, metric in columns])
    before, after = (np.where(np.isnan(side), best, side) for side in (before, after))
    before, after = (np.where(is_signed, np.abs(side), side) for side in (before, after))
    change = after - before
    low, high = bootstrap_interval(change, RESAMPLES, rng)
    return [
        {
            "region": region,
            "metric": metric,
            "before": float(before[:, i].mean()),
            "after": float(after[:, i].mean()),
            "change": float(change[:, i].mean()),
            "low": float(low[i]),
            "high": float(high[i]),
        }
        for i, (region, metric) in enumerate(columns)
    ]
