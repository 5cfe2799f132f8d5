"""Connected components: label once, count once, look up once.

Unless a connectivity is given, a component is a 26-connected part of a mask (z, y, x): voxels that
share a face, an edge or a corner belong together. Every question below is answered from one
labelling and one count, not from one pass over the volume a component.
"""

from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

import cc3d
import numpy as np

from challenge.box import Box, bounding_box

Connectivity = Literal[6, 18, 26]  # neighbours by a face; also by an edge; also by a corner
SpacingMm = tuple[float, float, float]  # (z, y, x)
CONNECTIVITIES: tuple[int, ...] = get_args(Connectivity)


@dataclass(frozen=True)
class Components:
    """The components of a mask: `ids` (z, y, x), 0 outside, and one entry of `voxels` per id.

    Ids follow the scan order of each component's first voxel.
    """

    ids: np.ndarray
    voxels: np.ndarray  # voxels[0] counts the outside
    box: Box  # slices (z, y, x) that hold all components

    def where(self, selected: np.ndarray) -> np.ndarray:
        """Return the bool mask (z, y, x) of the components whose entry in `selected` is true."""
        table = np.asarray(selected, dtype=bool).copy()
        table[0] = False
        mask = np.zeros(self.ids.shape, bool)
        mask[self.box] = table[self.ids[self.box]]
        return mask

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of `values` (z, y, x) over each component, one entry per id."""
        sums = np.bincount(self.ids.ravel(), values.ravel(), minlength=self.voxels.size)
        return sums / np.maximum(self.voxels, 1)

    def highest(self, values: np.ndarray) -> np.ndarray:
        """Return the highest of `values` (z, y, x) in each component, in the values' own type."""
        ids, values = self.ids[self.box], values[self.box]
        highest = np.full(self.voxels.size, -np.inf, values.dtype)
        np.maximum.at(highest, ids[ids > 0], values[ids > 0])
        return highest

    def holding(self, others: "Components", share: float) -> np.ndarray:
        """Return which components hold at least `share` of any one of `others`, by id."""
        n = others.voxels.size
        both = (self.ids > 0) & (others.ids > 0)
        pairs = self.ids[both].astype(np.int64) * n + others.ids[both]
        pairs, shared = np.unique(pairs, return_counts=True)
        outer, inner = pairs // n, pairs % n
        holding = np.zeros(self.voxels.size, bool)
        holding[outer[shared >= share * others.voxels[inner]]] = True
        return holding


def find_components(mask: np.ndarray, connectivity: Connectivity = 26) -> Components:
    """Find the components of a bool mask (z, y, x) at a connectivity of 6, 18 or 26."""
    box = bounding_box(mask) or (slice(0, 0),) * 3
    within = np.ascontiguousarray(mask[box], np.uint8)
    if within.size == 0:
        return Components(np.zeros(mask.shape, np.uint16), np.array([mask.size]), box)
    numbered = cc3d.connected_components(within, connectivity=connectivity)
    voxels = np.bincount(numbered.ravel(), minlength=1)
    voxels[0] += mask.size - within.size
    ids = np.zeros(mask.shape, numbered.dtype)
    ids[box] = numbered
    return Components(ids, voxels, box)


def as_one(mask: np.ndarray) -> Components:
    """Return a bool mask (z, y, x) as one component, whatever its pieces; none if it is empty."""
    box = bounding_box(mask)
    if box is None:
        return find_components(mask)
    inside = np.count_nonzero(mask)
    return Components(mask.astype(np.uint16), np.array([mask.size - inside, inside]), box)


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


def border(mask: np.ndarray) -> np.ndarray:
    """Return the voxels of a mask (z, y, x) with a face to its outside or to the edge.

    Of numbers (z, y, x), 0 outside: those with a face to another number, the outside or the edge.
    """
    padded = np.pad(mask, 1)
    inside = mask != 0
    inner = inside.copy()
    for axis in range(3):
        for step in (0, 2):
            index = [slice(1, -1)] * 3
            index[axis] = slice(step, step + mask.shape[axis])
            inner &= padded[tuple(index)] == mask
    return inside & ~inner


def surrounding_labels(
    labels: np.ndarray, selected: np.ndarray, connectivity: Connectivity
) -> np.ndarray:
    """Return the label around each removed component, one value for every selected voxel.

    Background inside a tumour is a hole that no scan shows, so a component that touches no
    background takes the label around it: a false speck of enhancement in the necrotic core becomes
    core, one of core in the oedema becomes oedema (after KurtLab's BraTS 2023 entry).

    A component of `selected` none of whose face neighbours is background takes the most frequent
    label among these voxels, the lowest of several; any other becomes background. Beyond the edge
    of the volume there are no voxels, so the edge counts neither way.

    Args:
        labels: label map (z, y, x) that still holds the selected voxels as they were.
        selected: bool mask (z, y, x).
        connectivity: 6, 18 or 26, of the components of `selected`.
    """
    components = find_components(selected, connectivity)
    ids, around = neighbours(components, selected)
    counts = np.zeros((components.voxels.size, int(labels.max()) + 1), np.int64)
    np.add.at(counts, (ids, labels.ravel()[around]), 1)
    counts[counts[:, 0] > 0] = 0
    return counts.argmax(1).astype(labels.dtype)[components.ids[selected]]


def neighbours(
    components: Components, selected: np.ndarray, connectivity: Connectivity = 6
) -> tuple[np.ndarray, np.ndarray]:
    """Return component ids and flat voxel indices, one pair for every voxel next to each.

    Args:
        components: of `selected`.
        selected: bool mask (z, y, x); none of its voxels is next to a component.
        connectivity: 6, 18 or 26, of what is next to a voxel.
    """
    at, ids = np.argwhere(selected), components.ids[selected].astype(np.int64)
    most_axes = CONNECTIVITIES.index(connectivity) + 1
    pairs = []
    for step in product((-1, 0, 1), repeat=3):
        if not 0 < np.count_nonzero(step) <= most_axes:
            continue
        beside = at + step
        inside = ((beside >= 0) & (beside < selected.shape)).all(1)
        flat = np.ravel_multi_index(tuple(beside[inside].T), selected.shape)
        outside = ~selected.ravel()[flat]
        pairs.append((ids[inside] * selected.size + flat)[outside])
    # A voxel in a corner of the component touches it with several faces and still counts once.
    return np.divmod(np.unique(np.concatenate(pairs)), selected.size)
