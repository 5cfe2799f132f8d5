"""Surfels of any union of components by arithmetic, without an image.

A surfel lies in a cell between eight voxels (`surface.surfels`). The components of these voxels
decide for every union of components whether the cell holds surface, and how much. The cells of a
union come in the order in which a scan of its mask meets them, so that distances and percentiles
are bit for bit those of the mask.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from lab.metrics.surface import Spacing, Surfels, areas_mm2, is_surface


@dataclass(frozen=True)
class SurfaceCells:
    """The cells that hold surface of some union of a map's components."""

    cells: np.ndarray  # (n, 3) int32; cell i lies between voxels i - 1 and i of each axis
    components: np.ndarray  # (n, 8) of the voxels around, the lowest index on every axis first


def find_surface_cells(ids: np.ndarray) -> SurfaceCells:
    """List the cells of a map of components, 0 outside; beyond its edge is nothing.

    The axes' order is that of the distances: callers pass the order of the official script.
    """
    padded = np.pad(ids, 1)
    ends = [n + 1 for n in ids.shape]
    corners = [
        padded[tuple(slice(start, start + end) for start, end in zip(starts, ends, strict=True))]
        for starts in product((0, 1), repeat=3)
    ]
    differ = np.zeros(ends, bool)
    for corner in corners[1:]:
        differ |= corner != corners[0]
    dtype = np.uint16 if int(ids.max(initial=0)) < 2**16 else np.int32
    around = np.stack([corner[differ] for corner in corners], axis=1)
    return SurfaceCells(np.argwhere(differ).astype(np.int32), around.astype(dtype))


def surfels_of(cells: SurfaceCells, inside: np.ndarray, spacing_mm: Spacing) -> Surfels:
    """Return the surfels of the union of the components `inside` (component,); [0] is False."""
    code = np.packbits(inside[cells.components], axis=1)[:, 0]
    on_surface = is_surface(code)
    return Surfels(cells.cells[on_surface], areas_mm2(code[on_surface], spacing_mm))
