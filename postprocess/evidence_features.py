"""Features of labels, probabilities and votes: how scattered a tumour is, and how sure it is.

A tumour in one component that every member sees needs other rules than a dozen islands that one
member sees. Arrays (z, y, x) in, numbers by name out; all are finite wherever there is a tumour.
Each mask is labelled once, in the box of what is labelled, and components are 26-connected.
"""

from dataclasses import dataclass

import numpy as np

from challenge.box import bounding_box
from challenge.scheme import Scheme

from .components import Components, SpacingMm, border, find_components

SMALL_MM3 = 100.0
UNCERTAIN = (0.1, 0.9)  # a probability between these is no answer
ROUNDING = 1e-6  # weights of members add up to 1 within this


@dataclass(frozen=True)
class Tumour:
    """The components of a tumour, in a box of its volume."""

    box: tuple[slice, ...]
    components: Components  # on the grid of the box, at least one
    inside: np.ndarray  # bool, on the grid of the box

    @property
    def main(self) -> int:
        """Return the id of the largest component; the first in scan order wins a tie."""
        return 1 + int(self.components.voxels[1:].argmax())


def find_tumour(labels: np.ndarray, scheme: Scheme) -> Tumour | None:
    """Find the components of the tumour in a label map (z, y, x); None where there is none."""
    labelled = labels > 0
    box = bounding_box(labelled)
    if box is None:
        return None
    inside = scheme.mask(labels[box], scheme.tumour)
    return Tumour(box, find_components(inside), inside) if inside.any() else None


def mask_features(
    labels: np.ndarray, tumour: Tumour, scheme: Scheme, spacing_mm: SpacingMm
) -> dict[str, float]:
    """Describe a label map (z, y, x) by its components: how many, how large, how far away."""
    labels, voxel_mm3 = labels[tumour.box], float(np.prod(spacing_mm))
    labelled = np.count_nonzero(labels)
    values: dict[str, float] = {}
    for name, value in scheme.labels.items():
        components = find_components(labels == value)
        values |= {
            f"mask_{name}_Share": float(components.voxels[1:].sum() / labelled),
            f"mask_{name}_Components": float(components.voxels.size - 1),
            f"mask_{name}_ShareOutsideLargest": _share_outside_largest(components),
            f"mask_{name}_LargestVolume": float(components.voxels[1:].max(initial=0) * voxel_mm3),
        }
    distances_mm = _distances_mm(tumour, spacing_mm)
    small = tumour.components.voxels[1:] * voxel_mm3 < SMALL_MM3
    return values | {
        "mask_tumour_Components": float(tumour.components.voxels.size - 1),
        "mask_tumour_ShareOutsideLargest": _share_outside_largest(tumour.components),
        "mask_tumour_MeanDistance": float(distances_mm.mean()) if distances_mm.size else 0.0,
        "mask_tumour_LargestDistance": float(distances_mm.max(initial=0)),
        "mask_tumour_SmallComponents": float(np.count_nonzero(small)),
    }


def probability_features(probability: np.ndarray, tumour: Tumour) -> dict[str, float]:
    """Describe how probable the tumour is, from its probability on the grid of its box."""
    ids = tumour.components.ids[tumour.inside]
    p = probability[tumour.inside].astype(np.float64).clip(0, 1)
    others = p[ids != tumour.main]
    low, high = UNCERTAIN
    return {
        "probability_MeanInside": float(p.mean()),
        "probability_MeanEntropy": float(_entropy_bits(p).mean()),
        "probability_MeanOthers": float((others if others.size else p).mean()),
        "probability_LeastComponentMean": _least_mean(tumour.components, ids, p),
        "probability_UncertainShare": float(np.mean((p > low) & (p < high))),
    }


def votes_features(votes: np.ndarray, tumour: Tumour) -> dict[str, float]:
    """Describe how members agree on the tumour, from their votes (z, y, x) on the whole grid."""
    inside = tumour.inside
    q = votes[tumour.box][inside].astype(np.float64).clip(0, 1)
    seen = votes[votes > 0].astype(np.float64).clip(0, 1)
    disagreement = 4 * seen * (1 - seen)
    return {
        "votes_MeanDisagreement": float(disagreement.mean()) if seen.size else 0.0,
        "votes_DoubtedShare": float(np.mean(q < 1 - ROUNDING)),
        "votes_LeastComponentMean": _least_mean(
            tumour.components, tumour.components.ids[inside], q
        ),
    }


def _share_outside_largest(components: Components) -> float:
    voxels = components.voxels[1:]
    return float(1 - voxels.max() / voxels.sum()) if voxels.size else 0.0


def _least_mean(components: Components, ids: np.ndarray, values: np.ndarray) -> float:
    """Return the least mean of a component, from the ids and values of voxels inside."""
    sums = np.bincount(ids, values, minlength=components.voxels.size)
    return float((sums[1:] / components.voxels[1:]).min())


def _entropy_bits(p: np.ndarray) -> np.ndarray:
    return -sum(x * np.log2(x, out=np.zeros_like(x), where=x > 0) for x in (p, 1 - p))


def _distances_mm(tumour: Tumour, spacing_mm: SpacingMm) -> np.ndarray:
    """Return how far each other component is from the main one, between centres of voxels.

    The closest two voxels of two components lie on their borders: from an inner voxel, one step
    along an axis goes nearer.
    """
    indices = np.argwhere(border(tumour.inside))
    ids = tumour.components.ids[tuple(indices.T)]
    others = ids != tumour.main
    if not others.any():
        return np.empty(0)
    from scipy.spatial import cKDTree  # takes a fifth of a second to load, and few models need it

    points_mm = indices * np.array(spacing_mm)
    away_mm, _ = cKDTree(points_mm[~others]).query(points_mm[others])
    least = np.full(tumour.components.voxels.size, np.inf)
    np.minimum.at(least, ids[others], away_mm)
    return np.delete(least[1:], tumour.main - 1)
