"""What rules do to a cohort: absolute changes with intervals, and ranks beside them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab.metrics.objective import objective_values
from lab.rule_search.cross_validation import Cohort
from lab.rule_search.search_space import Setting
from lab.statistics import bootstrap_interval, ranks, sign_flip_p

RESAMPLES = 5000
FLIPS = 5000
# A case whose objective moves less than this is the same but for rounding.
CHANGED = 1e-9


def effect_table(
    cohort: Cohort, methods: Mapping[str, Sequence[Setting]], cases: np.ndarray
) -> list[dict[str, Any]]:
    """Compare ways to post-process the same cases with doing nothing, the first row.

    Args:
        cohort: whose cache scores the states.
        methods: name -> one setting a case.
        cases: which cases.

    Returns:
        One row a method: mean objective, gain with interval and p over doing nothing, cases
        changed, better and worse, mean rank among all methods, and every column's mean and change.
    """
    everything = {"identity": [cohort.cache.nothing] * len(cases), **methods}
    scores = {name: cohort.cache.scores(found, cases) for name, found in everything.items()}
    stacked = np.stack(list(scores.values()), axis=1)
    values = objective_values(stacked, cohort.cache.columns, cohort.judge)
    places = ranks(np.nan_to_num(np.moveaxis(stacked, 1, -1), nan=1.0)).mean(1)
    rng = np.random.default_rng(cohort.seed)
    return [
        {
            "method": name,
            "cases": len(cases),
            "mean": float(values[:, i].mean()),
            **gain_of(values[:, i] - values[:, 0], rng),
            "mean_rank": float(places[:, i].mean()),
            "columns": _columns(cohort, scores["identity"], scores[name], rng),
        }
        for i, name in enumerate(everything)
    ]


def gain_of(gain: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """Return the mean of paired gains (case,), its 95 % interval, p, and how many cases moved."""
    low, high = bootstrap_interval(gain[:, None], RESAMPLES, rng)[:, 0]
    return {
        "gain": float(gain.mean()),
        "low": float(low),
        "high": float(high),
        "p": float(sign_flip_p(gain[:, None], FLIPS, rng)[0]),
        "changed": int((np.abs(gain) > CHANGED).sum()),
        "better": int((gain > CHANGED).sum()),
        "worse": int((gain < -CHANGED).sum()),
    }


def _columns(
    cohort: Cohort, before: np.ndarray, after: np.ndarray, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Compare column by column; a case whose region no map holds counts in neither mean."""
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
        for i, (region, metric) in enumerate(cohort.cache.columns)
    ]
