"""One synthetic BraTS patient: four co-registered sequences and their labels."""

import math
from collections.abc import Mapping

import numpy as np

from challenge.box import bounding_box
from challenge.scheme import SCHEMES
from lab.phantom import brain, contrast, glioma, head, scanner
from lab.phantom.fields import Grid

# A voxel is labelled from this membership on: experts outline a fading border, and voxels that
# hold a part of it.
LABELLED = {"SNFH": 0.16, "NETC": 0.25, "ET": 0.22, "RC": 0.5}
SYNTHETIC_FOLDS = 0.15  # share of heads whose folds are random, not of the atlas
THICK = 0.6  # share of sequences taken in thick slices
MOVED = 0.15  # share of sequences that lie up to 2 mm beside the others
NOISY = 0.12
MARGIN_MM = 9.0  # of air around the brain: a slice that cuts its surface, and a shift, lie in it

_LAYERS = (
    *("grey", "deep", "cap", "spots", "csf", "choroid", "vessel", "dura"),
    *("SNFH", "NETC", "cyst", "ET", "blood", "RC"),
)
_DISEASE = ("SNFH", "NETC", "ET", "RC")


def grid_of(seed: int) -> Grid:
    """Return the native grid of a patient: two in three on the post-treatment grid."""
    return brain.GRIDS["sri24" if seed % 3 == 2 else "post-treatment"]


def world_shift_mm(grid: Grid) -> tuple[float, float, float]:
    """Return what to add to patient coordinates in LPS order to get the world of BraTS files.

    Voxel 0 of the native grids then lies at (-90, 126, -72) (LAS) and (0, -239, 0) (LPS).
    """
    return (0.5, 17.5, 18.5) if grid.step_mm[1] > 0 else (119.5, -119.5, 77.0)


def scan(seed: int, grid: Grid) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return pictures (z, y, x) int16 by sequence, exactly 0 outside the brain, and labels."""
    window = brain.box_of(grid)
    box = grid.cropped(window)
    shape_rng = np.random.default_rng([seed, 1])
    lesions = glioma.draw_lesions(shape_rng)
    axes = box.axes()
    kind = brain if shape_rng.random() < SYNTHETIC_FOLDS else head
    tissue = kind.anatomy(shape_rng, axes, glioma.displace(axes, lesions))
    tissue["spots"] = glioma.white_spots(shape_rng, axes, tissue)
    tissue["dura"] = brain.dura(shape_rng, axes, tissue)
    tissue |= glioma.parts(shape_rng, axes, lesions, tissue)
    labels = np.zeros(grid.shape, np.uint8)
    for name in _DISEASE:
        labels[window][tissue[name] > LABELLED[name]] = SCHEMES["brats-gli"].labels[name]
    signals = contrast.draw_signals(np.random.default_rng([seed, 3]))
    margin = [math.ceil(MARGIN_MM / mm) for mm in box.spacing_mm]
    crop = bounding_box(tissue["brain"], margin) or (slice(None),) * 3
    near = {name: part[crop] for name, part in tissue.items()}
    pictures = {}
    for channel, sequence in enumerate(SCHEMES["brats-gli"].sequences):
        pictures[sequence] = np.zeros(grid.shape, np.int16)
        rng = np.random.default_rng([seed, 2, channel])
        pictures[sequence][window][crop] = _picture(rng, signals[channel], box, crop, near)
    return pictures, labels


def _picture(
    rng: np.random.Generator,
    values: Mapping[str, float],
    whole: Grid,
    crop: tuple[slice, ...],
    tissue: Mapping[str, np.ndarray],
) -> np.ndarray:
    box = whole.cropped(crop)
    axes, inside = box.axes(), tissue["brain"]
    picture = scanner.blend([(name, tissue[name]) for name in _LAYERS], values, "white")
    shading = 0.02 + 0.38 * rng.random() ** 2  # most coils shade little
    picture *= scanner.bias(rng, axes, shading, brain.REACH_MM)
    picture *= scanner.mottle(rng, axes, tissue, brain.REACH_MM, rng.uniform(0.03, 0.11))
    if rng.random() < THICK:
        axis, thickness_mm, offset = _slices(rng)
        offset -= crop[axis].start * box.spacing_mm[axis] / thickness_mm
        picture = scanner.slice_thickly(picture * inside, box, axis, thickness_mm, offset % 1)
    if rng.random() < MOVED:
        picture = scanner.translate(picture * inside, box, rng.uniform(-2, 2, 3))
    noise = rng.uniform(0.04, 0.1) if rng.random() < NOISY else rng.uniform(0.005, 0.04)
    blur_mm = rng.uniform(0.2, 0.9)
    picture = scanner.acquire(rng, picture * inside, box, noise, blur_mm, inside)
    return np.where(inside, np.maximum(picture, 1), 0)


def _slices(rng: np.random.Generator) -> tuple[int, float, float]:
    """Return the axis across the slices, their thickness in mm and the first offset; most axial."""
    axis = int(rng.choice(3, p=[0.7, 0.15, 0.15]))
    return axis, float(rng.uniform(2.0, 6.5)), float(rng.uniform(0, 1))
