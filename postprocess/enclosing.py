"""What a removed piece becomes when the tumour closes over it.

Background inside a tumour is a hole that no scan shows, so a piece that touches no background
takes the label around it: a false speck of enhancement in the necrotic core becomes core, one of
core in the oedema becomes oedema (after the repair of KurtLab's BraTS 2023 entry).
"""

import numpy as np

from .components import Components, Connectivity, find_components


def enclosing_labels(
    labels: np.ndarray, found: np.ndarray, connectivity: Connectivity
) -> np.ndarray:
    """Return the new label of every found voxel, in scan order.

    A component of `found` none of whose face neighbours is background takes the most frequent
    label among these voxels, the lowest of several; any other becomes background. Beyond the edge
    of the volume there are no voxels, so the edge counts neither way.

    Args:
        labels: label map (z, y, x) that still holds the found voxels as they were.
        found: bool mask (z, y, x).
        connectivity: 6, 18 or 26, of the components of `found`.
    """
    components = find_components(found, connectivity)
    ids, around = _face_neighbours(components, found)
    counts = np.zeros((components.voxels.size, int(labels.max()) + 1), np.int64)
    np.add.at(counts, (ids, labels.ravel()[around]), 1)
    counts[counts[:, 0] > 0] = 0
    return counts.argmax(1).astype(labels.dtype)[components.ids[found]]


def _face_neighbours(components: Components, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return component ids and flat voxel indices, one pair for every voxel next to each."""
    at, ids, shape = np.argwhere(found), components.ids[found].astype(np.int64), found.shape
    pairs = []
    for axis in range(3):
        for step in (-1, 1):
            beside = at.copy()
            beside[:, axis] += step
            inside = (beside[:, axis] >= 0) & (beside[:, axis] < shape[axis])
            flat = np.ravel_multi_index(tuple(beside[inside].T), shape)
            outside = ~found.ravel()[flat]
            pairs.append((ids[inside] * found.size + flat)[outside])
    # A voxel in a corner of the piece touches it with several faces and still counts once.
    return np.divmod(np.unique(np.concatenate(pairs)), found.size)
