"""Infarcts: where arteries feed the brain, how large, how old, and what they leave.

Positions are of the average head (`lab.phantom.head.to_atlas`): (superior, anterior, left) in mm;
volumes before it is scaled to a patient's. Arrays are (z, y, x).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import label

from challenge.box import bounding_box
from lab.phantom.brain import REACH_MM
from lab.phantom.fields import Points, SmoothField, ellipsoid, soft

Age = Literal["cavity", "gliosis", "subacute"]
Range = tuple[float, float]
# Volumes of a patient's largest infarct as participants of ISLES'26 report them of 955 scans:
# median 4.3 mL, 5th and 95th percentile 0.14 and 136 mL.
MEDIAN_ML, SPREAD, LEAST_ML, MOST_ML = 4.3, 2.1, 0.1, 200.0
AGES: tuple[Age, ...] = ("cavity", "gliosis", "subacute")
LACUNE_MM = (3.0, 15.0)  # diameter
CHRONIC_DAYS = 180.0


@dataclass(frozen=True)
class Territory:
    """What one artery feeds: a box of centres on either side, and the infarcts that it has."""

    share: float  # how often, among territories whose infarcts may be so large
    volume_ml: Range
    superior_mm: Range
    anterior_mm: Range
    side_mm: Range  # to the left or right
    reach_mm: Range  # nearest and farthest from the midline that the artery feeds


TERRITORIES: Mapping[str, Territory] = {
    "middle": Territory(0.42, (1.0, 200.0), (-6, 38), (-38, 38), (34, 56), (15, 99)),
    "lenticulostriate": Territory(0.2, (0.4, 25.0), (-8, 16), (6, 34), (18, 30), (8, 46)),
    "thalamic": Territory(0.1, (0.1, 2.0), (-6, 10), (-10, 8), (7, 15), (1, 26)),
    "medullary": Territory(0.2, (0.1, 4.0), (14, 40), (-30, 40), (18, 32), (8, 60)),
    "anterior": Territory(0.08, (0.5, 60.0), (8, 48), (20, 70), (4, 12), (0.5, 24)),
    "posterior": Territory(0.12, (0.5, 70.0), (-14, 16), (-78, -46), (6, 24), (0.5, 38)),
    "cerebellar": Territory(0.14, (0.2, 50.0), (-60, -34), (-58, -26), (10, 38), (0, 99)),
    "pontine": Territory(0.1, (0.1, 3.0), (-50, -32), (-18, -4), (1, 8), (-3, 20)),
}
CORTICAL = ("middle", "anterior", "posterior")  # with a cortex that may be bright
LACUNAR = ("lenticulostriate", "thalamic", "medullary", "pontine")


@dataclass(frozen=True)
class Infarct:
    """One focus."""

    territory: str
    centre_mm: tuple[float, float, float]
    radius_mm: float  # of a ball of its volume
    stretch: tuple[float, float, float]
    age: Age
    rim_mm: float  # of gliosis around a cavity
    fuzzy_mm: float  # the ramp at its border
    rough: float
    strength: float = 1.0  # of the oedema of a subacute one, through which tissue shows
    laminar: float = 0.0  # how much of its cortex is bright: laminar necrosis

    @property
    def side(self) -> float:
        """Return 1 on the left, -1 on the right."""
        return 1.0 if self.centre_mm[2] > 0 else -1.0


def draw_infarcts(rng: np.random.Generator) -> list[Infarct]:
    """Return the infarcts of one patient: most often one, in a few patients none."""
    if rng.random() < 0.04:
        return []
    volume_ml = 0.0
    while not LEAST_ML <= volume_ml <= MOST_ML:
        volume_ml = MEDIAN_ML * np.exp(SPREAD * rng.standard_normal())
    age = AGES[int(rng.choice(3, p=[0.55, 0.2, 0.25]))]
    infarcts = [_infarct(rng, _territory(rng, volume_ml), volume_ml, age)]
    if rng.random() < 0.35:
        for _ in range(int(rng.integers(1, 5))):
            infarcts.append(_further(rng, infarcts[0], volume_ml))
    return infarcts


def _further(rng: np.random.Generator, first: Infarct, most_ml: float) -> Infarct:
    """Return a smaller infarct: a lacune, or an embolus of the same day in any territory."""
    if rng.random() < 0.6:
        diameter_mm = np.exp(rng.uniform(*np.log(LACUNE_MM)))
        volume_ml = min(most_ml, np.pi / 6 * diameter_mm**3 / 1000)
        return _infarct(rng, str(rng.choice(LACUNAR)), volume_ml, "cavity")
    volume_ml = most_ml * rng.uniform(0.05, 0.5)
    return _infarct(rng, _territory(rng, volume_ml), volume_ml, first.age)


def _territory(rng: np.random.Generator, volume_ml: float) -> str:
    """Return a territory whose infarcts may be so large."""
    possible = {
        name: each.share
        for name, each in TERRITORIES.items()
        if volume_ml <= each.volume_ml[1] and volume_ml >= min(each.volume_ml[0], LEAST_ML * 4)
    } or {"medullary": 1.0}
    shares = np.array(list(possible.values()))
    return str(rng.choice(list(possible), p=shares / shares.sum()))


def _infarct(rng: np.random.Generator, name: str, volume_ml: float, age: Age) -> Infarct:
    territory = TERRITORIES[name]
    side = rng.choice([-1.0, 1.0])
    boxes = (territory.superior_mm, territory.anterior_mm, territory.side_mm)
    s, a, left = (float(rng.uniform(*box)) for box in boxes)
    factors = np.exp(rng.uniform(-0.3, 0.3, 3))
    ds, da, dl = (factors / factors.prod() ** (1 / 3)).tolist()
    radius_mm = float((3000 * volume_ml / (4 * np.pi)) ** (1 / 3))
    return Infarct(
        territory=name,
        centre_mm=(s, a, float(side) * left),
        radius_mm=radius_mm,
        stretch=(ds, da, dl),
        age=age,
        rim_mm=float(min(rng.uniform(0.8, 4.0), 0.3 * radius_mm)),
        fuzzy_mm=float(rng.uniform(1.2, 2.0 if age == "cavity" else 4.0)),
        rough=float(rng.uniform(0.6, 1.3)),
        strength=float(rng.uniform(0.45, 0.9)),
        laminar=(name in CORTICAL) * (float(rng.uniform(0.3, 1.0)) if rng.random() < 0.5 else 0.0),
    )


def shrink(moved: Points, infarcts: list[Infarct]) -> Points:
    """Return points of the average head such that old infarcts draw the ventricle towards them."""
    points = list(moved)
    for infarct in infarcts:
        if infarct.age == "subacute" or infarct.territory in ("cerebellar", "pontine"):
            continue
        ventricle = np.array([12.0, np.clip(infarct.centre_mm[1], -40, 40), infarct.side * 14.0])
        towards = np.array(infarct.centre_mm) - ventricle
        apart = float(np.linalg.norm(towards))
        pull_mm = min(0.4 * infarct.radius_mm, 12.0) * np.exp(-apart / 90)
        middle = ventricle + 0.35 * towards
        span = 10 + 0.3 * apart
        offsets = [p - np.float32(c) for p, c in zip(points, middle, strict=True)]
        weight = np.exp(-sum(o * o for o in offsets) / np.float32(2 * span**2))
        step = towards / max(apart, 1.0) * pull_mm
        points = [p - np.float32(d) * weight for p, d in zip(points, step, strict=True)]
    return points[0], points[1], points[2]


def parts(
    rng: np.random.Generator,
    axes: Points,
    moved: Points,
    infarcts: list[Infarct],
    tissue: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Return memberships `lesion`, and of what it is made: gliosis, oedema, laminar, cavity.

    Sulci around old infarcts are widened in `tissue`.
    """
    names = ("lesion", "gliosis", "oedema", "laminar", "cavity")
    whole = {name: np.zeros(tissue["csf"].shape, np.float32) for name in names}
    for infarct in infarcts:
        window = _window(moved, infarct)
        near = {name: membership[window] for name, membership in tissue.items()}
        s, a, left = (point[window] for point in moved)
        lines = [line.ravel()[side] for line, side in zip(axes, window, strict=True)]
        open_axes = (lines[0][:, None, None], lines[1][None, :, None], lines[2][None, None, :])
        for name, membership in _focus(rng, open_axes, (s, a, left), infarct, near).items():
            np.maximum(whole[name][window], membership, out=whole[name][window])
    return {name: membership * tissue["brain"] for name, membership in whole.items()}


def _window(moved: Points, infarct: Infarct) -> tuple[slice, ...]:
    """Return the slices (z, y, x) that hold an infarct and what it changes."""
    reach_mm = 1.8 * infarct.radius_mm + 14
    offsets = [p - np.float32(c) for p, c in zip(moved, infarct.centre_mm, strict=True)]
    near = np.sqrt(sum(o * o for o in offsets)) < reach_mm
    return bounding_box(near) or (slice(0, 1),) * 3


def _focus(
    rng: np.random.Generator,
    axes: Points,
    moved: Points,
    infarct: Infarct,
    tissue: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    waves_mm = (30.0, max(9.0, 0.55 * infarct.radius_mm), 13.0)
    coarse, fine, patchy = (SmoothField(rng, wave, REACH_MM).on(axes) for wave in waves_mm)
    depth = _depth(moved, infarct, coarse, fine)
    ventricle = soft(tissue["ventricle_mm"], 1.5)
    extent = soft(depth, infarct.fuzzy_mm) * (1 - ventricle)
    # Fluid at its border is a sulcus; inside, it is all one.
    sulcus = tissue["csf"] * soft(3.5 - depth, 3.0)
    lesion = _without_islands(extent * (1 - np.float32(0.8) * sulcus))
    if infarct.age == "subacute":
        bright = tissue["grey"] * soft(patchy + np.float32(0.6), 0.8) * np.float32(infarct.laminar)
        swollen = np.float32(infarct.strength) * (1 + np.float32(0.2) * np.clip(patchy, -1.5, 1.5))
        oedema = lesion * np.clip(swollen, 0, 1)
        return {"lesion": lesion, "oedema": oedema, "laminar": lesion * bright}
    near = soft(depth + 9, 14.0)  # the brain around it shrinks
    np.clip(tissue["csf"] * (1 + near), 0, 1, out=tissue["csf"])
    islands = soft(patchy - np.float32(0.9), 0.6)
    if infarct.age == "gliosis":
        pockets = soft(patchy - np.float32(0.8), 0.6) * soft(depth - infarct.rim_mm, 1.5)
        share = np.float32(0.85) + np.float32(0.15) * np.clip(fine, -1, 1)
        return {"lesion": lesion, "gliosis": lesion * share, "cavity": lesion * pockets}
    rim = np.float32(infarct.rim_mm) * (1 + np.float32(0.5) * np.clip(fine, -1, 1))
    cavity = lesion * soft(depth - rim, 1.5) * (1 - np.float32(0.7) * islands)
    return {"lesion": lesion, "gliosis": lesion, "cavity": cavity}


def _without_islands(membership: np.ndarray) -> np.ndarray:
    """Return a membership (z, y, x) without components of less than a tenth of its voxels."""
    components, _ = label(membership > 0.5, np.ones((3, 3, 3)))
    sizes = np.bincount(components.ravel())
    sizes[0] = sizes.sum()  # the border stays
    return membership * (sizes >= 0.1 * sizes[1:].sum())[components]


def _depth(moved: Points, infarct: Infarct, coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Return the depth in mm below the border of an infarct, which its artery's reach ends."""
    offsets = [
        (p - np.float32(c)) * np.float32(f)
        for p, c, f in zip(moved, infarct.centre_mm, infarct.stretch, strict=True)
    ]
    distance = np.sqrt(sum(o * o for o in offsets))
    radius, rough = np.float32(infarct.radius_mm), np.float32(infarct.rough)
    bumps = np.float32(0.13) * fine
    depth = radius * (1 + rough * (np.float32(0.22) * coarse + bumps)) - distance
    side = moved[2] * np.float32(infarct.side)
    nearest, farthest = TERRITORIES[infarct.territory].reach_mm
    wavy = 3 * coarse + 3 * fine if nearest > 1 else np.float32(0)  # the midline is straight
    inner, outer = side - np.float32(nearest) + wavy, np.float32(farthest) - side - wavy
    depth = np.minimum(depth, np.minimum(inner, outer))
    hemispheres = ellipsoid(moved, (-50.0, -40.0, 0.0), (27.0, 32.0, 52.0))
    vermis = ellipsoid(moved, (-30.0, -38.0, 0.0), (22.0, 28.0, 18.0))
    below = np.maximum(hemispheres, vermis)  # of the tentorium
    if infarct.territory == "cerebellar":
        return np.minimum(depth, below + 2)
    if infarct.territory == "pontine":
        return depth
    if infarct.territory == "middle":
        depth = np.minimum(depth, moved[1] + 62 + wavy)  # the occipital pole is another artery's
    return np.minimum(depth, -below)
