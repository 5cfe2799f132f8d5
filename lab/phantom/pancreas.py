"""A pancreas with its duct, with or without a tumour, and with what only looks like a tumour.

A healthy gland has no tumour, does not wither, and its duct is not cut off. In some glands, all
along, the duct is wide (chronic pancreatitis), the gland thin (atrophy), a lobule rich in fat
(focal fatty infiltration), or there are small cysts (IPMN), as bright as fluid on T2.
"""

from dataclasses import dataclass

import numpy as np

from lab.phantom import abdomen
from lab.phantom.fields import Points, SmoothField, curve, soft, tube

VERTICES = 24  # of the line through the gland, from head to tail
_USUAL_DUCT_MM = 0.9  # radius
_SHARE = 0.25  # of each mimic, in glands that may have any


@dataclass(frozen=True)
class Mimics:
    """What looks like a tumour and is none."""

    seed: int  # of their shapes
    duct_mm: float  # radius of a duct that is wide from head to tail; 0 for a usual one
    thinness: float  # radius of the gland, as a share of the usual one
    cysts: int
    has_fatty_lobule: bool


NO_MIMICS = Mimics(0, 0.0, 1.0, 0, False)


@dataclass(frozen=True)
class Gland:
    """What a patient's pancreas has."""

    moved_mm: tuple[float, float, float]  # deviations up, forward and to the left
    has_tumour: bool = True
    mimics: Mimics = NO_MIMICS


def draw_mimics(rng: np.random.Generator) -> Mimics:
    """Return what one gland has, each with a chance of a quarter: about a third have nothing."""
    wide, thin, cystic, fatty = rng.random(4) < _SHARE
    return Mimics(
        seed=int(rng.integers(2**31)),
        duct_mm=float(rng.uniform(1.4, 2.8)) if wide else 0.0,
        thinness=float(rng.uniform(0.55, 0.8)) if thin else 1.0,
        cysts=int(rng.integers(1, 4)) if cystic else 0,
        has_fatty_lobule=bool(fatty),
    )


def add_pancreas(
    rng: np.random.Generator, axes: Points, points: Points, tissue: abdomen.Tissue, gland: Gland
) -> tuple[np.ndarray, np.ndarray]:
    """Add pancreas, duct, mimics and tumour to `tissue`.

    Returns:
        Memberships (z, y, x) of the tumour, and of the pancreas with its cysts and tumour.
    """
    mimics, mimic_rng = gland.mimics, np.random.default_rng(gland.mimics.seed)
    path, radii = _path(rng, gland.moved_mm)
    at = int(rng.integers(1, 20))
    withered = rng.uniform(0.65, 1.0)
    if gland.has_tumour:
        radii[at + 1 :] *= withered  # upstream of a tumour
    radii *= mimics.thinness
    lobules, bumps = (SmoothField(rng, w, abdomen.REACH_MM).on(axes) for w in (11.0, 24.0))
    depth = tube(points, path, radii * rng.uniform(0.9, 1.12))
    depth += np.float32(1.1) * lobules + np.float32(1.6) * bumps
    free = (1 - tissue["artery"]) * (1 - tissue["portal"])
    whole = tissue["pancreas"] = soft(depth, 1.8) * free
    if mimics.has_fatty_lobule:
        tissue["fatty lobule"] = whole * _fatty_lobule(mimic_rng, axes, points, path, radii)
    width = np.full(VERTICES, _USUAL_DUCT_MM)
    blocked = rng.choice([_USUAL_DUCT_MM, rng.uniform(1.8, 3.2)])
    if gland.has_tumour:
        width[at:] = blocked
    if mimics.duct_mm:  # and beaded
        beads = np.exp(0.25 * mimic_rng.standard_normal(VERTICES))
        width = np.maximum(width, mimics.duct_mm * beads)
    tissue["duct"] = soft(tube(points, path, width), 1.5) * whole
    if mimics.cysts:
        tissue["pancreatic cyst"] = free * _cysts(mimic_rng, points, path, radii, mimics.cysts)
        whole = np.maximum(whole, tissue["pancreatic cyst"])
    if not gland.has_tumour:
        return np.zeros_like(whole), whole
    tumour = _add_tumour(rng, axes, points, tissue, (path[at], radii[at], lobules))
    return tumour, np.maximum(whole, tumour)


def _path(
    rng: np.random.Generator, moved_mm: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the line through a gland (vertex, 3) and its usual radii (vertex,), mm."""
    bend = rng.normal(0, 3.5, (6, 3))
    if any(moved_mm):  # forward, where there is fat, rather than back, where there is the spine
        bend += np.maximum(rng.normal(0, moved_mm), (-np.inf, -8.0, -np.inf))
    path = curve((np.array(abdomen.PANCREAS_MM) + bend).tolist(), VERTICES)
    return path, np.interp(np.linspace(0, 5, VERTICES), range(6), abdomen.PANCREAS_RADII_MM)


def _add_tumour(
    rng: np.random.Generator,
    axes: Points,
    points: Points,
    tissue: abdomen.Tissue,
    place: tuple[np.ndarray, float, np.ndarray],
) -> np.ndarray:
    """Add a tumour and its necrosis; `place` is a vertex, the gland's radius there, and lobules."""
    vertex, gland_radius, lobules = place
    radius = rng.uniform(8.0, 19.0)
    distance = _distance(points, vertex + rng.normal(0, 0.25 * gland_radius, 3))
    coarse = SmoothField(rng, 20.0, abdomen.REACH_MM).on(axes)
    mass = (
        np.float32(radius) * (1 + np.float32(0.15) * coarse + np.float32(0.06) * lobules) - distance
    )
    tumour: np.ndarray = soft(mass, 2.5) * (1 - tissue["artery"])
    tissue["tumour"] = tumour
    tissue["necrosis"] = soft(mass - radius * rng.choice([0.65, 9.0], p=[0.3, 0.7]), 3.0)
    return tumour


def _cysts(
    rng: np.random.Generator, points: Points, path: np.ndarray, radii: np.ndarray, count: int
) -> np.ndarray:
    """Return the membership (z, y, x) of side branches that are wide: small, sharp, like grapes."""
    at = int(rng.integers(2, VERTICES - 2))
    middle = path[at] + rng.normal(0, 0.4 * radii[at], 3)
    depth = np.full(points[0].shape, -np.inf, np.float32)
    for _ in range(count):
        radius = rng.uniform(2.5, 6.5)
        depth = np.maximum(depth, radius - _distance(points, middle))
        middle = middle + radius * rng.normal(0, 0.8, 3)
    return soft(depth, 1.2)


def _fatty_lobule(
    rng: np.random.Generator, axes: Points, points: Points, path: np.ndarray, radii: np.ndarray
) -> np.ndarray:
    """Return the share (z, y, x) of fat: a part of the gland, streaked, that displaces nothing."""
    at = int(rng.integers(0, VERTICES - 4))
    centre = path[at] + rng.normal(0, 0.3 * radii[at], 3)
    border = SmoothField(rng, 16.0, abdomen.REACH_MM).on(axes)
    streaks = SmoothField(rng, 7.0, abdomen.REACH_MM).on(axes)
    depth = np.float32(rng.uniform(8, 18)) + 3 * border - _distance(points, centre)
    share = np.clip(np.float32(rng.uniform(0.25, 0.6)) + np.float32(0.2) * streaks, 0, 0.85)
    return soft(depth, 3.0) * share


def _distance(points: Points, centre: np.ndarray) -> np.ndarray:
    squares = sum((p - np.float32(c)) ** 2 for p, c in zip(points, centre, strict=True))
    distance: np.ndarray = np.sqrt(squares)
    return distance
