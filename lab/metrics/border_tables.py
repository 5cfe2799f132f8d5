"""NSD of any union of components by arithmetic, from border voxels and pairs of near ones.

A voxel is on the border of a union of components where a face neighbour is outside of it, so the
components at its six faces decide that for every variant. Which border voxels of the reference lie
within a tolerance of it does not depend on the variant at all. Arrays are (z, y, x); a table holds
nothing of the size of the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from lab.metrics.surface_scores import NSD_DIVISOR_EXTRA, NSD_TOLERANCES_MM

FACES = ((-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1))
Pairs = tuple[np.ndarray, np.ndarray]  # candidate of the prediction, border voxel of a lesion


@dataclass(frozen=True)
class BorderCandidates:
    """Voxels of a prediction that are on the border in some variant."""

    components: np.ndarray  # (n,) component of each
    neighbours: np.ndarray  # (n, 6) components at its faces, 0 where there is none


@dataclass(frozen=True)
class BorderTable:
    """Border voxels of one region's reference lesions, and the candidates near them."""

    borders: np.ndarray  # (lesion + 1,) border voxels of each
    near: tuple[tuple[Pairs, ...], ...]  # by lesion, then by tolerance


def find_border_candidates(ids: np.ndarray) -> tuple[BorderCandidates, np.ndarray]:
    """List the candidates of a map of components (z, y, x), and their indices (n, 3) in it.

    Beyond the map's edge is background.
    """
    padded = np.pad(ids, 1)
    flat, steps = padded.ravel(), _strides(padded)
    at = np.flatnonzero(flat)
    neighbours = np.stack([flat[at + int(np.dot(face, steps))] for face in FACES], axis=1)
    on_border = (neighbours != flat[at][:, None]).any(1)
    indices = np.stack(np.unravel_index(at[on_border], padded.shape), axis=1) - 1
    dtype = np.uint16 if int(ids.max(initial=0)) < 2**16 else np.int32
    candidates = BorderCandidates(
        flat[at[on_border]].astype(dtype), neighbours[on_border].astype(dtype)
    )
    return candidates, indices


def build_border_table(
    lesions: np.ndarray, numbers: int, candidates: np.ndarray, spacing_xyz_mm: Sequence[float]
) -> BorderTable:
    """Find a region's lesion borders, and the candidates within each of NSD_TOLERANCES_MM.

    Args:
        lesions: lesion of each voxel (z, y, x), 0 outside.
        numbers: how many lesions there may be, [0] included.
        candidates: (n, 3) indices of the prediction's border candidates on the same grid.
        spacing_xyz_mm: spacing in the order in which the official scripts add squares up.
    """
    offsets = _offsets(spacing_xyz_mm)
    margin = 1 + max(max(map(abs, offset)) for offset, _ in offsets)
    padded = np.pad(lesions, margin)
    flat, steps = padded.ravel(), _strides(padded)
    at = np.flatnonzero(flat)
    on_border = np.zeros(len(at), bool)
    for face in FACES:
        on_border |= flat[at + int(np.dot(face, steps))] != flat[at]
    at = at[on_border]
    lesion_at = flat[at]
    numbered = np.zeros(flat.size, np.int32)
    numbered[at] = np.arange(1, 1 + len(at))
    ours = np.ravel_multi_index(tuple(candidates.T + margin), padded.shape)
    pairs = []
    for offset, length_mm in offsets:
        meets = numbered[ours + int(np.dot(offset, steps))]
        near = np.flatnonzero(meets)
        pairs.append((near.astype(np.int32), meets[near] - 1, length_mm))
    borders = np.bincount(lesion_at, minlength=numbers)
    return BorderTable(borders, _by_lesion(pairs, lesion_at, numbers))


def nsd(
    candidates: BorderCandidates, table: BorderTable, lesion: int, inside: np.ndarray
) -> tuple[float, ...]:
    """Return the NSD of a lesion, by tolerance, against the union of components `inside`."""
    on_border = inside[candidates.components] & ~inside[candidates.neighbours].all(1)
    count, border = np.count_nonzero(on_border), int(table.borders[lesion])
    scores = []
    for ours, theirs in table.near[lesion]:
        counts = on_border[ours]
        shares = (_different(ours[counts]) / count, _different(theirs[counts]) / border)
        scores.append(sum(shares) / (2 + NSD_DIVISOR_EXTRA))
    return tuple(scores)


def _different(numbers: np.ndarray) -> int:
    return len(np.unique(numbers))


def _by_lesion(
    pairs: Sequence[tuple[np.ndarray, np.ndarray, float]], lesion_at: np.ndarray, numbers: int
) -> tuple[tuple[Pairs, ...], ...]:
    """Sort pairs by the lesion of their border voxel; `pairs` has one entry an offset."""
    tables: list[list[Pairs]] = [[] for _ in range(numbers)]
    for tolerance_mm in NSD_TOLERANCES_MM:
        within = [(ours, theirs) for ours, theirs, mm in pairs if mm <= tolerance_mm]
        ours, theirs = (np.concatenate(side) for side in zip(*within, strict=True))
        order = np.argsort(lesion_at[theirs], kind="stable")
        ours, theirs = ours[order], theirs[order]
        ends = np.searchsorted(lesion_at[theirs], np.arange(numbers + 1))
        for lesion in range(numbers):
            part = slice(int(ends[lesion]), int(ends[lesion + 1]))
            tables[lesion].append((ours[part], theirs[part]))
    return tuple(tuple(by_tolerance) for by_tolerance in tables)


def _offsets(spacing_xyz_mm: Sequence[float]) -> list[tuple[tuple[int, ...], float]]:
    """List the index offsets (z, y, x) that no tolerance excludes, with their length in mm."""
    most = max(NSD_TOLERANCES_MM)
    extent = [int(most / mm) + 1 for mm in spacing_xyz_mm]
    offsets = []
    for xyz in product(*(range(-n, n + 1) for n in extent)):
        length_mm = float(np.sqrt(((np.array(xyz) * np.asarray(spacing_xyz_mm, float)) ** 2).sum()))
        if length_mm <= most:
            offsets.append((xyz[::-1], length_mm))
    return offsets


def _strides(array: np.ndarray) -> np.ndarray:
    return np.array(array.strides) // array.itemsize
