"""What ships: rules a cluster, one set for all, or nothing, and the numbers behind that."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.rule_search.cross_validation import Cohort, Fitted, apply, choose_k, cross_fit, fit, judged
from lab.rule_search.effects import effect_table
from lab.rule_search.optimise import Group
from lab.rule_search.search_space import Setting
from lab.statistics import bootstrap_interval

CURVE_RESAMPLES = 1000
# A percentile interval is clear of zero as soon as a handful of cases improve and none suffers; the
# sign-flip test asks for more of them, and a gain that four decimals do not show is none.
LARGEST_P = 0.05
LEAST_GAIN = 1e-4


@dataclass(frozen=True)
class Decision:
    """The fit on all cases, what of it ships, and why."""

    fitted: Fitted
    ships: str  # adaptive | pooled | identity
    pooled_ships: bool  # whether cases that belong to no cluster get the pooled rules
    k: list[dict[str, float]]  # a row for every number of clusters looked at
    effects: list[dict[str, Any]]  # held out; see `effect_table`
    gain_in_sample: float  # of the same rules on the cases they were chosen on
    clusters: np.ndarray  # (case,) -1 where none
    held_out_k: np.ndarray  # (case,)


def decide(cohort: Cohort, k: int | None = None) -> Decision:
    """Choose clusters and rules on all cases, and judge that way of choosing out of fold.

    A gated config ships rules only where their held-out gain `is_clear`.

    Args:
        cohort: all cases.
        k: number of clusters; None lets the configuration choose.
    """
    cases = np.arange(len(cohort.table.ids))
    chosen, rows = choose_k(cohort, cases)
    fitted = fit(cohort, cases, k or chosen)
    held = cross_fit(cohort, cases, k)
    pooled = cross_fit(cohort, cases, 1)
    effects = effect_table(cohort, {"pooled": pooled.settings, "adaptive": held.settings}, cases)
    clear = {row["method"]: is_clear(row) for row in effects}
    if not cohort.config.gated:
        ships, pooled_ships = "adaptive", True
    else:
        pooled_ships = clear["pooled"]
        is_adaptive = clear["adaptive"] and len(fitted.settings) > 1
        ships = "adaptive" if is_adaptive else "pooled" if pooled_ships else "identity"
    settings, clusters = apply(cohort, fitted, cases)
    without = judged(cohort, [cohort.cache.nothing] * len(cases), cases)
    gain = float((judged(cohort, settings, cases) - without).mean())
    return Decision(fitted, ships, pooled_ships, rows, effects, gain, clusters, held.k)


def is_clear(row: Mapping[str, Any]) -> bool:
    """Return whether a held-out gain is more than chance, and more than nothing."""
    return bool(row["low"] > 0 and row["p"] < LARGEST_P and row["gain"] >= LEAST_GAIN)


def curves(
    cohort: Cohort, setting: Setting, cases: np.ndarray, seed: int = 0
) -> list[dict[str, Any]]:
    """Return, for every parameter, what each step gains over no rule, the other parameters as set.

    Means over cases, with a 95 % bootstrap interval.
    """
    weights = np.zeros(len(cohort.table.ids))
    weights[cases] = 1 / max(len(cases), 1)
    group = Group(cohort.cache, weights, cohort.judge)
    rng = np.random.default_rng(seed)
    found = []
    for parameter in cohort.parameters:
        others = (*setting[:parameter], 0, *setting[parameter + 1 :])
        gains = group.gains(others, parameter)
        low, high = bootstrap_interval(gains, CURVE_RESAMPLES, rng)
        found.append(
            {
                "parameter": parameter,
                "grid_index": setting[parameter],
                "mean": gains.mean(0).tolist(),
                "low": low.tolist(),
                "high": high.tolist(),
            }
        )
    return found
