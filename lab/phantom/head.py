"""A skull-stripped head bent out of the atlas: other sizes, other folds, wide or narrow fluid.

Memberships (z, y, x) in [0, 1] under the same names as `lab.phantom.brain`, whose heads have folds
that the atlas has not; coordinates (superior, anterior, left) in mm.
"""

import numpy as np

from lab.phantom import atlas
from lab.phantom.brain import REACH_MM, vessels
from lab.phantom.fields import Points, SmoothField, ellipsoid, soft, warp

GYRUS_MM = 22.0  # wavelength of the displacement that makes folds differ


def anatomy(rng: np.random.Generator, axes: Points, points: Points) -> dict[str, np.ndarray]:
    """Return memberships `brain`, `grey`, `csf`, `deep`, `choroid`, `vessel`, `cap`, `depth_mm`.

    `axes` are the open coordinates of the grid; `points` are the same after the mass effect of a
    tumour, one full array an axis. White matter is what is left.
    """
    return tissue_at(rng, axes, to_atlas(rng, axes, points))


def to_atlas(rng: np.random.Generator, axes: Points, points: Points) -> Points:
    """Return where each point (z, y, x) of a head lies in the average one."""
    moved = _rotate(rng, warp(rng, points, axes, rng.uniform(1.5, 4.5), REACH_MM))
    bend = np.float32(rng.uniform(0.3, 1.6))
    s, a, left = (p + bend * SmoothField(rng, GYRUS_MM, REACH_MM).on(axes) for p in moved)
    return s, a, left


def tissue_at(rng: np.random.Generator, axes: Points, moved: Points) -> dict[str, np.ndarray]:
    """Return what `anatomy` does, and `ventricle_mm`, at points (z, y, x) of the average head."""
    read = atlas.sample(moved)
    grey, white, depth = read["grey"], read["white"], read["depth_mm"]
    # The atlas is an average: its borders are steepened to those of one person.
    share = white / np.maximum(grey + white, np.float32(1e-3))
    steep = np.float32(rng.uniform(1.2, 2.6))
    white_share = np.clip((share - np.float32(0.5)) * steep + np.float32(0.5), 0, 1)
    fluid = np.clip(1 - grey - white, 0, 1) ** np.float32(rng.uniform(0.45, 1.3))
    fluid = np.clip(fluid * np.float32(rng.uniform(0.9, 1.6)), 0, 1)
    ventricle_mm = read["ventricle_mm"] + np.float32(rng.uniform(-1.5, 5.0))
    ventricle = soft(ventricle_mm, 1.5)
    csf = np.maximum(fluid, ventricle)
    ragged = SmoothField(rng, 30.0, REACH_MM).on(axes)
    edge_mm = depth + np.float32(rng.uniform(-1.5, 0.5)) + np.float32(rng.uniform(0, 1)) * ragged
    brain = edge_mm > 0
    centre = soft(ellipsoid(moved, (-2.0, 12.0, 0.0), (34.0, 46.0, 44.0)), 6.0) * soft(
        depth - 22, 6
    )
    grey_share = 1 - white_share
    tissue = {
        "depth_mm": edge_mm,
        "ventricle_mm": ventricle_mm,
        "brain": brain,
        "csf": csf,
        "grey": grey_share * (1 - csf) * (1 - centre),
        "deep": grey_share * (1 - csf) * centre,
        "cap": soft(ventricle_mm + 2.5, 3.0) * (1 - csf) * np.float32(rng.uniform(0, 0.6)),
    }
    clumps = SmoothField(rng, 12.0, REACH_MM).on(axes)
    back = np.minimum(ventricle_mm, -moved[1] + 5)  # the plexus lies in the back of the ventricles
    tissue["choroid"] = soft(np.minimum(back - 1, (clumps - np.float32(0.6)) * 4), 1.5)
    vessels(rng, axes, moved, tissue, (1 - csf) * 4)
    return tissue


def _rotate(rng: np.random.Generator, points: Points) -> Points:
    """Rotate and scale the head a little."""
    turn = np.eye(3)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        angle = np.radians(rng.normal(0, 4))
        plane = np.eye(3)
        plane[first, first] = plane[second, second] = np.cos(angle)
        plane[first, second], plane[second, first] = -np.sin(angle), np.sin(angle)
        turn = turn @ plane
    turn = (turn / rng.uniform(0.86, 1.0, 3)[:, None]).astype(np.float32)  # the average is large
    s, a, left = (sum(w * p for w, p in zip(row, points, strict=True)) for row in turn)
    return s, a, left
