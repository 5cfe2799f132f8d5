"""Gliomas, treated and untreated: position, mass effect and parts.

Label names as in the scheme brats-gli. All arrays (z, y, x); coordinates and sizes in mm.
"""

from dataclasses import dataclass, replace

import numpy as np

from lab.phantom.brain import HULL_MM, REACH_MM
from lab.phantom.fields import Points, SmoothField, full, soft, tube

PARTS = ("SNFH", "NETC", "ET", "RC")
CONTENTS = ("cyst", "blood")  # of necrosis; they have no label
# What enhances, and how often: a rim, a thin rim, all of the core, nothing.
STYLES = {"rim": 0.44, "thin": 0.13, "solid": 0.25, "none": 0.18}
SOLID_MM = 60.0  # deeper than any core
METASTASES = 0.12  # share of patients whose foci are small, many and anywhere


@dataclass(frozen=True)
class Lesion:
    """One focus: a core, the oedema around it and, after surgery, a cavity instead of the core."""

    centre_mm: tuple[float, float, float]
    core_mm: float  # mean radius
    oedema_mm: float  # how far it reaches past the core
    rim_mm: float  # thickness of the enhancing rim; 0 for none, past core_mm for a solid one
    cavity: bool
    stretch: tuple[float, float, float]
    fuzzy_mm: float = 1.5  # the ramp at the oedema's border
    core_fuzzy_mm: float = 1.5  # the ramp at the core's border
    spares_cortex: float = 1.0  # how much cortex holds it up; 0: not at all
    bleeds: bool = False
    cystic: bool = False  # necrosis as dark as fluid, in its rim
    tract_mm: float = 0.0  # radius of the way in of the surgeon, from the brain's surface; 0: none
    rough: float = 1.0  # of the borders; 0: an egg


def draw_lesions(rng: np.random.Generator) -> list[Lesion]:
    """Return the foci of one patient, most often one; a few patients have none."""
    if rng.random() < 0.06:
        return []
    if rng.random() < METASTASES:
        count = int(rng.integers(2, 13))
        return [_metastasis(rng) for _ in range(count)]
    first = _lesion(rng, _centre(rng), _between(rng, 6.0, 30.0), rng.random() < 0.3)
    lesions = [first]
    while rng.random() < 0.28 and len(lesions) < 4:
        away = _direction(rng) * rng.uniform(18, 45)
        s, a, left = (float(c + d) for c, d in zip(first.centre_mm, away, strict=True))
        inside = sum((c / r) ** 2 for c, r in zip((s, a, left), HULL_MM, strict=True)) < 0.7
        centre = (s, a, left) if inside else _centre(rng)
        lesions.append(_lesion(rng, centre, _between(rng, 3.0, 8.0), False))
    return lesions


def _metastasis(rng: np.random.Generator) -> Lesion:
    lesion = _lesion(rng, _centre(rng), _between(rng, 1.5, 9.0), False)
    rim_mm = lesion.rim_mm or SOLID_MM  # every one enhances
    return replace(lesion, rim_mm=rim_mm, oedema_mm=_between(rng, 1.5, 14.0))


def _lesion(
    rng: np.random.Generator, centre: tuple[float, float, float], core_mm: float, cavity: bool
) -> Lesion:
    style = rng.choice(list(STYLES), p=list(STYLES.values()))
    rim = {"rim": rng.uniform(2.5, 8.0), "thin": rng.uniform(1.5, 2.5), "solid": SOLID_MM}
    oedema = _between(rng, 3.0, 34.0) if style != "none" else _between(rng, 1.0, 8.0)
    return Lesion(
        centre_mm=centre,
        core_mm=core_mm * (1.25 if style == "none" else 1.0),
        oedema_mm=oedema,
        rim_mm=rim.get(style, 0.0),
        cavity=cavity,
        stretch=_stretch(rng),
        fuzzy_mm=rng.uniform(1.2, 10.0),
        core_fuzzy_mm=rng.uniform(1.2, 4.5),
        spares_cortex=rng.uniform(0.0, 1.0),
        bleeds=bool(rng.random() < 0.2),
        cystic=bool(rng.random() < 0.35),
        tract_mm=rng.uniform(4.0, 14.0) if rng.random() < 0.8 else 0.0,
        rough=rng.uniform(0.4, 1.2),
    )


def displace(axes: Points, lesions: list[Lesion]) -> Points:
    """Return full coordinate arrays that make the anatomy give way around each focus."""
    points = list(full(axes))
    for lesion in lesions:
        offset = [p - np.float32(c) for p, c in zip(points, lesion.centre_mm, strict=True)]
        span = np.float32(1.6 * (lesion.core_mm + min(lesion.oedema_mm, 12) / 2))
        push = np.float32(0.3) * np.exp(-sum(o * o for o in offset) / span**2)
        points = [p - push * o for p, o in zip(points, offset, strict=True)]
    return points[0], points[1], points[2]


def parts(
    rng: np.random.Generator, axes: Points, lesions: list[Lesion], tissue: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return memberships of SNFH, NETC, ET and RC, the later name winning, and of CONTENTS."""
    names = (*PARTS, *CONTENTS)
    whole = {name: np.zeros(tissue["csf"].shape, np.float32) for name in names}
    for lesion in lesions:
        for name, membership in _focus(rng, axes, lesion, tissue).items():
            np.maximum(whole[name], membership, out=whole[name])
    return {name: membership * tissue["brain"] for name, membership in whole.items()}


def white_spots(
    rng: np.random.Generator, axes: Points, tissue: dict[str, np.ndarray]
) -> np.ndarray:
    """Return the small bright spots in the white matter of the old, which have no label."""
    field = SmoothField(rng, rng.uniform(9, 16), REACH_MM).on(axes)
    rare = np.float32(rng.uniform(1.9, 2.6) if rng.random() < 0.5 else 9.0)
    white = (1 - tissue["csf"] - tissue["grey"] - tissue["deep"]) * tissue["brain"]
    return soft((field - rare) * 5, 1.5) * np.clip(white, 0, 1) * soft(tissue["depth_mm"] - 8, 3)


def _focus(
    rng: np.random.Generator, axes: Points, lesion: Lesion, tissue: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    offset = [(p - c) * f for p, c, f in zip(axes, lesion.centre_mm, lesion.stretch, strict=True)]
    distance = np.sqrt(sum(o * o for o in offset))
    coarse, fine = (SmoothField(rng, w, REACH_MM).on(axes) for w in (26.0, 10.0))
    patchy = SmoothField(rng, 14.0, REACH_MM).on(axes)
    radius = np.float32(lesion.core_mm)
    rough = np.float32(lesion.rough)
    bumps = rough * np.float32(0.12 * min(1.0, 9 / lesion.core_mm)) * fine  # in parts of the radius
    depth = radius * (1 + rough * np.float32(0.24) * coarse + bumps) - distance
    # Oedema creeps along white matter and stops, more or less, at grey matter, and at fluid.
    reach = np.float32(lesion.oedema_mm)
    creep = reach * (1 + rough * (np.float32(0.45) * coarse + np.float32(0.22) * patchy))
    barrier = (
        (4 + reach) * tissue["csf"]
        + np.float32(lesion.spares_cortex) * (2 + np.float32(0.55) * reach) * tissue["grey"]
        + np.float32(0.35) * reach * tissue["deep"]
    )
    spread = depth + np.clip(creep, -1, 45) - barrier
    halo = soft(spread, lesion.fuzzy_mm) * (1 - tissue["csf"])
    # The core replaces tissue but does not spill into sulci and ventricles.
    core = soft(depth, lesion.core_fuzzy_mm) * (
        1 - np.float32(0.9) * tissue["csf"] * (depth < radius * 0.35)
    )
    rim = np.float32(lesion.rim_mm) * (1 + np.float32(0.4) * fine)
    if lesion.cavity:
        depth = np.maximum(depth, _tract(axes, lesion) + rough * np.float32(1.5) * fine)
        return _operated(depth, halo, rim, patchy, lesion.bleeds)
    shell = soft(rim - depth, 1.2) if lesion.rim_mm else np.zeros_like(depth)
    is_solid = lesion.rim_mm > lesion.core_mm
    pocket = soft(patchy - 1, 0.4) if is_solid else 0
    islands = soft(patchy - np.float32(1.1), 0.5) if lesion.rim_mm and not is_solid else 0
    enhancing = core * np.maximum(shell * (1 - pocket), islands)
    blood = core * soft(fine - np.float32(1.2), 0.6) if lesion.bleeds else np.zeros_like(depth)
    # What holds fluid has a wall all around, which tells it from a cavity.
    has_cyst = lesion.cystic and lesion.rim_mm > 0
    cyst = soft(depth - np.maximum(rim, 1.5), 1.5) * np.float32(has_cyst)
    return {"SNFH": halo, "NETC": core, "ET": enhancing, "cyst": cyst, "blood": blood}


def _tract(axes: Points, lesion: Lesion) -> np.ndarray:
    """Return the depth in mm (z, y, x) inside the way from the brain's surface to a cavity."""
    if not lesion.tract_mm:
        return np.full(np.broadcast_shapes(*(p.shape for p in axes)), -np.inf, np.float32)
    centre = np.array(lesion.centre_mm)
    # Straight outwards, never from below.
    outwards = centre * np.array([1.0 if centre[0] > 0 else 0.0, 1.0, 1.0])
    outwards /= np.linalg.norm(outwards)
    path = np.stack([centre, centre + max(HULL_MM) * outwards])
    return tube(axes, path, np.full(2, lesion.tract_mm))


def _operated(
    depth: np.ndarray, halo: np.ndarray, rim: np.ndarray, patchy: np.ndarray, bleeds: bool
) -> dict[str, np.ndarray]:
    cavity = soft(depth - 1, 1.2)
    # What enhances after surgery is a nodule at the wall, not a closed rim.
    wall = np.minimum(depth + np.clip(rim, 0, 5) + 1, 2.0)
    nodule = soft(np.minimum(wall, (patchy - np.float32(0.35)) * 4), 1.2) * (np.max(rim) > 0)
    # Blood at the wall, bright without contrast agent, where no nodule is.
    blood = soft(np.minimum(wall, (np.float32(-0.35) - patchy) * 4), 1.2) * bleeds
    parts = {"SNFH": np.maximum(halo, soft(depth + 2, 1.5)), "ET": nodule, "RC": cavity}
    return parts | {"blood": blood}


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a size; half and double are as likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _direction(rng: np.random.Generator) -> np.ndarray:
    vector = rng.standard_normal(3)
    return vector / np.linalg.norm(vector)


def _centre(rng: np.random.Generator) -> tuple[float, float, float]:
    while True:
        s, a, left = (_direction(rng) * rng.uniform(0.3, 0.85) * np.array(HULL_MM)).tolist()
        if s > -18 and abs(left) > 9:
            return s + 4, a, left


def _stretch(rng: np.random.Generator) -> tuple[float, float, float]:
    factors = np.exp(rng.uniform(-0.35, 0.35, 3))
    s, a, left = (factors / factors.prod() ** (1 / 3)).tolist()
    return s, a, left
