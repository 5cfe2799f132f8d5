"""One synthetic BraTS patient: four co-registered sequences and their labels."""

import numpy as np

from challenge.scheme import SCHEMES
from lab.phantom import brain, glioma, scanner
from lab.phantom.fields import Grid

# Relative signal (white matter on T1 is 1), read off public gliomas by eye: t1n, t1c, t2w, t2f.
SIGNALS = {
    "white": (1.00, 0.96, 0.30, 0.56),
    "grey": (0.80, 0.84, 0.44, 0.66),
    "csf": (0.42, 0.42, 1.00, 0.15),
    "deep": (0.86, 0.88, 0.42, 0.62),
    "cap": (0.90, 0.88, 0.48, 0.95),
    "choroid": (0.66, 1.40, 0.80, 0.42),
    "vessel": (0.60, 1.70, 0.22, 0.32),
    "SNFH": (0.78, 0.80, 0.72, 1.02),
    "NETC": (0.56, 0.58, 0.86, 0.78),
    "ET": (0.68, 1.55, 0.62, 0.88),
    "RC": (0.40, 0.42, 1.02, 0.20),
}
_PAINT_ORDER = ("grey", "deep", "cap", "csf", "choroid", "vessel", "SNFH", "NETC", "ET", "RC")
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
    box, window = _head_box(grid)
    shape_rng = np.random.default_rng([seed, 1])
    lesions = glioma.draw(shape_rng)
    axes = box.axes()
    tissue = brain.anatomy(shape_rng, axes, glioma.pushed(axes, lesions))
    tissue |= glioma.parts(shape_rng, axes, lesions, tissue)
    labels = np.zeros(grid.shape, np.uint8)
    for name in _DISEASE:
        labels[window][tissue[name] > 0.5] = SCHEMES["brats-gli"].labels[name]
    pictures = {}
    for channel, sequence in enumerate(SCHEMES["brats-gli"].sequences):
        pictures[sequence] = np.zeros(grid.shape, np.int16)
        pictures[sequence][window] = _picture(seed, channel, box, tissue)
    return pictures, labels


def _picture(seed: int, channel: int, box: Grid, tissue: dict[str, np.ndarray]) -> np.ndarray:
    rng, axes = np.random.default_rng([seed, 2, channel]), box.axes()
    values = scanner.jittered(rng, {name: signal[channel] for name, signal in SIGNALS.items()})
    picture = scanner.painted([(name, tissue[name]) for name in _PAINT_ORDER], values, "white")
    picture *= scanner.bias(rng, axes, rng.uniform(0.03, 0.12), brain.REACH_MM)
    picture *= scanner.mottle(rng, axes, tissue, brain.REACH_MM)
    noise, blur_mm = rng.uniform(0.008, 0.035), rng.uniform(0.25, 0.7)
    picture = scanner.acquired(rng, picture * tissue["brain"], box, noise, blur_mm)
    return np.where(tissue["brain"], np.maximum(picture, 1), 0)


def _head_box(grid: Grid) -> tuple[Grid, tuple[slice, ...]]:
    """Cut `grid` to the box that can hold a head, to spare the work outside it."""
    window, first = [], []
    for line, half in zip(grid.axes(), brain.BOX_MM, strict=True):
        inside = np.flatnonzero(np.abs(line.ravel()) <= half)
        window.append(slice(int(inside[0]), int(inside[-1]) + 1))
        first.append(float(line.ravel()[inside[0]]))
    shape = tuple(w.stop - w.start for w in window)
    return Grid(shape, grid.step_mm, tuple(first)), tuple(window)  # type: ignore[arg-type]
