"""Lesions as the BraTS scorers of 2023 to 2025 see them: joined by dilation, then by touch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cc3d
import numpy as np


@dataclass(frozen=True)
class Lesions:
    """Numbered lesions of one mask.

    Numbers follow the raster order of the first voxel, x fastest: the touch rule depends on it.
    """

    ids: np.ndarray  # (z, y, x) lesion of each voxel of the mask, 0 elsewhere
    reach: np.ndarray  # (z, y, x) lesion whose dilation covers the voxel, 0 where none does
    voxels: np.ndarray  # (lesion + 1,) size by number, 0 for a removed lesion; [0] is 0


def find_lesions(mask: np.ndarray, dilation: int) -> Lesions:
    """Join the pieces of a bool mask whose dilations meet or touch (26-connected)."""
    reach = cc3d.connected_components(dilate(mask, dilation), connectivity=26)
    ids = np.where(mask, reach, 0) if dilation else reach
    return Lesions(ids, reach, _sizes(ids, int(reach.max())))


def remove_small(lesions: Lesions, at_most_voxels: float) -> Lesions:
    """Delete lesions of at most so many voxels; numbers keep their gaps."""
    table = np.arange(lesions.voxels.size)
    table[lesions.voxels <= at_most_voxels] = 0
    return renumber(lesions, table)


def renumber(lesions: Lesions, table: np.ndarray) -> Lesions:
    """Give lesion i the number table[i]; equal numbers join lesions, 0 deletes them."""
    if np.array_equal(table, np.arange(table.size)):
        return lesions
    voxels = np.bincount(table, weights=lesions.voxels).astype(np.int64)
    voxels[0] = 0
    table = table.astype(lesions.ids.dtype)
    return Lesions(table[lesions.ids], table[lesions.reach], voxels)


def dilate(mask: np.ndarray, iterations: int) -> np.ndarray:
    """Dilate a bool mask by the 18-neighbourhood, so many times; outside the array is background.

    The 3x3x3 element without corners is the union of three 3x3 squares, one in each plane.
    """
    for _ in range(iterations):
        x = _spread(mask, 2)
        y = _spread(mask, 1)
        mask = _spread(x, 1) | _spread(x, 0) | _spread(y, 0)
    return mask


def _spread(mask: np.ndarray, axis: int) -> np.ndarray:
    """Dilate by one voxel to both sides along an axis."""
    wide = mask.copy()
    ahead = tuple(slice(1, None) if i == axis else slice(None) for i in range(mask.ndim))
    behind = tuple(slice(None, -1) if i == axis else slice(None) for i in range(mask.ndim))
    wide[ahead] |= mask[behind]
    wide[behind] |= mask[ahead]
    return wide


def merge_touching(
    tissues: Mapping[str, Lesions], partners: Mapping[str, Sequence[str]]
) -> dict[str, Lesions]:
    """Join the lesions of a tissue that touch one lesion of a partner tissue (BraTS 2024, 2025).

    `partners` names, for each tissue to merge, its partners in order. All contacts are those of the
    lesions as given: what one tissue's merging joins is not seen by another's.
    """
    contacts = _contacts(tissues)
    merged = dict(tissues)
    for name, others in partners.items():
        size = tissues[name].voxels.size
        table = np.arange(size)
        table[tissues[name].voxels == 0] = 0
        for other in others:
            touching = {(int(table[a]), b) for a, b in contacts[name, other]}
            table = _joined(touching, table)
        merged[name] = renumber(tissues[name], table)
    return merged


def _joined(touching: set[tuple[int, int]], table: np.ndarray) -> np.ndarray:
    """Give all lesions with the same smallest partner one number behind the others.

    `touching` holds pairs (lesion, partner). A single pair changes nothing. The rule is no
    transitive closure: a lesion that touches two partners joins the first one's group only.
    """
    if len(touching) <= 1:
        return table
    fresh: dict[int, int] = {}
    becomes: dict[int, int] = {}
    first = int(table.max()) + 1
    for lesion, partner in sorted(touching):
        fresh.setdefault(partner, first + len(fresh))
        becomes.setdefault(lesion, fresh[partner])
    moved = np.array([becomes.get(int(number), int(number)) for number in table])
    return np.unique(np.append(moved, 0), return_inverse=True)[1][:-1]


def _contacts(tissues: Mapping[str, Lesions]) -> dict[tuple[str, str], set[tuple[int, int]]]:
    """Return, for every two tissues, the pairs of lesion numbers that are 18-adjacent."""
    names = list(tissues)
    offsets = np.cumsum([0, *(tissues[name].voxels.size for name in names)])
    combined = np.zeros(tissues[names[0]].ids.shape, np.int64)
    for name, offset in zip(names, offsets, strict=False):
        ids = tissues[name].ids
        combined[ids > 0] = ids[ids > 0] + offset
    found: dict[tuple[str, str], set[tuple[int, int]]] = {
        (a, b): set() for a in names for b in names
    }
    for a, b in _adjacent(combined):
        i, j = np.searchsorted(offsets, (a, b), side="left") - 1
        found[names[i], names[j]].add((int(a - offsets[i]), int(b - offsets[j])))
    return found


def _adjacent(ids: np.ndarray) -> Iterable[tuple[int, int]]:
    """Yield every ordered pair of different numbers at 18-adjacent voxels."""
    padded = np.pad(ids, 1)
    flat, top = padded.ravel(), int(ids.max()) + 1
    places = np.flatnonzero(flat)
    here = flat[places]
    steps = np.array(padded.strides) // padded.itemsize
    pairs = set()
    for offset in _half_of_18():
        there = flat[places + int(offset @ steps)]
        differ = (there > 0) & (there != here)
        pairs.update(np.unique(here[differ] * top + there[differ]).tolist())
    for pair in pairs:
        a, b = divmod(pair, top)
        yield a, b
        yield b, a


def _half_of_18() -> list[np.ndarray]:
    """Return one of each two opposite steps of the 18-neighbourhood."""
    steps = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    reach = np.abs(steps).sum(1)
    return [s for s, r in zip(steps, reach, strict=True) if 0 < r < 3 and tuple(s) > (0, 0, 0)]


def _sizes(ids: np.ndarray, n: int) -> np.ndarray:
    sizes = np.bincount(ids[ids > 0], minlength=n + 1)
    sizes[0] = 0
    return sizes
