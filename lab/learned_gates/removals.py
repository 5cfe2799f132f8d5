"""Components that gates removed from, or relabelled in, cases which they were learned without."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from challenge.scheme import Scheme
from lab.learned_gates.fit_gates import FittedGate
from lab.learned_gates.gate_cases import GateCase
from postprocess.component_feature_table import Per

EXAMPLES = 4  # of those that gain most, and of those that lose most


@dataclass(frozen=True)
class Removal:
    """One component that a gate removed or relabelled."""

    case: str
    gate: str
    labels: tuple[str, ...]  # whose union it is a component of
    per: Per
    component: int  # in scan order, from 1
    volume_mm3: float
    probability: float  # that this gains
    gain: float  # of this alone, see `TargetComponents.gains`

    def to_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def removals_in(case: GateCase, gate: FittedGate, scheme: Scheme) -> list[Removal]:
    """List the components of a case that a gate removes or relabels."""
    components, rows = case.targets[gate.number], gate.rows_in(case)
    removed = np.flatnonzero(gate.gate.removes(rows))
    volumes = components.rows[:, components.names.index("volume_mm3")]
    p = gate.gate.probabilities(rows)
    return [
        Removal(
            case=case.search_case.id,
            gate=gate.target.name,
            labels=gate.target.labels(scheme),
            per=gate.target.per,
            component=1 + number,
            volume_mm3=float(volumes[number]),
            probability=float(p[number]),
            gain=float(components.gains[number]),
        )
        for number in removed.tolist()
    ]


def examples_of(removals: Sequence[Removal]) -> list[Removal]:
    """Return some that gain most, and those that lose most, in this order."""
    ordered = sorted(removals, key=lambda removal: -removal.gain)
    losing = [removal for removal in ordered if removal.gain < 0][-EXAMPLES:]
    best = [removal for removal in ordered if removal.gain >= 0][:EXAMPLES]
    return [*best, *losing]
