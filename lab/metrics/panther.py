"""PANTHER: Dice, surface Dice at 5 mm, HD95, MASD, tumour volume (evaluate_local.py, 2025).

The published evaluator gives SimpleITK's spacing (x, y, z) to arrays (z, y, x), which distorts
every distance on PANTHER's anisotropic grids. Both orders are here, by name.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from challenge.box import bounding_box, joint_box
from challenge.scheme import SCHEMES
from lab.metrics.label_components import find_label_components
from lab.metrics.pair import Pair, Region, crop
from lab.metrics.surface import (
    Surfels,
    distances,
    mean_distances_mm,
    robust_hausdorff_mm,
    surface_dice,
    surfels,
)
from lab.metrics.surface_cells import SurfaceCells, find_surface_cells, surfels_of

TOLERANCE_MM = 5.0
TUMOUR = Region.of(SCHEMES["panther-t1"], "tumour")
VOLUMES = ("volume_prediction_mm3", "volume_reference_mm3")
Order = Literal["right", "as-published"]
CaseScores = dict[str, dict[str, float]]  # region -> metric -> value


def score(pair: Pair, order: Order) -> CaseScores:
    """Return the five numbers of the tumour, and both volumes in mm3.

    A prediction that is the same everywhere, empty or full, gets Dice 0, surface Dice 0, the grid's
    diagonal for both distances and volume 0; so does one against an empty reference. In the public
    code an empty prediction ends the run; here it is one case, as on the leaderboard.
    """
    prediction, reference = _tumour(pair.prediction), TUMOUR.mask(pair.reference)
    box = joint_box(bounding_box(prediction), bounding_box(reference))
    spacing_mm = pair.spacing_mm if order == "right" else pair.spacing_mm[::-1]
    counts = _Counts(*(int(each.sum()) for each in (prediction & reference, prediction, reference)))
    grid = _Grid(prediction.shape, spacing_mm, pair.voxel_volume_mm3)
    if box is None or not counts.are_comparable(grid):
        return _scores(counts, grid, None)
    sides = surfels(prediction[box], spacing_mm), surfels(reference[box], spacing_mm)
    return _scores(counts, grid, sides)


@dataclass(frozen=True)
class TumourTable:
    """What the score of any variant of a prediction needs: a few MB instead of volumes."""

    grid: "_Grid"
    voxels: np.ndarray  # (component,) 0 for background
    shared: np.ndarray  # (component,) voxels of the reference's tumour
    reference_voxels: int
    cells: SurfaceCells  # of the components
    reference: Surfels

    def score(self, values: np.ndarray) -> CaseScores:
        """Return region -> metric -> value when component i carries the label values[i]."""
        present = np.unique(values[1:][values[1:] > 0])
        tumour = present[0] if present.size == 1 else TUMOUR.values[0]
        inside = values == tumour
        inside[0] = False
        counts = _Counts(
            int(self.shared[inside].sum()), int(self.voxels[inside].sum()), self.reference_voxels
        )
        if not counts.are_comparable(self.grid):
            return _scores(counts, self.grid, None)
        ours = surfels_of(self.cells, inside, self.grid.spacing_mm)
        return _scores(counts, self.grid, (ours, self.reference))


def tumour_table(pair: Pair, order: Order) -> TumourTable:
    """Return the fast scorer of a pair of uint8 label maps."""
    spacing_mm = pair.spacing_mm if order == "right" else pair.spacing_mm[::-1]
    grid = _Grid(pair.prediction.shape, spacing_mm, pair.voxel_volume_mm3)
    cut = crop(pair, 0)
    components, reference = find_label_components(cut.prediction), TUMOUR.mask(cut.reference)
    shared = np.bincount(components.ids[reference], minlength=components.voxels.size)
    shared[0] = 0
    return TumourTable(
        grid=grid,
        voxels=components.voxels,
        shared=shared,
        reference_voxels=int(reference.sum()),
        cells=find_surface_cells(components.ids),
        reference=surfels(reference, spacing_mm),
    )


def volume_rmse_mm3(prediction_mm3: np.ndarray, reference_mm3: np.ndarray) -> float:
    """Return the root of the mean squared volume difference over cases."""
    return float(np.sqrt(np.mean((prediction_mm3 - reference_mm3) ** 2)))


@dataclass(frozen=True)
class _Grid:
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]  # in the order that the distances take
    voxel_volume_mm3: float


@dataclass(frozen=True)
class _Counts:
    """Voxels of the tumour: in both maps, in the prediction, in the reference."""

    both: int
    prediction: int
    reference: int

    def are_comparable(self, grid: _Grid) -> bool:
        """Return whether there is a prediction, not everywhere, and a reference."""
        return 0 < self.prediction < math.prod(grid.shape) and self.reference > 0


def _tumour(labels: np.ndarray) -> np.ndarray:
    """Return label 1, or the one value there is: the evaluator takes any binary map."""
    present = np.unique(labels)
    present = present[present != 0]
    return labels == present[0] if present.size == 1 else TUMOUR.mask(labels)


def _scores(counts: _Counts, grid: _Grid, sides: tuple[Surfels, Surfels] | None) -> CaseScores:
    """Score from counts and the surfels of both sides; None where they are not comparable."""
    volumes = [n * grid.voxel_volume_mm3 for n in (counts.prediction, counts.reference)]
    if sides is None:
        diagonal = float(np.linalg.norm(np.multiply(grid.shape, grid.spacing_mm)))
        scores = {"dice": 0.0, "surface_dice_5mm": 0.0, "hd95": diagonal, "masd": diagonal}
        volumes[0] = volumes[0] if counts.prediction < math.prod(grid.shape) else 0.0
    else:
        between = distances(sides[0].cells, sides[1].cells, grid.spacing_mm)
        scores = {
            "dice": 2 * counts.both / (counts.prediction + counts.reference),
            "surface_dice_5mm": surface_dice(*sides, between, TOLERANCE_MM),
            "hd95": robust_hausdorff_mm(*sides, between),
            "masd": sum(mean_distances_mm(*sides, between)) / 2,
        }
    return {"tumour": scores | dict(zip(VOLUMES, map(float, volumes), strict=True))}
