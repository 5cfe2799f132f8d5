"""What `lab gate` wrote of learned gates, in sentences."""

from collections.abc import Mapping
from typing import Any

from lab.metrics.objective import case_objective
from lab.rule_search.declared_answer import NO_COMPONENT, answer_line
from lab.rule_search.loss_limit import loss_line

MOST_FEATURES = 5
HOW_WEIGHED = (
    "in parentheses: permutation importance, the mean change of the log-odds where a feature is "
    "shuffled among the training components"
)


def gate_sentence(gates: Mapping[str, Any]) -> str:
    """Say whether gates ship, and what they gain over the rules, or why there are none.

    Args:
        gates: of gate.json.
    """
    failures = "; ".join(gates["failures"])
    if not gates["gates"]:
        return f"no gates: {failures}"
    numbers = (
        f"{gates['mean']:+.4f} ({gates['low']:+.4f} to {gates['high']:+.4f}, "
        f"p = {gates['p']:.2g}) on {gates['cases']} held-out cases"
    )
    if not gates["ships"]:
        return f"no gates: they gained {numbers}, {failures}"
    names = ", ".join(row["name"] for row in gates["gates"])
    scores = f"{gates['score_with_gates']:.4f} with, {gates['score_without_gates']:.4f} without"
    return f"gates ship, on {names}: {case_objective(gates['objective'])} {scores}, {numbers}"


def evidence_lines(gates: Mapping[str, Any]) -> list[str]:
    """Say what held-out cases show beside the gain: common support, losses, components."""
    support = gates["common_support"]
    lines = []
    if support["n"] and support["low"] is not None:
        lines.append(
            f"on common support ({support['n']} cases): {support['difference']:+.4f}, "
            f"{support['low']:+.4f} to {support['high']:+.4f}, p = {support['p']:.3f}"
        )
    if "no_credible_component" in gates:  # an older program did not judge it
        lines.append(answer_line(NO_COMPONENT, gates["no_credible_component"]))
    return [
        *lines,
        loss_line("rules and gates", gates["lost"]),
        f"{gates['removed']} of {gates['components']} components removed or relabelled, "
        f"{gates['worth_removing']} of these worth it alone",
    ]


def gate_lines(gates: Mapping[str, Any]) -> list[str]:
    """Say of each gate what it looks at, from which probability on it acts, and what weighs."""
    lines = [
        f"{row['name']}: {row['classifier']}, {row['components']} training components; from "
        f"probability {row['cutoff']:g} on -> {row['becomes']}; speaks for it: {weighing(row)}"
        for row in gates["gates"]
    ]
    return [*lines, HOW_WEIGHED] if lines else []


def weighing(gate: Mapping[str, Any]) -> str:
    """Return the features that weigh most in a gate, and in which direction."""
    top = [row for row in gate["features"][:MOST_FEATURES] if row["log_odds"] > 0]
    return ", ".join(
        f"{'more' if row['raises'] else 'less'} {row['name']} ({row['log_odds']:.2g})"
        for row in top
    )


def example_line(example: Mapping[str, Any]) -> str:
    """Say which component a gate removed, and what removing it alone was worth."""
    return (
        f"{example['case']}, {example['gate']} component of {example['volume_mm3']:.0f} mm3, "
        f"probability {example['probability']:.2f}: {example['gain']:+.4f}"
    )
