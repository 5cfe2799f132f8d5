"""What is known of learned gates, as lines for the terminal and as a record without cases."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lab.gate import Gain, measure_gain
from lab.learned_gates.feature_weights import FeatureWeight
from lab.learned_gates.fit_gates import FittedGate
from lab.learned_gates.gate_targets import GateTarget
from lab.learned_gates.held_out import HeldOutGates
from lab.metrics.objective import case_objective
from lab.rule_search.common_support import support_failures
from lab.rule_search.config import SearchConfig
from lab.rule_search.decision import GATE
from lab.rule_search.declared_answer import NO_COMPONENT, DeclaredAnswer, answer_line
from lab.rule_search.effects import CHANGED
from lab.rule_search.loss_limit import LossLimit, describe_loss, loss_line
from postprocess.component_gates import ComponentGate


@dataclass(frozen=True)
class Verdict:
    """Gates that were fitted on all cases, what they gain held out, and whether they ship."""

    fitted: Sequence[FittedGate]
    held_out: HeldOutGates
    gain: Gain
    lost: Mapping[str, Any]  # of `describe_loss`
    failures: tuple[str, ...]  # conditions that are not met; () ships

    @property
    def ships(self) -> bool:
        """Return whether gates ship."""
        return not self.failures

    @property
    def empty_answer(self) -> DeclaredAnswer:
        """Return what a case gets that nothing is left of, by what ships of gates and rules."""
        return self.held_out.answers[int(self.ships)]

    @property
    def gates(self) -> tuple[ComponentGate, ...]:
        """Return the gates that were fitted, in their order."""
        return tuple(each.gate for each in self.fitted)


def judge(
    fitted: Sequence[FittedGate], held_out: HeldOutGates, clusters: np.ndarray, config: SearchConfig
) -> Verdict:
    """Judge gates by their held-out gain, and by the lesions that they and the rules lose.

    Args:
        fitted: on all cases.
        held_out: of the same procedure.
        clusters: (case,) cluster of each, -1 for none.
        config: whose limit of lost lesions is a condition.
    """
    gain = measure_gain(held_out.gains, np.random.default_rng(config.seed))
    lost = describe_loss(held_out.losses, clusters)
    limit = LossLimit(config.lost_at_most)
    on_common = support_failures(asdict(held_out.support))
    failures = (*GATE.failures(gain), *limit.failures(lost), *on_common)
    if not fitted:
        failures = ("no label or region has components that a classifier tells apart",)
    return Verdict(fitted, held_out, gain, lost, failures)


def gate_record(
    verdict: Verdict,
    weights: Sequence[Sequence[FeatureWeight]],
    scorer: str,
    config: SearchConfig,
) -> dict[str, Any]:
    """Say where gates come from and what they gain, without naming a case.

    Args:
        verdict: with the gates.
        weights: of each gate's features.
        scorer: by which they were learned.
        config: of the search, with the objective.
    """
    held_out, gain = verdict.held_out, verdict.gain
    return {
        "ships": verdict.ships,
        "scorer": scorer,
        "objective": config.objective,
        "score_without_gates": float(held_out.before.mean()),
        "score_with_gates": float(held_out.after.mean()),
        **{name: _number(value) for name, value in vars(gain).items()},
        "components": held_out.components,
        "removed": held_out.removed,
        "worth_removing": held_out.worth_removing,
        "common_support": {
            name: _number(getattr(held_out.support, name))
            for name in ("difference", "low", "high", "p", "n")
        },
        "lost": dict(verdict.lost),
        "no_credible_component": verdict.empty_answer.to_json(),
        "lost_at_most": config.lost_at_most,
        "failures": list(verdict.failures),
        "gates": [
            {
                "name": each.target.name,
                "classifier": each.classifier,
                "cutoff": each.gate.cutoff,
                "becomes": each.gate.becomes,
                "components": each.gate.training_components,
                "features": [weight.to_json() for weight in of_gate],
            }
            for each, of_gate in zip(verdict.fitted, weights, strict=True)
        ],
        "validation": "classifiers, scaling and cut-offs learned without the cases that are scored",
    }


def verdict_lines(
    verdict: Verdict, targets: Sequence[GateTarget], config: SearchConfig
) -> list[str]:
    """Say which gates were learned, what they do to held-out cases, and whether they ship."""
    by_name = {each.target.name: each for each in verdict.fitted}
    lines = [_target_line(target, by_name.get(target.name)) for target in targets]
    held_out, gain = verdict.held_out, verdict.gain
    moved = held_out.gains
    heads = f"{'held out':<12}{case_objective(config.objective):>9}{'gain':>10}"
    lines += ["", heads + f"{'95 % interval':>22}{'p':>8}{'changed':>9}{'better':>8}{'worse':>7}"]
    interval = "-" if np.isnan(gain.low) else f"{gain.low:+.4f} to {gain.high:+.4f}"
    lines += [
        f"{'rules':<12}{held_out.before.mean():>9.4f}",
        f"{'with gates':<12}{held_out.after.mean():>9.4f}{gain.mean:>+10.4f}{interval:>22}"
        f"{gain.p:>8.3f}{(np.abs(moved) > CHANGED).sum():>9}{(moved > CHANGED).sum():>8}"
        f"{(moved < -CHANGED).sum():>7}",
        f"{held_out.removed} of {held_out.components} components removed or relabelled, "
        f"{held_out.worth_removing} of these worth it alone",
        loss_line("rules and gates", verdict.lost),
    ]
    if held_out.support.left or held_out.support.entered:
        support = held_out.support
        lines.append(
            f"on common support ({support.n} cases): {support.difference:+.4f}, {support.low:+.4f} "
            f"to {support.high:+.4f}, p = {support.p:.3f}"
        )
    lines.append(answer_line(NO_COMPONENT, verdict.empty_answer.to_json()))
    if verdict.failures:
        lines.append(f"gates do not pass: {'; '.join(verdict.failures)}")
    return [*lines, f"ships: {'gates' if verdict.ships else 'no gates'}"]


def _target_line(target: GateTarget, fitted: FittedGate | None) -> str:
    if fitted is None:
        return f"{target.name}: no gate"
    gate = fitted.gate
    return (
        f"{target.name}: {fitted.classifier}, {len(gate.feature_names)} features, "
        f"{gate.training_components} components; from {gate.cutoff:g} on -> {gate.becomes}"
    )


def _number(value: float) -> float | None:
    if isinstance(value, int | np.integer):
        return int(value)
    return None if np.isnan(value) else float(value)
