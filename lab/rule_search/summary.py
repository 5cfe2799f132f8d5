"""A decision in lines for the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lab.metrics.metric_info import metric_info, title
from lab.metrics.objective import IN_WORDS, POSITIONS, Column, reported_objective
from lab.rule_search.common_support import support_line
from lab.rule_search.config import SearchConfig
from lab.rule_search.decision import Decision, failures
from lab.rule_search.declared_answer import far_line
from lab.rule_search.loss_limit import loss_line
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_parameter import SearchParameter
from lab.rule_search.search_space import Setting, searched_masks


def decision_lines(cache: ScoreCache, config: SearchConfig, decision: Decision) -> list[str]:
    """Say what each cluster gets, what that does out of fold, and what ships."""
    fitted, parameters = decision.fitted, cache.parameters
    lines = [*k_lines(decision.k), ""]
    for k, (n, setting) in enumerate(zip(fitted.sizes, fitted.settings, strict=True)):
        lines.append(f"cluster {k}, {n} cases: {rules_in_words(parameters, setting)}")
    lines += [f"pooled: {rules_in_words(parameters, fitted.pooled)}", ""]
    reported = reported_objective(config.objective)
    lines += effect_lines(decision.effects, reported)
    if reported in IN_WORDS:
        lines.append(f"{reported}: {IN_WORDS[reported]}")
    if reported == POSITIONS:
        lines.append(position_line(decision.effects, cache.columns))
    lines.append(
        f"in sample, where rules were chosen: {decision.gain_in_sample:+.4f}; "
        f"{cache.variants} variants scored"
    )
    lines += [loss_line(row["method"], row["lost"]) for row in decision.effects[1:]]
    ids = [case.id for case in cache.search_cases]
    supports = [support_line(r["method"], r["common_support"], ids) for r in decision.effects[1:]]
    lines += filter(None, supports)
    if config.gated:
        lines += gate_lines(decision.effects, config)
        lines.append(far_line(decision.far_record()))
    lines.append(f"ships: {decision.ships}{'' if config.gated else ' (without a gate)'}")
    return lines


def gate_lines(rows: Sequence[Mapping[str, Any]], config: SearchConfig) -> list[str]:
    """Say which conditions of the gate a method fails."""
    return [
        f"{row['method']} does not pass: {'; '.join(reasons)}"
        for row in rows[1:]
        if (reasons := failures(row, config))
    ]


def position_line(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> str:
    """Say which position each method's cohort numbers take beside those without rules."""
    metrics = ", ".join(dict.fromkeys(title(metric) for _, metric in columns))
    places = ", ".join(f"{row['method']} {row['position']:.2f}" for row in rows[1:])
    return f"mean position beside the identity, 1.5 a tie, of the cohort's {metrics}: {places}"


def objective_line(objective: str, columns: Sequence[Column], leaderboard: Sequence[Column]) -> str:
    """Say which metrics an objective counts, and which of a leaderboard's it does not."""
    counted = [
        m for _, m in columns if objective == POSITIONS or objective in metric_info(m).objectives
    ]
    others = [m for _, m in leaderboard if m not in counted]
    line = f"objective {objective}: {', '.join(dict.fromkeys(counted))}"
    return line + (f"; not optimised: {', '.join(dict.fromkeys(others))}" if others else "")


def not_searched_lines(
    cache: ScoreCache, config: SearchConfig, has_probabilities: bool, has_members: bool
) -> list[str]:
    """Say what rules a configuration has that are not searched here, and why."""
    lines = [peaks_line(cache, config, has_probabilities)]
    if "votes" in config.rule_types and not has_members:
        lines.append("votes are not searched: `lab features` had no --members")
    return lines


def peaks_line(cache: ScoreCache, config: SearchConfig, has_probabilities: bool) -> str:
    """Say of what no rules by probability are searched; "" where all are, or none should be."""
    if "peak" not in config.rule_types:
        return ""
    if not has_probabilities:
        names = {"peak": "peaks", "mean": "means", "threshold": "thresholds"}
        what = " and ".join(words for name, words in names.items() if name in config.rule_types)
        return f"{what} are not searched: `lab features` had no --probabilities"
    tried = {(p.label, p.region) for p in cache.parameters if p.rule_type == "peak"}
    others = [a or b for a, b in searched_masks(cache.scheme, config) if (a, b) not in tried]
    if not others:
        return ""
    return f"peaks of {', '.join(others)} are not searched: no probability is theirs alone"


def k_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lay out the candidate numbers of clusters."""
    lines = [f"{'k':>3}{'resamples':>11}{'seeds':>8}{'smallest':>10}{'held-out gain':>20}"]
    for row in rows:
        gain = "-"
        if not np.isnan(row["held_out_gain"]):
            gain = f"{row['held_out_gain']:+.4f} ± {row['error']:.4f}"
        mark = "  <-" if row["chosen"] else ""
        lines.append(
            f"{row['k']:>3}{row['over_resamples']:>11.2f}{row['over_seeds']:>8.2f}"
            f"{row['smallest']:>10}{gain:>20}{mark}"
        )
    return lines


def rules_in_words(parameters: Sequence[SearchParameter], setting: Setting) -> str:
    """Return the rules of a setting in words."""
    rules = [p.in_words(index) for p, index in zip(parameters, setting, strict=True) if index]
    return "; ".join(rules) or "labels stay"


def effect_lines(rows: Iterable[Mapping[str, Any]], objective: str) -> list[str]:
    """Lay out the effect table."""
    heads = f"{'held out':<12}{objective:>9}{'gain':>10}{'95 % interval':>22}{'p':>8}"
    lines = [heads + f"{'changed':>9}{'better':>8}{'worse':>7}{'rank':>7}"]
    for row in rows:
        interval = "-" if np.isnan(row["low"]) else f"{row['low']:+.4f} to {row['high']:+.4f}"
        lines.append(
            f"{row['method']:<12}{row['mean']:>9.4f}{row['gain']:>+10.4f}{interval:>22}"
            f"{row['p']:>8.3f}{row['changed']:>9}{row['better']:>8}{row['worse']:>7}"
            f"{row['mean_rank']:>7.2f}"
        )
    return lines
