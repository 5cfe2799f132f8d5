"""Any scorer on the states of a case: from tables where there are some, else from painted maps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lab.metrics.component_table import ComponentTable, build_component_table
from lab.metrics.label_components import find_label_components
from lab.metrics.lesionwise import Profile
from lab.metrics.pair import Box, Pair, bounding_box, joint_box
from lab.metrics.scorers import Scorer
from lab.metrics.variant_scores import score_variant


class VariantScorer(Protocol):
    """What scores a case whose atoms carry other labels."""

    def score(self, values: np.ndarray) -> Mapping[str, Mapping[str, float]]:
        """Return region -> metric -> value when atom i carries the label values[i]."""


@dataclass(frozen=True)
class TableScorer:
    """The lesion-wise scorers of 2023 to 2025, without HD95 and whole-mask scores."""

    table: ComponentTable

    def score(self, values: np.ndarray) -> Mapping[str, Mapping[str, float]]:
        """Return region -> metric -> value when atom i carries the label values[i]."""
        return score_variant(self.table, values)


@dataclass(frozen=True)
class VolumeScorer:
    """Any scorer: the state is painted into the whole image, which some penalties depend on."""

    scorer: Scorer
    ids: np.ndarray  # (z, y, x) atoms inside `box`
    reference: np.ndarray  # (z, y, x) inside `box`
    box: Box
    shape: tuple[int, ...]
    spacing_mm: tuple[float, float, float]

    def score(self, values: np.ndarray) -> Mapping[str, Mapping[str, float]]:
        """Return region -> metric -> value when atom i carries the label values[i]."""
        prediction, reference = (np.zeros(self.shape, np.uint8) for _ in range(2))
        prediction[self.box], reference[self.box] = values[self.ids], self.reference
        return self.scorer.score(Pair(prediction, reference, self.spacing_mm))


def variant_scorer(scorer: Scorer, pair: Pair) -> VariantScorer:
    """Return what scores the states of a pair of uint8 label maps.

    Components are numbered as `find_label_components` does, in the prediction or any box around it.
    """
    if (profile := profile_of(scorer)) is not None:
        return TableScorer(build_component_table(pair, profile, hd95=False))
    box = joint_box(bounding_box(pair.prediction), bounding_box(pair.reference))
    box = box or (slice(0, 1),) * pair.prediction.ndim
    ids = find_label_components(pair.prediction[box], ()).ids
    return VolumeScorer(
        scorer, ids, pair.reference[box].copy(), box, pair.prediction.shape, pair.spacing_mm
    )


def profile_of(scorer: Scorer) -> Profile | None:
    """Return the lesion-wise profile of a scorer that has one."""
    profile = getattr(scorer.score, "keywords", {}).get("profile")
    return profile if isinstance(profile, Profile) else None
