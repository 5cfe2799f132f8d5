"""Which declared answer a kind of case gets: the default, unless labels as predicted are better."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.gate import Gain, Gate, measure_gain
from postprocess.declared_answers import AS_PREDICTED

FAR, NO_COMPONENT = "cases far from all others", "cases without a credible component"


@dataclass(frozen=True)
class DeclaredAnswer:
    """An answer, and what held-out cases say of the labels as predicted beside the default."""

    answer: str
    gain: Gain  # of the labels as predicted, on the held-out cases that the answer is for
    failures: tuple[str, ...]  # conditions that they do not meet; () takes them

    @property
    def is_as_predicted(self) -> bool:
        """Return whether labels stay as predicted."""
        return self.answer == AS_PREDICTED

    def to_json(self) -> dict[str, Any]:
        """Return what search.json, gate.json and an artefact hold; without names of cases."""
        gain = {key: None if np.isnan(value) else value for key, value in vars(self.gain).items()}
        return {"answer": self.answer, "gain": gain, "failures": list(self.failures)}


def declare(default: str, gains: np.ndarray, gate: Gate, seed: int, if_none: str) -> DeclaredAnswer:
    """Take the labels as predicted where they pass the gate, else the default.

    Args:
        default: the answer where nothing speaks for another.
        gains: of the labels as predicted over it, on the held-out cases that it is for; (case,).
        gate: what a gain has to pass.
        seed: of the bootstrap.
        if_none: what to say where there are no such cases.
    """
    gain = measure_gain(gains, np.random.default_rng(seed))
    failures = gate.failures(gain) if gain.cases else (if_none,)
    return DeclaredAnswer(default if failures else AS_PREDICTED, gain, failures)


def far_line(far: Mapping[str, Any]) -> str:
    """Say what cases far from all others get, and why; `far` is of `Decision.far_record`."""
    if far["ships"] != far["answer"]:
        return f"{FAR}: {far['ships']}; the pooled rules do not ship"
    return answer_line(FAR, far)


def answer_line(subject: str, declared: Mapping[str, Any]) -> str:
    """Say which answer some cases get, and why; `declared` is of `DeclaredAnswer.to_json`."""
    gain, words = declared["gain"], [f"{subject}: {declared['answer']}"]
    if gain["cases"]:
        numbers = f"as predicted gains {gain['mean']:+.4f} on {gain['cases']} held-out cases"
        if gain["low"] is not None:
            numbers += f" ({gain['low']:+.4f} to {gain['high']:+.4f}, p = {gain['p']:.2g})"
        words.append(numbers)
    return "; ".join([*words, *declared["failures"]])
