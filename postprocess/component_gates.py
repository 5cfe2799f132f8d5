"""Gates: components that a small classifier takes for false change before any rule applies.

They go, or they take the label around them or another one.

A gate looks at every 26-connected component of its label or region as it was predicted, or at all
of them as one, whatever other gates do, so a decision depends on the prediction alone. Gates then
apply in their order.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from challenge.scheme import Scheme

from .component_feature_table import Per, sources_of
from .component_features import describe_components
from .components import surrounding_labels
from .features import FeatureError
from .gate_models import Familiarity, GateModel, Scaling, probability
from .refine_input import RefineInput
from .rule_base import BACKGROUND, SURROUNDING

log = logging.getLogger(__name__)

# Stored probabilities may come from another machine, whose sums differ in the last digits.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class GateAnswer:
    """A row of features (n,) and the probability that it must give."""

    features: np.ndarray
    probability: float


@dataclass(frozen=True)
class ComponentGate:
    """A frozen classifier of the components of one label or region."""

    label: str  # "" where `region` is set
    region: str
    per: Per  # case: all components go, or none
    becomes: str  # background, surrounding or a label: what the voxels of a component become
    feature_names: tuple[str, ...]
    scaling: Scaling
    familiarity: Familiarity
    model: GateModel
    slope: float  # of the calibrated log-odds over those of the model
    offset: float
    cutoff: float  # components of at least this probability are removed
    known_answers: tuple[GateAnswer, ...]
    training_components: int

    @property
    def name(self) -> str:
        """Return the label or region, and whether it is one of the case as a whole."""
        return target_name(self.label, self.region, self.per, self.becomes)

    def labels(self, scheme: Scheme) -> tuple[str, ...]:
        """Return the labels whose union the components are of."""
        return (self.label,) if self.label else scheme.regions[self.region]

    def log_odds(self, rows: np.ndarray) -> np.ndarray:
        """Return the calibrated log-odds (row,) that removal gains, of rows (row, feature)."""
        return self.slope * self.model.log_odds(self.scaling.apply(rows)) + self.offset

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Return the probability (row,) that removal gains, of rows (row, feature)."""
        return probability(self.log_odds(rows))

    def is_unlike(self, rows: np.ndarray) -> np.ndarray:
        """Return which rows (row,) are too far from all it was trained on to be decided."""
        distances = self.familiarity.distances(self.scaling.deviations(rows))
        return np.asarray(distances > self.familiarity.limit)

    def removes(self, rows: np.ndarray) -> np.ndarray:
        """Return which components (row,) go, of rows (row, feature)."""
        return (self.probabilities(rows) >= self.cutoff) & ~self.is_unlike(rows)

    def check(self, scheme: Scheme) -> None:
        """Raise ValueError where a name is unknown, or arrays do not give the known answers."""
        known = scheme.labels if self.label else scheme.regions
        if bool(self.label) == bool(self.region) or (self.label or self.region) not in known:
            raise ValueError(f"gate: {self.label!r}, {self.region!r} is no label or region")
        if self.per not in get_args(Per):
            raise ValueError(f"gate on {self.name}: per {self.per!r}")
        known_ends = (BACKGROUND, SURROUNDING, *scheme.labels)
        if self.becomes not in known_ends or self.labels(scheme) == (self.becomes,):
            raise ValueError(f"gate on {self.name}: becomes {self.becomes!r}")
        parts = (self.scaling.features, self.familiarity.features, self.model.features)
        if {len(self.feature_names), *parts} != {parts[0]}:
            n = len(self.feature_names)
            raise ValueError(f"gate on {self.name}: {n} names, {parts} features of its arrays")
        self._check_answers()

    def _check_answers(self) -> None:
        if len(self.known_answers) < 2:
            raise ValueError(f"gate on {self.name}: {len(self.known_answers)} known answers, not 2")
        for i, answer in enumerate(self.known_answers):
            computed = float(self.probabilities(answer.features[None])[0])
            if not abs(computed - answer.probability) <= TOLERANCE:
                raise ValueError(
                    f"gate on {self.name}: known answer {i} has probability {computed:.6g}, "
                    f"not {answer.probability:.6g}"
                )

    def needs_votes(self, scheme: Scheme) -> bool:
        """Return whether a feature is made from the votes of the ensemble's members."""
        return "votes" in sources_of(self.feature_names, scheme)


@dataclass(frozen=True)
class GatesResult:
    """Labels (z, y, x) after all gates, and a JSON-able record of each."""

    labels: np.ndarray
    record: list[dict[str, Any]]


def target_name(label: str, region: str, per: Per, becomes: str) -> str:
    """Return what a gate looks at, in words, and which label that becomes, if any."""
    name = (label or region) + (", whole case" if per == "case" else "")
    return name if becomes in (BACKGROUND, SURROUNDING) else f"{name} -> {becomes}"


def apply_gates(refine_input: RefineInput, gates: Sequence[ComponentGate]) -> GatesResult:
    """Remove or relabel the components that gates take for false; the input stays as it is.

    A gate whose features a case lacks the inputs of is skipped, and says why.
    """
    labels, scheme, record = refine_input.labels, refine_input.scheme, []
    for gate in gates:
        row: dict[str, Any] = {"gate": gate.name, "cutoff": gate.cutoff}
        try:
            described = describe_components(
                refine_input, gate.labels(scheme), gate.feature_names, gate.per
            )
        except FeatureError as error:
            log.warning("%s: gate on %s skipped: %s", refine_input.case.id, gate.name, error)
            record.append({**row, "skipped": str(error)})
            continue
        components, rows = described.components, described.rows
        removed, unlike = gate.removes(rows), gate.is_unlike(rows)
        selected = components.where(np.concatenate([[False], removed]))
        # What an earlier gate took stays as that one left it.
        values = [scheme.labels[name] for name in gate.labels(scheme)]
        selected &= np.isin(labels, values)
        labels = _without(labels, selected, gate.becomes, scheme)
        volumes_mm3 = components.voxels[1:] * refine_input.case.voxel_volume_mm3
        row["components"] = [
            {
                "volume_mm3": float(mm3),
                "probability": float(p),
                "removed": bool(is_removed),
                **({"unlike_training": True} if is_unlike else {}),
            }
            for mm3, p, is_removed, is_unlike in zip(
                volumes_mm3, gate.probabilities(rows), removed, unlike, strict=True
            )
        ]
        record.append({**row, "voxels": int(np.count_nonzero(selected))})
    return GatesResult(labels, record)


def skip_gates(
    refine_input: RefineInput, gates: Sequence[ComponentGate], reason: str
) -> GatesResult:
    """Leave the labels as they are, and say of each gate why."""
    rows = [{"gate": gate.name, "cutoff": gate.cutoff, "skipped": reason} for gate in gates]
    return GatesResult(refine_input.labels, rows)


def _without(labels: np.ndarray, selected: np.ndarray, becomes: str, scheme: Scheme) -> np.ndarray:
    """Return labels (z, y, x) with the selected components made what a gate says."""
    if not selected.any():
        return labels
    labels = labels.copy()
    if becomes == SURROUNDING:
        labels[selected] = surrounding_labels(labels, selected, 26)
    else:
        labels[selected] = {BACKGROUND: 0, **scheme.labels}[becomes]
    return labels
