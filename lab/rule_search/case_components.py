"""What a case's rules ask about its label components, tabulated once when the case is opened."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lab.rule_search.close_pairs import ClosePairs

Names = tuple[str, ...]  # labels that a rule is about


@dataclass(frozen=True)
class CaseComponents:
    """The label components of one case; arrays by their number, where [0] is the background."""

    values: np.ndarray  # (component,) uint8 label value as predicted
    voxels: np.ndarray  # (component,) int64, 0 for the background
    touching: np.ndarray  # (n, 2) 26-adjacent components
    # (m, 3): a removable component, a flat voxel at a face of it, and the component there (0: none)
    face_neighbours: np.ndarray
    voxel_volume_mm3: float
    # Labels -> (component,) the highest probability of any of them; of labels and regions that
    # rules with a peak are about.
    peaks: Mapping[Names, np.ndarray] = field(default_factory=dict)
    # Labels -> (component,) sum of their probability, float64; where rules ask for means.
    sums: Mapping[Names, np.ndarray] = field(default_factory=dict)
    votes: np.ndarray | None = None  # (component,) highest share of the members that see tumour
    close_pairs: ClosePairs | None = None  # where rules ask for distances
    facing: np.ndarray | None = None  # (n, 2) a component, what is at a face of it (0: none)


def tabulate_components(
    ids: np.ndarray,
    values: np.ndarray,
    touching: np.ndarray,
    voxel_volume_mm3: float,
    removable: np.ndarray,
    peaks: Mapping[Names, np.ndarray] | None = None,
) -> CaseComponents:
    """Collect what the rules ask about label components.

    Args:
        ids: label component of each voxel (z, y, x), 0 outside; at an edge only where the image
            has one.
        values: label value (component,) of each.
        touching: (n, 2) components at 26-adjacent voxels, in both orders.
        voxel_volume_mm3: volume of one voxel.
        removable: (component,) bool, which some rule may remove; see `removable_components`.
            Where it is every one, `facing` is known.
        peaks: labels -> (component,); see `CaseComponents`.
    """
    voxels = np.bincount(ids.ravel(), minlength=values.size)
    voxels[0] = 0
    neighbours = _face_neighbours(ids, removable)
    facing: np.ndarray | None = None
    if removable[1:].all():
        pairs = np.unique(neighbours[:, 0] * values.size + neighbours[:, 2])
        facing = np.stack(np.divmod(pairs, values.size), axis=1)
    return CaseComponents(
        values, voxels, touching, neighbours, voxel_volume_mm3, peaks or {}, facing=facing
    )


def highest_of(ids: np.ndarray, of_voxels: np.ndarray, components: int) -> np.ndarray:
    """Return the highest value (component,) in each label component, in the values' own type.

    Args:
        ids: label component of each voxel (z, y, x).
        of_voxels: (z, y, x), the probability of a set of labels or votes.
        components: how many there are, with the background.
    """
    inside = ids > 0
    highest = np.full(components, -np.inf, of_voxels.dtype)
    np.maximum.at(highest, ids[inside], of_voxels[inside])
    return highest


def _face_neighbours(ids: np.ndarray, removable: np.ndarray) -> np.ndarray:
    """List, for each removable component, the voxels at its faces that are outside of it."""
    flat = np.arange(ids.size, dtype=np.int64).reshape(ids.shape)
    is_removable, faces = removable[ids], []
    for axis in range(ids.ndim):
        first = tuple(slice(None, -1) if i == axis else slice(None) for i in range(ids.ndim))
        second = tuple(slice(1, None) if i == axis else slice(None) for i in range(ids.ndim))
        for inner, outer in ((first, second), (second, first)):
            at = is_removable[inner] & (ids[inner] != ids[outer])
            faces.append(ids[inner][at].astype(np.int64) * ids.size + flat[outer][at])
    components, voxels = np.divmod(np.unique(np.concatenate(faces)), ids.size)
    return np.stack([components, voxels, ids.ravel()[voxels]], axis=1)
