"""A skull-stripped head: cortex, white matter, ventricles, deep grey, cerebellum, vessels.

`anatomy` turns points into memberships (z, y, x) in [0, 1]; `lab.phantom.glioma` adds the disease
and `lab.phantom.scanner` the pictures. Sizes in mm, coordinates (superior, anterior, left).
"""

import numpy as np

from lab.phantom.fields import Grid, Points, SmoothField, curve, ellipsoid, soft, tube, warp

REACH_MM = 125.0
BOX_MM = (88.0, 106.0, 84.0)  # half size of the box that holds every head
HULL_MM = (64.0, 84.0, 66.0)

# BraTS grids: (z, y, x) shape and signed steps; x runs to the left in both, y to the front in the
# post-treatment grid (LAS) and to the back in the SRI24 grid (LPS).
GRIDS = {
    "post-treatment": Grid.centred((182, 218, 182), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
    "sri24": Grid.centred((155, 240, 240), (1.0, -1.0, 1.0), (0.0, 0.0, 0.0)),
}


def box_of(grid: Grid) -> tuple[slice, ...]:
    """Return the slices (z, y, x) of a grid's box that can hold a head."""
    window = []
    for line, half in zip(grid.axes(), BOX_MM, strict=True):
        inside = np.flatnonzero(np.abs(line.ravel()) <= half)
        window.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return tuple(window)


def anatomy(rng: np.random.Generator, axes: Points, points: Points) -> dict[str, np.ndarray]:
    """Return memberships `brain`, `grey`, `csf`, `deep`, `choroid`, `vessel` and depth `depth_mm`.

    `axes` are the open coordinates of the grid; `points` are the same after the mass effect of a
    tumour, one full array an axis. White matter is what is left.
    """
    moved = warp(rng, points, axes, 2.2, REACH_MM)
    size = rng.uniform(0.94, 1.05, 3)
    moved = tuple(m / np.float32(s) for m, s in zip(moved, size, strict=True))  # type: ignore[assignment]
    hull = cerebrum(moved)
    cerebellum = ellipsoid(moved, (-42.0, -46.0, 0.0), (23.0, 29.0, 47.0))
    stem = tube(
        moved, np.array([(0, -10, 0), (-30, -16, 0), (-66, -26, 0)]), np.array([14, 13, 8.0])
    )
    cortex, sulcus = folds(rng, moved, hull)
    tissue = _cortex_and_cerebellum(rng, axes, (hull, cerebellum, stem), cortex, sulcus)
    _ventricles(rng, moved, tissue)
    _deep_grey(moved, tissue)
    vessels(rng, axes, moved, tissue, sulcus)
    return tissue


def cerebrum(points: Points) -> np.ndarray:
    """Return the depth in mm below the surface of the hemispheres and temporal lobes."""
    s, a, left = points
    side = np.abs(left)
    dome = ellipsoid((s, a, side), (4.0, 0.0, 0.0), HULL_MM)
    base = np.minimum(dome, s + 26 + np.float32(0.12) * a)
    temporal = ellipsoid((s, a, side), (-24.0, 8.0, 40.0), (23.0, 40.0, 22.0))
    return np.maximum(base, temporal)


def folds(
    rng: np.random.Generator, points: Points, hull: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return distances in mm to the nearest fluid surface (cortex) and to the nearest sulcus sheet.

    Sulci are the zero sheets of a random field read almost at the hull, so that they run inwards.
    """
    s, a, left = points
    norm = np.sqrt(sum((p / r) ** 2 for p, r in zip((s - 4, a, left), HULL_MM, strict=True)))
    pull = np.maximum(norm, 0.15) ** np.float32(-0.75)
    pattern = SmoothField(rng, 18.0, 130.0)
    width = SmoothField(rng, 60.0, 130.0)
    sulcus = np.full(hull.shape, 99.0, np.float32)
    near = (hull > -3) & (hull < 32)  # the costly reading at scattered points, where it matters
    pulled = tuple((p * pull)[near] for p in points)
    reach = np.float32(rng.uniform(13, 18)) + 4 * width.at(pulled)  # type: ignore[arg-type]
    sheet = np.abs(pattern.at(pulled)) * np.float32(4.0)  # type: ignore[arg-type]
    sulcus[near] = np.hypot(sheet, np.maximum(0, hull[near] - reach) * np.float32(1.5))
    callosum = (1 - np.sqrt(((s - 2) / 24) ** 2 + ((a + 4) / 46) ** 2)) * 30
    midline = np.hypot(left, np.maximum(0, callosum)) + np.maximum(0, -20 - s)
    lateral = np.maximum(0, 34 - np.abs(left)) + np.maximum(0, np.abs(a - 4) - 28)
    sylvian = np.hypot(s + 3 + np.float32(0.25) * a, lateral)
    sulcus = np.minimum(np.minimum(sulcus, midline), sylvian)
    return np.minimum(sulcus, np.maximum(hull, 0) + np.float32(0.4)), sulcus


def _cortex_and_cerebellum(
    rng: np.random.Generator,
    axes: Points,
    depths: tuple[np.ndarray, np.ndarray, np.ndarray],
    cortex: np.ndarray,
    sulcus: np.ndarray,
) -> dict[str, np.ndarray]:
    hull, cerebellum, stem = depths
    wide = np.exp(np.float32(0.35) * SmoothField(rng, 60.0, REACH_MM).on(axes))
    wide *= np.float32(rng.uniform(0.55, 1.2))  # atrophy: the old have wide sulci
    tentorium = soft(cerebellum - hull, 2.0) * (cerebellum > -1)
    folia = np.abs(SmoothField(rng, 11.0, REACH_MM).on(axes)) * np.float32(2.5)
    leaf = np.where(cerebellum < 16, folia, 9.0)
    grey = soft(np.float32(4.6) - cortex, 1.6) * (1 - tentorium)
    grey = np.maximum(grey, tentorium * soft(2.2 - np.minimum(leaf, cerebellum), 1.5))
    grey *= 1 - soft(stem, 2.0)
    csf = soft(wide - sulcus, 1.3) * (1 - tentorium)
    csf = np.maximum(csf, tentorium * soft(0.35 * wide - leaf, 1.0))
    gap = soft(1.6 - np.abs(cerebellum - hull), 1.0) * (np.maximum(cerebellum, hull) < 4)
    csf = np.maximum(csf, gap) * (1 - soft(stem, 1.5))
    depth = np.maximum(np.maximum(hull, cerebellum), stem)
    csf = np.maximum(csf, soft(0.9 * wide - depth, 1.5) * np.float32(0.8))
    return {"depth_mm": depth, "brain": depth > 0, "grey": grey, "csf": csf, "cerebrum": hull}


def _ventricles(rng: np.random.Generator, points: Points, tissue: dict[str, np.ndarray]) -> None:
    s, a, left = points
    side: Points = (s, a, np.abs(left))
    swell = rng.uniform(0.65, 1.45)
    horn = curve(
        [(6, 34, 11), (18, 12, 9), (20, -14, 11), (8, -38, 22), (-12, -22, 32), (-20, 2, 31)]
    )
    radii = swell * np.interp(np.linspace(0, 1, 12), [0, 0.4, 0.6, 0.8, 1], [4.5, 5.5, 7, 4, 2])
    fluid = tube(side, horn, radii)
    back = tube(side, np.array([(8.0, -36, 22), (6, -60, 18)]), swell * np.array([6.0, 1.5]))
    third = ellipsoid(points, (0.0, -5.0, 0.0), (9.0, 14.0, 2.0 + swell))
    fourth = ellipsoid(points, (-38.0, -27.0, 0.0), (9.0, 5.0, 7.0))
    depth = np.maximum(np.maximum(fluid, back), np.maximum(third, fourth))
    ventricle = soft(depth, 1.2)
    tissue["csf"] = np.maximum(tissue["csf"], ventricle)
    tissue["grey"] *= 1 - ventricle
    # The rim of the ventricles is bright on FLAIR in many people and is nobody's tumour.
    tissue["cap"] = soft(depth + 2.5, 2.5) * (1 - ventricle) * np.float32(rng.uniform(0, 0.5))
    plexus = tube(side, horn[4:9], np.array([1.0, 2, 2.5, 2.5, 1]))
    tissue["choroid"] = soft(plexus, 1.5) * ventricle


def _deep_grey(points: Points, tissue: dict[str, np.ndarray]) -> None:
    s, a, left = points
    side: Points = (s, a, np.abs(left))
    caudate = tube(
        side, np.array([(6.0, 28, 18), (16, 12, 18), (20, -10, 20)]), np.array([7, 5, 2.0])
    )
    putamen = ellipsoid(side, (2.0, 8.0, 27.0), (12.0, 18.0, 6.0))
    thalamus = ellipsoid(side, (6.0, -14.0, 12.0), (9.0, 14.0, 9.0))
    deep = soft(np.maximum(np.maximum(caudate, putamen), thalamus), 2.0)
    tissue["deep"] = deep * (1 - tissue["csf"])


def vessels(
    rng: np.random.Generator,
    axes: Points,
    points: Points,
    tissue: dict[str, np.ndarray],
    sulcus: np.ndarray,
) -> None:
    """Add `vessel`: a sinus, arteries, and spots along the sulci, which are so many mm away."""
    s, a, left = points
    side: Points = (s, a, np.abs(left))
    sagittal = curve([(20, 84, 0), (58, 40, 0), (67, 0, 0), (55, -45, 0), (12, -82, 0)], 10)
    sinus = tube(points, sagittal, np.full(10, 2.6))
    artery = tube(
        side, curve([(-16, 12, 6), (-12, 14, 30), (0, 2, 44), (12, -20, 52)], 8), np.full(8, 1.3)
    )
    spots = SmoothField(rng, 13.0, REACH_MM).on(axes) - np.float32(1.3)
    pial = soft(np.minimum(spots, 1.1 - sulcus), 1.0) * (tissue["depth_mm"] < 25)
    vessel = np.maximum(soft(np.maximum(sinus, artery), 1.4), pial)
    tissue["vessel"] = vessel * tissue["brain"]


def dura(rng: np.random.Generator, axes: Points, tissue: dict[str, np.ndarray]) -> np.ndarray:
    """Return what a stripper left of the dura: patches at the surface, bright after contrast."""
    patches = SmoothField(rng, rng.uniform(24, 48), REACH_MM).on(axes)
    rare = np.float32(rng.uniform(0.6, 2.2))
    thick_mm = np.float32(rng.uniform(1.0, 4.0))
    layer = np.minimum(thick_mm - tissue["depth_mm"], (patches - rare) * 6)
    return soft(layer, 1.2) * tissue["brain"]
