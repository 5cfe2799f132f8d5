"""What a gate's decision rests on: how far its log-odds move when a feature says nothing.

Permutation importance of the model, not of the score: features that say the same share their
weight, and a component far from the cut-off may move without another decision.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from postprocess.component_gates import ComponentGate

SHUFFLES = 5


@dataclass(frozen=True)
class FeatureWeight:
    """How much one feature weighs in a gate."""

    name: str
    log_odds: float  # mean change, without its sign, when the feature is shuffled
    raises: bool  # whether more of the feature speaks for removal

    def to_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def feature_weights(gate: ComponentGate, rows: np.ndarray, seed: int = 0) -> list[FeatureWeight]:
    """Measure how far the calibrated log-odds move when a feature is shuffled among components.

    Args:
        gate: what decides.
        rows: (component, feature) of the training components.
        seed: of the shuffles.

    Returns:
        The weight of each feature, the highest first.
    """
    rng, before = np.random.default_rng(seed), gate.log_odds(rows)
    weights = []
    for column, name in enumerate(gate.feature_names):
        changes, together = [], 0.0
        for _ in range(SHUFFLES):
            shuffled = rows.copy()
            shuffled[:, column] = rng.permutation(rows[:, column])
            change = before - gate.log_odds(shuffled)
            changes.append(float(np.abs(change).mean()))
            together += float(change @ np.sign(rows[:, column] - shuffled[:, column]))
        weights.append(FeatureWeight(name, float(np.mean(changes)), together > 0))
    return sorted(weights, key=lambda weight: -weight.log_odds)
