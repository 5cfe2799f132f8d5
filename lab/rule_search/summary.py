"""A decision in lines for the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lab.rule_search.cross_validation import Cohort
from lab.rule_search.decision import Decision
from lab.rule_search.search_space import SearchParameter, Setting


def decision_lines(cohort: Cohort, decision: Decision) -> list[str]:
    """Say what each cluster gets, what that does out of fold, and what ships."""
    fitted, parameters = decision.fitted, cohort.cache.parameters
    lines = [*k_lines(decision.k), ""]
    for k, (n, setting) in enumerate(zip(fitted.sizes, fitted.settings, strict=True)):
        lines.append(f"cluster {k}, {n} cases: {rules_in_words(parameters, setting)}")
    lines += [f"pooled: {rules_in_words(parameters, fitted.pooled)}", ""]
    lines += effect_lines(decision.effects, cohort.judge)
    lines.append(
        f"in sample, where rules were chosen: {decision.gain_in_sample:+.4f}; "
        f"{cohort.cache.states} states scored"
    )
    lines.append(f"ships: {decision.ships}{'' if cohort.config.gated else ' (without a gate)'}")
    return lines


def k_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lay out the numbers of clusters that were looked at."""
    lines = [f"{'k':>3}{'resamples':>11}{'seeds':>8}{'smallest':>10}{'held-out gain':>20}"]
    for row in rows:
        gain = "-" if np.isnan(row["held_out_gain"]) else (
            f"{row['held_out_gain']:+.4f} ± {row['error']:.4f}"
        )  # fmt: skip
        mark = "  <-" if row["chosen"] else ""
        lines.append(
            f"{row['k']:>3}{row['over_resamples']:>11.2f}{row['over_seeds']:>8.2f}"
            f"{row['smallest']:>10}{gain:>20}{mark}"
        )
    return lines


def rules_in_words(parameters: Sequence[SearchParameter], setting: Setting) -> str:
    """Return the rules of a setting in words."""
    units = {"share": "", "mm3": " mm3", "voxels": " voxels"}
    told = []
    for parameter, step in zip(parameters, setting, strict=True):
        if step:
            limit = f"{parameter.grid[step]:g}{units[parameter.unit]}"
            what = parameter.label or parameter.region
            kind = "share" if parameter.unit == "share" else "pieces"
            told.append(f"{what} {kind} < {limit} -> {parameter.becomes}")
    return "; ".join(told) or "labels stay"


def effect_lines(rows: Iterable[Mapping[str, Any]], judge: str) -> list[str]:
    """Lay out the effect table."""
    heads = f"{'held out':<12}{judge:>9}{'gain':>10}{'95 % interval':>22}{'p':>8}"
    lines = [heads + f"{'changed':>9}{'better':>8}{'worse':>7}{'rank':>7}"]
    for row in rows:
        interval = "-" if np.isnan(row["low"]) else f"{row['low']:+.4f} to {row['high']:+.4f}"
        lines.append(
            f"{row['method']:<12}{row['mean']:>9.4f}{row['gain']:>+10.4f}{interval:>22}"
            f"{row['p']:>8.3f}{row['changed']:>9}{row['better']:>8}{row['worse']:>7}"
            f"{row['mean_rank']:>7.2f}"
        )
    return lines
