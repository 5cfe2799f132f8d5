"""A prediction and its reference, cut to what both hold, and masks of regions by label values."""

from dataclasses import dataclass, replace

import numpy as np

from challenge.box import Box, bounding_box, joint_box
from challenge.scheme import Scheme


@dataclass(frozen=True)
class Pair:
    """Two label maps on one grid, and the spacing that the scorers believe: the prediction's."""

    prediction: np.ndarray  # (z, y, x), uint8, or float where a file holds fractions
    reference: np.ndarray  # the same shape
    spacing_mm: tuple[float, float, float]  # (z, y, x)
    # (z, y, x) of the region that `Scorer.probability_of` names; None: there is no map.
    probability: np.ndarray | None = None

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel, multiplied in the order x, y, z as the official scorers do."""
        z, y, x = self.spacing_mm
        return x * y * z

    @property
    def diagonal_voxels(self) -> float:
        """Length of the grid's diagonal in voxels, whatever the spacing."""
        return float(np.sqrt(sum(n**2 for n in self.prediction.shape)))


@dataclass(frozen=True)
class Region:
    """Label values that are scored together."""

    values: tuple[int, ...]
    # From 2024 on WT (and PED's TC) is every value from the lowest to the highest label, so that
    # 1.5 in a file of floats is whole tumour and no tissue.
    is_range: bool = False

    @classmethod
    def of(cls, scheme: Scheme, name: str, is_range: bool = False) -> "Region":
        """Return a region or a label of a scheme by its name."""
        labels = scheme.regions.get(name, (name,))
        return cls(tuple(scheme.labels[label] for label in labels), is_range)

    def mask(self, labels: np.ndarray) -> np.ndarray:
        """Return the bool mask of the region in a label map."""
        if labels.dtype == np.uint8:
            table = np.zeros(256, bool)
            table[list(self.values)] = True
            return table[labels]
        if self.is_range:
            return (labels >= min(self.values)) & (labels <= max(self.values))
        return np.isin(labels, self.values)


def crop_box(pair: Pair, margin: int) -> Box:
    """Return the box of what either map holds, plus a margin in voxels that ends at the edge.

    Of an empty pair it is one corner voxel.
    """
    box = joint_box(bounding_box(pair.prediction, margin), bounding_box(pair.reference, margin))
    return box or (slice(0, 1),) * pair.prediction.ndim


def crop(pair: Pair, margin: int) -> Pair:
    """Cut a pair to its `crop_box`. A probability map is scored whole and left out."""
    box = crop_box(pair, margin)
    prediction, reference = pair.prediction[box], pair.reference[box]
    return replace(pair, prediction=prediction, reference=reference, probability=None)
