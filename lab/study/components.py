"""Components of a label: grown to an exact size, placed apart from everything, or removed.

Label maps (z, y, x) uint8 in a scheme's values; a component is 26-connected.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, maximum_filter

from challenge.box import bounding_box
from challenge.scheme import Scheme
from postprocess.components import find_components

Triple = tuple[float, float, float]

EMPTY_BOX = (slice(0, 0),) * 3
ATTEMPTS = 30  # positions tried for one island before it is left out


@dataclass(frozen=True)
class Islands:
    """Components of a label that lie apart from everything; their number is Poisson distributed."""

    label: str
    mean_count: float
    voxels: tuple[int, int]  # smallest and largest, both included
    distance_mm: tuple[float, float]  # from the reference's nearest labelled voxel


def with_part(
    labels: np.ndarray,
    new: str,
    old: str,
    count: int,
    scheme: Scheme,
    generator: np.random.Generator,
) -> np.ndarray:
    """Turn `count` connected voxels of the label `old` into `new`; fewer where it ends."""
    labels, room = labels.copy(), labels == scheme.labels[old]
    seeds = np.flatnonzero(room)
    if count and seeds.size:
        voxels = grow_component(int(generator.choice(seeds)), room, count, generator)
        labels[voxels] = scheme.labels[new]
    return labels


def with_islands(
    labels: np.ndarray,
    islands: Sequence[Islands],
    scheme: Scheme,
    room: np.ndarray,
    distance_mm: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """Add islands inside the mask `room`, at distances by `distance_mm`; both (z, y, x)."""
    labels = labels.copy()
    free = room & (maximum_filter(labels, 3, mode="constant") == 0)
    for kind in islands:
        near, far = kind.distance_mm
        allowed = free & (distance_mm >= near) & (distance_mm <= far)
        for _ in range(generator.poisson(kind.mean_count)):
            count = int(generator.integers(kind.voxels[0], kind.voxels[1] + 1))
            voxels = _island(allowed, count, generator)
            if voxels is None:
                continue
            labels[voxels] = scheme.labels[kind.label]
            for mask in (free, allowed):
                for z, y, x in zip(*voxels, strict=True):
                    mask[max(z - 1, 0) : z + 2, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = 0
    return labels


def grow_component(
    seed: int, room: np.ndarray, count: int, generator: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Return the indices of a roundish component of `count` voxels of `room` (z, y, x).

    It starts at the flat index `seed` and has fewer voxels only where the room around it ends.
    """
    start = tuple(int(i) for i in np.unravel_index(seed, room.shape))
    stretch = np.exp(generator.uniform(-0.35, 0.35, 3))
    queue, visited = [(0.0, start)], {start}
    component: list[tuple[int, ...]] = []
    while queue and len(component) < count:
        _, voxel = heapq.heappop(queue)
        component.append(voxel)
        for neighbour in _neighbours(voxel, room.shape):
            if neighbour not in visited and room[neighbour]:
                visited.add(neighbour)
                offset = [(a - b) * f for a, b, f in zip(neighbour, start, stretch, strict=True)]
                distance = sum(o * o for o in offset) ** 0.5 + generator.uniform(0, 0.7)
                heapq.heappush(queue, (distance, neighbour))
    return tuple(np.array(component).T)


def _neighbours(voxel: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for axis, side in enumerate(shape):
        for step in (-1, 1):
            if 0 <= voxel[axis] + step < side:
                yield (*voxel[:axis], voxel[axis] + step, *voxel[axis + 1 :])


def _island(
    allowed: np.ndarray, count: int, generator: np.random.Generator
) -> tuple[np.ndarray, ...] | None:
    seeds = np.flatnonzero(allowed)
    for _ in range(ATTEMPTS if seeds.size else 0):
        voxels = grow_component(int(generator.choice(seeds)), allowed, count, generator)
        if voxels[0].size == count:
            return voxels
    return None


def without_small_components(labels: np.ndarray, least_voxels: int) -> np.ndarray:
    """Give components of any label below a size to the nearest voxel that is of none."""
    labels = labels.copy()
    for _ in range(5):  # what joins another label seldom leaves a small component behind
        part = labels[bounding_box(labels, 1) or EMPTY_BOX]
        small = np.zeros(part.shape, bool)
        for value in np.unique(part[part > 0]):
            small |= components_below(part == value, least_voxels)
        if not small.any():
            break
        nearest = distance_transform_edt(small, return_distances=False, return_indices=True)
        part[...] = part[tuple(nearest)]
    return labels


def components_below(mask: np.ndarray, voxels: int) -> np.ndarray:
    """Return the components of a mask (z, y, x) that are smaller than a size."""
    components = find_components(mask)
    return components.where(components.voxels < voxels)


def distance_from(mask: np.ndarray, spacing_mm: Triple) -> np.ndarray:
    """Return the distance in mm (z, y, x) to the nearest voxel of a mask; infinite if empty."""
    if not mask.any():
        return np.full(mask.shape, np.inf)
    return distance_transform_edt(~mask, sampling=spacing_mm)
