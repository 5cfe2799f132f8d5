"""Connected components: label once, count once, look up once.

Unless a connectivity is given, a component is a 26-connected piece of a mask (z, y, x): voxels that
share a face, an edge or a corner belong together. Every question below is answered from one
labelling and one count, not from one pass over the volume a component.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import cc3d
import numpy as np

Connectivity = Literal[6, 18, 26]  # neighbours by a face; also by an edge; also by a corner
CONNECTIVITIES: tuple[int, ...] = get_args(Connectivity)


@dataclass(frozen=True)
class Components:
    """The components of a mask: `ids` (z, y, x), 0 outside, and one entry of `voxels` per id.

    Ids follow the scan order of each component's first voxel.
    """

    ids: np.ndarray
    voxels: np.ndarray  # voxels[0] counts the outside

    def where(self, wanted: np.ndarray) -> np.ndarray:
        """Return the bool mask (z, y, x) of the components whose entry in `wanted` is true."""
        table = np.asarray(wanted, dtype=bool).copy()
        table[0] = False
        return table[self.ids]

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of `values` (z, y, x) over each component, one entry per id."""
        sums = np.bincount(self.ids.ravel(), values.ravel(), minlength=self.voxels.size)
        return sums / np.maximum(self.voxels, 1)

    def holding(self, others: "Components", share: float) -> np.ndarray:
        """Return which components hold at least `share` of any one of `others`, by id."""
        n = others.voxels.size
        both = (self.ids > 0) & (others.ids > 0)
        pairs = self.ids[both].astype(np.int64) * n + others.ids[both]
        pairs, shared = np.unique(pairs, return_counts=True)
        holder, held = pairs // n, pairs % n
        holds = np.zeros(self.voxels.size, bool)
        holds[holder[shared >= share * others.voxels[held]]] = True
        return holds


def find_components(mask: np.ndarray, connectivity: Connectivity = 26) -> Components:
    """Find the components of a bool mask (z, y, x) at a connectivity of 6, 18 or 26."""
    ids = cc3d.connected_components(mask.astype(np.uint8, copy=False), connectivity=connectivity)
    return Components(ids, np.bincount(ids.ravel(), minlength=1))


def largest_component(
    mask: np.ndarray, weight: np.ndarray | None = None, connectivity: Connectivity = 26
) -> np.ndarray:
    """Return the mask of the component with the most voxels, or the most `weight` (z, y, x).

    The first in scan order wins a tie. An empty mask gives an empty mask.
    """
    components = find_components(mask, connectivity)
    score: np.ndarray = components.voxels
    if weight is not None:
        score = np.bincount(components.ids.ravel(), weight.ravel(), minlength=score.size)
    if score.size == 1:
        return np.zeros(mask.shape, bool)
    return components.ids == 1 + int(score[1:].argmax())


def box_of(mask: np.ndarray) -> tuple[slice, ...]:
    """Return the smallest box that holds a bool mask (z, y, x) that is not empty."""
    spans = (np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3))
    return tuple(slice(int(span[0]), int(span[-1]) + 1) for span in spans)
