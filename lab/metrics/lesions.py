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
    dilated_ids: np.ndarray  # (z, y, x) lesion whose dilation covers the voxel, 0 where none does
    voxels: np.ndarray  # (lesion + 1,) size by number, 0 for a removed lesion; [0] is 0


def find_lesions(mask: np.ndarray, dilation: int) -> Lesions:
    """Join the pieces of a bool mask whose dilations meet or touch (26-connected)."""
    dilated_ids = cc3d.connected_components(dilate(mask, dilation), connectivity=26)
    ids = np.where(mask, dilated_ids, 0) if dilation else dilated_ids
    return Lesions(ids, dilated_ids, _sizes(ids, int(dilated_ids.max())))


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
    return Lesions(table[lesions.ids], table[lesions.dilated_ids], voxels)


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
    tissues: Mapping[str, Lesions], merge_with: Mapping[str, Sequence[str]]
) -> dict[str, Lesions]:
    """Join the lesions of a tissue that touch one lesion of a partner tissue (BraTS 2024, 2025).

    `merge_with` names the partners of each tissue to merge, in order. All contacts are those of the
    lesions as given: what one tissue's merging joins is not seen by another's.
    """
    tables = merged_numbers(
        {name: lesions.voxels for name, lesions in tissues.items()}, _contacts(tissues), merge_with
    )
    return {
        name: renumber(lesions, tables[name]) if name in tables else lesions
        for name, lesions in tissues.items()
    }


def merged_numbers(
    voxels: Mapping[str, np.ndarray],
    contacts: Mapping[tuple[str, str], set[tuple[int, int]]],
    merge_with: Mapping[str, Sequence[str]],
) -> dict[str, np.ndarray]:
    """Return, for each tissue with partners, the number that each of its lesions takes.

    `voxels` are the sizes of every tissue's lesions by number, 0 for one that is not there, and
    `contacts` the pairs of numbers that touch, for each two tissues.
    """
    tables = {}
    for name, others in merge_with.items():
        table = np.where(voxels[name] > 0, np.arange(voxels[name].size), 0)
        for other in others:
            touching = {(int(table[a]), b) for a, b in contacts.get((name, other), ())}
            table = _joined(touching, table)
        tables[name] = table
    return tables


def _joined(touching: set[tuple[int, int]], table: np.ndarray) -> np.ndarray:
    """Give all lesions with the same smallest partner one number behind the others.

    `touching` holds pairs (lesion, partner). A single pair changes nothing. The rule is no
    transitive closure: a lesion that touches two partners joins the first one's group only.
    """
    if len(touching) <= 1:
        return table
    number_of_partner: dict[int, int] = {}
    number_of_lesion: dict[int, int] = {}
    first = int(table.max()) + 1
    for lesion, partner in sorted(touching):
        number_of_partner.setdefault(partner, first + len(number_of_partner))
        number_of_lesion.setdefault(lesion, number_of_partner[partner])
    renumbered = np.array([number_of_lesion.get(int(number), int(number)) for number in table])
    return np.unique(np.append(renumbered, 0), return_inverse=True)[1][:-1]


def _contacts(tissues: Mapping[str, Lesions]) -> dict[tuple[str, str], set[tuple[int, int]]]:
    """Return, for every two tissues, the pairs of lesion numbers that are 18-adjacent."""
    names = list(tissues)
    offsets = np.cumsum([0, *(tissues[name].voxels.size for name in names)])
    combined = np.zeros(tissues[names[0]].ids.shape, np.int32)
    for name, offset in zip(names, offsets, strict=False):
        ids = tissues[name].ids
        combined[ids > 0] = ids[ids > 0] + offset
    contacts: dict[tuple[str, str], set[tuple[int, int]]] = {
        (a, b): set() for a in names for b in names
    }
    for a, b in adjacent_pairs(combined, max_steps=2):
        i, j = np.searchsorted(offsets, (a, b), side="left") - 1
        contacts[names[i], names[j]].add((int(a - offsets[i]), int(b - offsets[j])))
    return contacts


def adjacent_pairs(ids: np.ndarray, max_steps: int) -> Iterable[tuple[int, int]]:
    """Yield every ordered pair of different numbers at adjacent voxels.

    `max_steps` is how many coordinates may differ by one: 2 is the 18-neighbourhood, 3 the 26.
    """
    padded = np.pad(ids, 1)
    flat, top = padded.ravel(), int(ids.max()) + 1
    voxels = np.flatnonzero(flat)
    here = flat[voxels].astype(np.int64)
    steps = np.array(padded.strides) // padded.itemsize
    pairs = set()
    for offset in _half_of_neighbourhood(max_steps):
        there = flat[voxels + int(offset @ steps)]
        differ = (there > 0) & (there != here)
        pairs.update(np.unique(here[differ] * top + there[differ]).tolist())
    for pair in pairs:
        a, b = divmod(pair, top)
        yield a, b
        yield b, a


def _half_of_neighbourhood(max_steps: int) -> list[np.ndarray]:
    """Return one of each two opposite steps."""
    steps = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    length = np.abs(steps).sum(1)
    return [
        step
        for step, n in zip(steps, length, strict=True)
        if 0 < n <= max_steps and tuple(step) > (0, 0, 0)
    ]


def _sizes(ids: np.ndarray, n: int) -> np.ndarray:
    sizes = np.bincount(ids[ids > 0], minlength=n + 1)
    sizes[0] = 0
    return sizes
