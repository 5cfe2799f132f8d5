"""What gates may look at, and what becomes of the components that they act on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from challenge.scheme import Scheme
from lab.rule_search.config import SearchConfig
from lab.rule_search.search_space import most_confused
from postprocess.component_feature_table import Per
from postprocess.component_gates import target_name
from postprocess.rule_base import BACKGROUND, SURROUNDING


@dataclass(frozen=True)
class GateTarget:
    """The label or region whose components a gate may look at, each or all of them as one."""

    label: str  # "" where `region` is set
    region: str
    becomes: str
    per: Per = "component"

    @property
    def name(self) -> str:
        """Return what it is, in words."""
        return target_name(self.label, self.region, self.per, self.becomes)

    @property
    def relabels(self) -> bool:
        """Return whether its components become another label."""
        return self.becomes not in (BACKGROUND, SURROUNDING)

    def labels(self, scheme: Scheme) -> tuple[str, ...]:
        """Return the labels whose union the components are of."""
        return (self.label,) if self.label else scheme.regions[self.region]


def make_targets(scheme: Scheme, config: SearchConfig) -> tuple[GateTarget, ...]:
    """List what gates may look at, in the order in which they apply.

    The whole tumour of a case, where an empty answer may be right; each component of the tumour,
    where it has several labels; each of every label.
    """
    targets = [GateTarget(label, "", config.becomes) for label in scheme.written]
    if config.regions and len(scheme.regions[scheme.tumour]) > 1:
        targets.insert(0, GateTarget("", scheme.tumour, BACKGROUND))
    if not scheme.when_empty:
        targets.insert(0, GateTarget("", scheme.tumour, BACKGROUND, "case"))
    return tuple(targets)


def relabelling_targets(scheme: Scheme, confusions: Sequence[np.ndarray]) -> tuple[GateTarget, ...]:
    """List each label with the label that references hold most often where it was predicted.

    None where a challenge forbids an empty answer: there is one label to win or lose.

    Args:
        scheme: the challenge.
        confusions: of several sets of cases, (1 + label, 1 + label) voxels by reference and
            prediction, background first; what any of them suggests is listed.
    """
    if scheme.when_empty:
        return ()
    pairs = {
        (label, other)
        for label in scheme.written
        for confusion in confusions
        for other in most_confused(label, scheme, confusion, 1)
    }
    order = list(scheme.labels)
    ordered = sorted(pairs, key=lambda pair: [order.index(name) for name in pair])
    return tuple(GateTarget(label, "", other) for label, other in ordered)
