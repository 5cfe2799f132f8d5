"""NSD of any union of atoms by arithmetic: border voxels and which of them are near, found once.

A voxel is on the border of a union of atoms where a face neighbour is outside of it, so the atoms
at its six faces tell in every state. Which border voxels of the reference lie within a tolerance of
it does not depend on the state at all. Arrays are (z, y, x); nothing of the size of the image is
kept.
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
    """Voxels of a prediction that are on the border in some state."""

    atoms: np.ndarray  # (n,) atom of each
    beside: np.ndarray  # (n, 6) atoms at its faces, 0 where there is none
    places: np.ndarray  # (n, 3) z, y, x


@dataclass(frozen=True)
class BorderTable:
    """Border voxels of one region's reference lesions, and the candidates near them."""

    borders: np.ndarray  # (lesion + 1,) border voxels of each
    near: tuple[tuple[Pairs, ...], ...]  # by lesion, then by tolerance


def find_border_candidates(ids: np.ndarray) -> BorderCandidates:
    """List the candidates of a map of atoms (z, y, x); beyond the map's edge there is nothing."""
    padded = np.pad(ids, 1)
    flat, steps = padded.ravel(), _strides(padded)
    at = np.flatnonzero(flat)
    beside = np.stack([flat[at + int(np.dot(face, steps))] for face in FACES], axis=1)
    rim = (beside != flat[at][:, None]).any(1)
    places = np.stack(np.unravel_index(at[rim], padded.shape), axis=1) - 1
    kind = np.uint16 if int(ids.max(initial=0)) < 2**16 else np.int32
    return BorderCandidates(
        flat[at[rim]].astype(kind), beside[rim].astype(kind), places.astype(np.int16)
    )


def build_border_table(
    lesions: np.ndarray, numbers: int, candidates: BorderCandidates, spacing_xyz_mm: Sequence[float]
) -> BorderTable:
    """Find a region's lesion borders, and the candidates within each of NSD_TOLERANCES_MM.

    Args:
        lesions: lesion of each voxel (z, y, x), 0 outside.
        numbers: how many lesions there may be, [0] included.
        candidates: of the prediction on the same grid.
        spacing_xyz_mm: spacing in the order in which the official scripts add squares up.
    """
    offsets = _offsets(spacing_xyz_mm)
    reach = max(max(map(abs, offset)) for offset, _ in offsets)
    padded = np.pad(lesions, reach + 1)
    flat, steps = padded.ravel(), _strides(padded)
    at = np.flatnonzero(flat)
    own = flat[at]
    rim = np.zeros(len(at), bool)
    for face in FACES:
        rim |= flat[at + int(np.dot(face, steps))] != own
    at, own = at[rim], own[rim]
    numbered = np.zeros(flat.size, np.int32)
    numbered[at] = np.arange(1, 1 + len(at))
    ours = np.ravel_multi_index(tuple(candidates.places.astype(int).T + reach + 1), padded.shape)
    found = []
    for offset, length_mm in offsets:
        meets = numbered[ours + int(np.dot(offset, steps))]
        near = np.flatnonzero(meets)
        found.append((near.astype(np.int32), meets[near] - 1, length_mm))
    return BorderTable(np.bincount(own, minlength=numbers), _by_lesion(found, own, numbers))


def nsd(
    candidates: BorderCandidates, rims: BorderTable, lesion: int, inside: np.ndarray
) -> tuple[float, ...]:
    """Return the NSD of a lesion against the union of the atoms `inside` (atom,), by tolerance."""
    on_border = inside[candidates.atoms] & ~inside[candidates.beside].all(1)
    count, border = np.count_nonzero(on_border), int(rims.borders[lesion])
    scores = []
    for ours, theirs in rims.near[lesion]:
        counts = on_border[ours]
        shares = (_different(ours[counts]) / count, _different(theirs[counts]) / border)
        scores.append(sum(shares) / (2 + NSD_DIVISOR_EXTRA))
    return tuple(scores)


def _different(numbers: np.ndarray) -> int:
    return len(np.unique(numbers))


def _by_lesion(
    found: Sequence[tuple[np.ndarray, np.ndarray, float]], own: np.ndarray, numbers: int
) -> tuple[tuple[Pairs, ...], ...]:
    """Sort pairs by the lesion of their border voxel; `found` is one entry an offset."""
    tables: list[list[Pairs]] = [[] for _ in range(numbers)]
    for tolerance_mm in NSD_TOLERANCES_MM:
        within = [(ours, theirs) for ours, theirs, mm in found if mm <= tolerance_mm]
        ours, theirs = (np.concatenate(side) for side in zip(*within, strict=True))
        order = np.argsort(own[theirs], kind="stable")
        ours, theirs = ours[order], theirs[order]
        ends = np.searchsorted(own[theirs], np.arange(numbers + 1))
        for lesion in range(numbers):
            part = slice(int(ends[lesion]), int(ends[lesion + 1]))
            tables[lesion].append((ours[part], theirs[part]))
    return tuple(tuple(pairs) for pairs in tables)


def _offsets(spacing_xyz_mm: Sequence[float]) -> list[tuple[tuple[int, ...], float]]:
    """List the index offsets (z, y, x) that no tolerance excludes, with their length in mm."""
    most = max(NSD_TOLERANCES_MM)
    reach = [int(most / mm) + 1 for mm in spacing_xyz_mm]
    found = []
    for xyz in product(*(range(-n, n + 1) for n in reach)):
        length_mm = float(np.sqrt(((np.array(xyz) * np.asarray(spacing_xyz_mm, float)) ** 2).sum()))
        if length_mm <= most:
            found.append((xyz[::-1], length_mm))
    return found


def _strides(array: np.ndarray) -> np.ndarray:
    return np.array(array.strides) // array.itemsize
