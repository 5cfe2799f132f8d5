"""Any scorer on the variants of a case: its own fast one, else whole volumes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from challenge.box import Box, bounding_box, joint_box
from lab.metrics.label_components import find_label_components
from lab.metrics.pair import Pair
from lab.metrics.scorer import Scorer
from lab.metrics.variant_scores import VariantScorer


@dataclass(frozen=True)
class VolumeScorer:
    """Any scorer, on the variant's whole image, whose size some penalties depend on."""

    scorer: Scorer
    ids: np.ndarray  # (z, y, x) components inside `box`
    reference: np.ndarray  # (z, y, x) inside `box`
    box: Box
    shape: tuple[int, ...]
    spacing_mm: tuple[float, float, float]

    def score(self, values: np.ndarray) -> Mapping[str, Mapping[str, float]]:
        """Return region -> metric -> value when component i carries the label values[i]."""
        prediction, reference = (np.zeros(self.shape, np.uint8) for _ in range(2))
        prediction[self.box], reference[self.box] = values[self.ids], self.reference
        return self.scorer.score(Pair(prediction, reference, self.spacing_mm))


def variant_scorer(scorer: Scorer, pair: Pair) -> VariantScorer:
    """Return what scores the variants of a pair of uint8 label maps.

    Components are numbered as `find_label_components` does, in the prediction or any box around it.
    """
    if scorer.fast_scorer is not None:
        return scorer.fast_scorer(pair)
    box = joint_box(bounding_box(pair.prediction), bounding_box(pair.reference))
    box = box or (slice(0, 1),) * pair.prediction.ndim
    ids = find_label_components(pair.prediction[box]).ids
    return VolumeScorer(
        scorer, ids, pair.reference[box].copy(), box, pair.prediction.shape, pair.spacing_mm
    )
