"""Grids in millimetres, and smooth random fields and shapes that can be sampled on any of them.

Patient coordinates are (superior, anterior, left) in mm with the origin inside the body. Arrays are
(z, y, x). Everything is defined at every point of space, so one case looks the same at any spacing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

NEAR_MM, FAR_MM = 12.0, -1e3  # outside of a tube
STRIDE = 4  # voxels between those that are read first
SMALL_GRID = 200_000  # voxels; below, every one is read

Points = tuple[np.ndarray, np.ndarray, np.ndarray]  # superior, anterior, left; mm, broadcastable


@dataclass(frozen=True)
class Grid:
    """A regular grid: voxel (z, y, x) lies at first_mm + index * step_mm; steps may be negative."""

    shape: tuple[int, int, int]
    step_mm: tuple[float, float, float]
    first_mm: tuple[float, float, float]

    @classmethod
    def centred(
        cls,
        shape: tuple[int, int, int],
        step_mm: tuple[float, float, float],
        centre_mm: tuple[float, float, float],
    ) -> "Grid":
        """Return the grid whose middle lies at `centre_mm`."""
        first = tuple(
            c - s * (n - 1) / 2 for c, s, n in zip(centre_mm, step_mm, shape, strict=True)
        )
        return cls(shape, step_mm, (first[0], first[1], first[2]))

    def respaced(self, spacing_mm: tuple[float, float, float]) -> "Grid":
        """Return a grid over the same field of view with another spacing (positive, z, y, x)."""
        step = tuple(np.sign(s) * new for s, new in zip(self.step_mm, spacing_mm, strict=True))
        extent = [n * abs(s) for n, s in zip(self.shape, self.step_mm, strict=True)]
        shape = tuple(max(1, round(e / new)) for e, new in zip(extent, spacing_mm, strict=True))
        middle = tuple(
            f + s * (n - 1) / 2
            for f, s, n in zip(self.first_mm, self.step_mm, self.shape, strict=True)
        )
        return Grid.centred(shape, step, middle)  # type: ignore[arg-type]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size (z, y, x) in mm, positive."""
        z, y, x = (abs(s) for s in self.step_mm)
        return z, y, x

    def cropped(self, window: tuple[slice, ...]) -> "Grid":
        """Return the part of the grid that slices (z, y, x) cut out."""
        lines = [line.ravel()[side] for line, side in zip(self.axes(), window, strict=True)]
        shape, first = tuple(len(line) for line in lines), tuple(float(line[0]) for line in lines)
        return Grid(shape, self.step_mm, first)  # type: ignore[arg-type]

    def axes(self) -> Points:
        """Return the coordinates as three open arrays that broadcast to (z, y, x), float32."""
        lines = [
            (f + s * np.arange(n)).astype(np.float32)
            for f, s, n in zip(self.first_mm, self.step_mm, self.shape, strict=True)
        ]
        return lines[0][:, None, None], lines[1][None, :, None], lines[2][None, None, :]


def full(axes: Points) -> Points:
    """Return open coordinates as three arrays of the whole grid's shape (views, no copies)."""
    s, a, left = np.broadcast_arrays(*axes)
    return s, a, left


class SmoothField:
    """A random function of space: cubic B-spline over a lattice of normal numbers, about unit sd.

    `wavelength_mm` is the distance between two hills; the lattice spans +- `reach_mm` on each axis.
    """

    def __init__(self, rng: np.random.Generator, wavelength_mm: float, reach_mm: float) -> None:
        self.knot_mm = wavelength_mm / 3
        half = int(np.ceil(reach_mm / self.knot_mm)) + 2
        lattice = rng.standard_normal((2 * half + 1,) * 3, dtype=np.float32)
        # A cubic B-spline averages its lattice; 0.479 is the mean sum of squares along one axis.
        self.lattice = lattice / np.float32(0.479**1.5)
        self.half = half

    def on(self, axes: Points) -> np.ndarray:
        """Sample on the open coordinates of a grid; separable, hence cheap."""
        field = self.lattice
        for axis in axes:  # each turn contracts the first lattice axis and appends a grid axis
            field = np.tensordot(field, self._basis(axis.ravel()), axes=(0, 1))
        return field

    def at(self, points: Points) -> np.ndarray:
        """Sample at scattered points; `points` must have one common shape."""
        where = np.stack([p / self.knot_mm + self.half for p in points])
        return map_coordinates(self.lattice, where, order=3, prefilter=False, mode="nearest")

    def _basis(self, line_mm: np.ndarray) -> np.ndarray:
        position = np.clip(line_mm / self.knot_mm + self.half, 0, 2 * self.half)
        distance = np.abs(position[:, None] - np.arange(2 * self.half + 1)[None, :])
        near = 2 / 3 - distance**2 + distance**3 / 2
        far = np.clip(2 - distance, 0, None) ** 3 / 6
        return np.where(distance < 1, near, far).astype(np.float32)


def warp(
    rng: np.random.Generator, points: Points, axes: Points, amplitude_mm: float, reach_mm: float
) -> Points:
    """Return `points` moved by a smooth random displacement that is read on the open `axes`."""
    moved = []
    for point in points:
        coarse = SmoothField(rng, 110.0, reach_mm).on(axes)
        fine = SmoothField(rng, 35.0, reach_mm).on(axes)
        moved.append(
            point + np.float32(amplitude_mm) * coarse + np.float32(amplitude_mm / 4) * fine
        )
    return moved[0], moved[1], moved[2]


def ellipsoid(points: Points, centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
    """Return about the depth in mm below the surface of an ellipsoid; negative outside."""
    norm = sum(((p - c) / r) ** 2 for p, c, r in zip(points, centre, radii, strict=True))
    return (1 - np.sqrt(norm)) * np.float32(np.prod(radii) ** (1 / 3))


def tube(points: Points, path: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Return the depth in mm inside a tube along `path` (n, 3) with a radius at each vertex (n).

    What lies more than about `NEAR_MM` outside gets `FAR_MM`, since nothing reads it.
    """
    whole = full(points)
    near = within_reach(whole, lambda coarse: _tube(coarse, path, radii), NEAR_MM)
    if near is None:
        return _tube(whole, path, radii)
    depth = np.full(whole[0].shape, FAR_MM, np.float32)
    s, a, left = (p[near] for p in whole)
    depth[near] = _tube((s, a, left), path, radii)
    return depth


def within_reach(
    points: Points, depth_mm: Callable[[Points], np.ndarray], reach_mm: float
) -> np.ndarray | None:
    """Return which points (z, y, x) of a grid may lie less than `reach_mm` outside of a shape.

    Every fourth voxel is read to find them. None where the grid is small and all may be read.
    """
    if points[0].ndim != 3 or points[0].size < SMALL_GRID:
        return None
    s, a, left = (p[::STRIDE, ::STRIDE, ::STRIDE] for p in points)
    gap_mm = [_step_mm(list(points), axis) for axis in range(3)]
    near = depth_mm((s, a, left)) > -reach_mm - (STRIDE - 1) * float(np.linalg.norm(gap_mm))
    for axis, count in enumerate(points[0].shape):
        near = near.repeat(STRIDE, axis).take(np.arange(count), axis)
    return near


def _step_mm(whole: list[np.ndarray], axis: int) -> float:
    """Return how far neighbours along an axis lie apart, in mm, with some to spare for warps."""
    line = [slice(None) if a == axis else whole[0].shape[a] // 2 for a in range(3)]
    steps = np.stack([np.diff(p[tuple(line)]) for p in whole])
    return 1.5 * float(np.sqrt((steps**2).sum(0)).max(initial=0.0))


def _tube(points: Points, path: np.ndarray, radii: np.ndarray) -> np.ndarray:
    best = np.full(np.broadcast_shapes(*(p.shape for p in points)), FAR_MM, np.float32)
    for start, stop, r0, r1 in zip(path[:-1], path[1:], radii[:-1], radii[1:], strict=True):
        along = stop - start
        offset = [p - np.float32(s) for p, s in zip(points, start, strict=True)]
        t = sum(o * np.float32(a) for o, a in zip(offset, along, strict=True)) / along.dot(along)
        t = np.clip(t, 0, 1)
        gap = sum((o - t * np.float32(a)) ** 2 for o, a in zip(offset, along, strict=True))
        np.maximum(best, r0 + t * (r1 - r0) - np.sqrt(gap), out=best)
    return best


def curve(points: list[tuple[float, ...]], count: int = 12) -> np.ndarray:
    """Return `count` vertices (count, 3) of a smooth curve through `points`."""
    from scipy.interpolate import make_interp_spline

    knots = np.linspace(0, 1, len(points))
    spline = make_interp_spline(knots, np.array(points, float), k=min(3, len(points) - 1))
    return spline(np.linspace(0, 1, count))


def soft(depth_mm: np.ndarray, width_mm: float = 1.2) -> np.ndarray:
    """Turn a depth into a membership in [0, 1] with a ramp of `width_mm`: the partial volume."""
    return np.clip(depth_mm / np.float32(width_mm) + np.float32(0.5), 0, 1)


def resample_onto(axes: Points, samples: np.ndarray, grid: Grid) -> np.ndarray:
    """Interpolate (…, z, y, x) samples on open `axes` linearly resample_onto a finer `grid`."""
    for number, (axis, line) in enumerate(zip(axes, grid.axes(), strict=True)):
        knots, targets = axis.ravel().astype(float), line.ravel().astype(float)
        dim = samples.ndim - 3 + number
        position = np.clip((targets - knots[0]) / (knots[1] - knots[0]), 0, len(knots) - 1)
        low = np.minimum(position.astype(int), len(knots) - 2)
        shape = [1] * samples.ndim
        shape[dim] = -1
        share = (position - low).astype(np.float32).reshape(shape)
        samples = samples.take(low, dim) * (1 - share) + samples.take(low + 1, dim) * share
    return samples
