"""A reference with six tumours of four tissues, and a prediction that errs in each."""

import numpy as np
from scipy.ndimage import gaussian_filter

from lab.metrics.pair import Pair

# Of the grid's sides (z, y, x), and the radius of each tumour.
CENTRES = (
    (0.4, 0.4, 0.35),
    (0.6, 0.65, 0.65),
    (0.3, 0.7, 0.5),
    (0.7, 0.35, 0.6),
    (0.5, 0.5, 0.8),
    (0.7, 0.7, 0.3),
)
RADII_MM = (19.0, 12.0, 8.0, 7.0, 6.0, 5.0)
FALSE_ISLANDS = (1, 2, 3, 4, 3)  # label values


def make_pair(shape: tuple[int, int, int], seed: int) -> Pair:
    """Make label maps (z, y, x) of a shape, with voxels of 1 mm."""
    generator = np.random.default_rng(seed)
    reference, prediction = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for centre, radius_mm in zip(np.array(CENTRES) * shape, RADII_MM, strict=True):
        _paint(reference, centre, radius_mm, generator)
        _paint(prediction, centre + generator.normal(0, 1, 3), radius_mm * 0.97, generator)
    for label in FALSE_ISLANDS:
        corner = (generator.uniform(0.2, 0.8, 3) * shape).astype(int)
        prediction[tuple(slice(c, c + 4) for c in corner)] = label
    return Pair(prediction, reference, (1.0, 1.0, 1.0))


def _paint(
    labels: np.ndarray, centre: np.ndarray, radius_mm: float, generator: np.random.Generator
) -> None:
    """Paint a lumpy ball: oedema outside, an enhancing rim, a core, and a cavity at one side."""
    half_width = int(radius_mm * 1.6) + 2
    corner = np.maximum(centre.astype(int) - half_width, 0)
    box = tuple(slice(int(c), int(c) + 2 * half_width) for c in corner)
    view = labels[box]
    grid = np.indices(view.shape).reshape(3, -1).T + corner - centre
    distance = np.linalg.norm(grid, axis=1).reshape(view.shape)
    lumps = gaussian_filter(generator.normal(size=view.shape), 3)
    depth = (distance + 1.5 * lumps / lumps.std()) / radius_mm
    cavity_side = grid[:, 0].reshape(view.shape) > 0.35 * radius_mm
    for within, label in ((1.0, 2), (0.65, 3), (0.4, 1)):
        view[depth < within] = label
    view[(depth < 0.65) & cavity_side] = 4
