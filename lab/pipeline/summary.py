"""What a submission ends with: what ships, how much better on held-out cases, where it lies."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from challenge.atomic_write import write_atomically
from lab.gate import Gain
from lab.json_files import read_json
from lab.metrics.objective import reported_objective
from lab.pipeline.submission import Submission
from lab.rule_search.decision import GATE, gain_of
from lab.rule_search.declared_answer import NO_COMPONENT, answer_line, far_line
from lab.rule_search.gate_text import gate_sentence
from lab.rule_search.workspace import GATES

SUMMARY = "submission.json"
EMPTY_KEY = "no_credible_component"  # of gate.json
GATE_KEYS = (
    "ships",
    "failures",
    "score_without_gates",
    "score_with_gates",
    *("mean", "low", "high", "p", "cases"),
)


@dataclass(frozen=True)
class Outcome:
    """The rules' part of a submission, read from the search's own file."""

    ships: str  # adaptive | pooled | identity
    objective: str
    without: float  # mean of the objective on held-out cases, as the members give it
    row: Mapping[str, Any]  # of the effect table: what ships, else the better of what was tried

    @property
    def gain(self) -> Gain:
        """Return the held-out gain."""
        return gain_of(self.row)


def read_outcome(s: Submission) -> Outcome:
    """Read what the search decided."""
    search = read_json(s.rules / "search.json")
    by_method = {row["method"]: row for row in search["effects"]}
    best = max((row for row in search["effects"][1:]), key=lambda row: row["gain"])
    ships = search["ships"]
    row = best if ships == "identity" else by_method[ships]
    without = by_method["identity"]["mean"]
    return Outcome(ships, reported_objective(search["objective"]), without, row)


def read_answers(s: Submission, gates: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what was declared for cases that no rules fit; `gates` of gate.json, if any."""
    search = read_json(s.rules / "search.json")
    answers = {"far": search["far"]} if search["ships"] != "identity" else {}
    return answers | ({EMPTY_KEY: gates[EMPTY_KEY]} if gates else {})


def write_summary(s: Submission, has_rules: bool, why_no_gates: str = "") -> list[str]:
    """Write submission.json and return the lines that a submission ends with.

    Args:
        s: the submission.
        has_rules: whether there was time for rules.
        why_no_gates: "" where gates were judged.
    """
    outcome = read_outcome(s) if has_rules else None
    judgement = read_json(s.rules / GATES) if outcome and not why_no_gates else None
    answers = read_answers(s, judgement) if outcome else {}
    content: dict[str, Any] = {"name": s.name, "scheme": s.scheme.name, "scorer": s.scorer}
    if outcome:
        content |= {
            "ships": outcome.ships,
            "method": outcome.row["method"],  # that the numbers below are of, shipped or not
            "objective": outcome.objective,
            "without_rules": outcome.without,
            "with_rules": outcome.row["mean"],
            **{key: outcome.row[key] for key in ("gain", "low", "high", "p", "cases")},
            "gates": {"skipped": why_no_gates},
            "answers": answers,  # of cases that no rules fit
        }
    if judgement:
        content["gates"] = {key: judgement[key] for key in GATE_KEYS}
    text = json.dumps(content, indent=1) + "\n"
    write_atomically(text.encode(), s.work / SUMMARY)
    lines = [sentence(s, outcome)]
    if outcome:
        lines.append(
            gate_sentence(judgement) if judgement else f"no gates: not evaluated, {why_no_gates}"
        )
    lines += [far_line(answers["far"])] if "far" in answers else []
    lines += [answer_line(NO_COMPONENT, answers[EMPTY_KEY])] if EMPTY_KEY in answers else []
    return [*lines, *place_lines(s, outcome)]


def sentence(s: Submission, outcome: Outcome | None) -> str:
    """Return the one sentence that says what ships, and what is known of its gain."""
    if outcome is None:
        return f"{s.name} ships without rules: --time left none to try them"
    gain = outcome.gain
    numbers = (
        f"{gain.mean:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}, p = {gain.p:.2g}) on {gain.cases} "
        "held-out cases"
    )
    scores = f"{outcome.objective} {outcome.row['mean']:.4f} with, {outcome.without:.4f} without"
    if outcome.ships != "identity":
        return f"{s.name} ships with {outcome.ships} rules: {scores}, {numbers}"
    failures = "; ".join(GATE.failures(gain)) or "the gate did not pass"
    return f"{s.name} ships without rules: the best gained {numbers}, {failures}"


def place_lines(s: Submission, outcome: Outcome | None) -> list[str]:
    """Return where everything lies, and the next command."""
    if s.predictions:
        lines = [f"pages: {s.work / 'report.html'}, {s.work / 'rules.html'}"]
        if outcome is None or (outcome.ships == "identity" and not s.gates_ship):
            return [*lines, "nothing to apply: labels stay as they are"]
        lines.insert(0, f"rules: {s.artefact}")
        apply = f"python -m postprocess --labels DIR --artefact {s.artefact} --output DIR"
        return [*lines, f"to apply them: {apply}"]
    lines = [f"model: {s.model} (its numbers: {s.model / 'MODEL_CARD.md'})"]
    if outcome:
        lines.append(f"pages: {s.work / 'report.html'}, {s.work / 'rules.html'}")
    build = f"cp -r {s.model} weights/ && ./build.sh"
    return [*lines, f"to build the image: {build}"]
