"""Connected components: label once, count once, look up once.

A component is a 26-connected piece of a mask (z, y, x): voxels that share a face, an edge or a
corner belong together. Every question below is answered from one labelling and one count, not
from one pass over the volume a component.
"""

from dataclasses import dataclass

import cc3d
import numpy as np


@dataclass(frozen=True)
class Components:
    """The components of a mask: `ids` (z, y, x), 0 outside, and one entry of `voxels` per id."""

    ids: np.ndarray
    voxels: np.ndarray  # voxels[0] counts the outside

    def where(self, wanted: np.ndarray) -> np.ndarray:
        """Return the bool mask (z, y, x) of the components whose entry in `wanted` is true."""
        table = np.asarray(wanted, dtype=bool).copy()
        table[0] = False
        return table[self.ids]


def find_components(mask: np.ndarray) -> Components:
    """Find the 26-connected components of a bool mask (z, y, x)."""
    ids = cc3d.connected_components(mask.astype(np.uint8, copy=False), connectivity=26)
    return Components(ids, np.bincount(ids.ravel(), minlength=1))


def largest_component(mask: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Return the mask of the component with the most voxels, or the most `weight` (z, y, x).

    The first in scan order wins a tie. An empty mask gives an empty mask.
    """
    components = find_components(mask)
    score: np.ndarray = components.voxels
    if weight is not None:
        score = np.bincount(components.ids.ravel(), weight.ravel(), minlength=score.size)
    if score.size == 1:
        return np.zeros(mask.shape, bool)
    return components.ids == 1 + int(score[1:].argmax())
