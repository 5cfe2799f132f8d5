"""Gliomas, treated and untreated: where they sit, how they push, and what their parts are.

Label names as in the scheme brats-gli. All arrays (z, y, x); coordinates and sizes in mm.
"""

from dataclasses import dataclass

import numpy as np

from lab.phantom.brain import HULL_MM, REACH_MM
from lab.phantom.fields import Points, SmoothField, full, soft


@dataclass(frozen=True)
class Lesion:
    """One focus: a core, the oedema around it and, after surgery, a cavity instead of the core."""

    centre_mm: tuple[float, float, float]
    core_mm: float  # mean radius
    oedema_mm: float  # how far it reaches past the core
    rim_mm: float  # thickness of the enhancing rim; 0 for none, past core_mm for a solid one
    cavity: bool
    stretch: tuple[float, float, float]


def draw(rng: np.random.Generator) -> list[Lesion]:
    """Return the foci of one patient, most often one; a few patients have none."""
    if rng.random() < 0.06:
        return []
    after_surgery = rng.random() < 0.4
    core = rng.uniform(7.0, 17.0)
    style = rng.choice(["rim", "thin", "solid", "none"], p=[0.5, 0.15, 0.22, 0.13])
    rim = {"rim": rng.uniform(2.5, 5), "thin": rng.uniform(1.6, 2.5), "solid": 40.0, "none": 0.0}
    first = Lesion(_place(rng), core, rng.uniform(3, 10), rim[style], after_surgery, _stretch(rng))
    lesions = [first]
    if rng.random() < 0.35:
        near = [
            c + d
            for c, d in zip(first.centre_mm, _direction(rng) * rng.uniform(24, 40), strict=True)
        ]
        inside = sum((c / r) ** 2 for c, r in zip(near, HULL_MM, strict=True)) < 0.7
        centre = (near[0], near[1], near[2]) if inside else _place(rng)
        core = rng.uniform(4.0, 7.0)
        lesions.append(
            Lesion(centre, core, rng.uniform(2, 6), rng.uniform(2, 9), False, _stretch(rng))
        )
    return lesions


def pushed(axes: Points, lesions: list[Lesion]) -> Points:
    """Return full coordinate arrays that make the anatomy give way around each focus."""
    points = list(full(axes))
    for lesion in lesions:
        offset = [p - np.float32(c) for p, c in zip(points, lesion.centre_mm, strict=True)]
        span = np.float32(1.6 * (lesion.core_mm + lesion.oedema_mm / 2))
        push = np.float32(0.3) * np.exp(-sum(o * o for o in offset) / span**2)
        points = [p - push * o for p, o in zip(points, offset, strict=True)]
    return points[0], points[1], points[2]


def parts(
    rng: np.random.Generator, axes: Points, lesions: list[Lesion], tissue: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return memberships of SNFH, NETC, ET and RC; where they overlap the later name wins."""
    found = {
        name: np.zeros(tissue["csf"].shape, np.float32) for name in ("SNFH", "NETC", "ET", "RC")
    }
    for lesion in lesions:
        for name, membership in _focus(rng, axes, lesion, tissue).items():
            np.maximum(found[name], membership, out=found[name])
    return {name: membership * tissue["brain"] for name, membership in found.items()}


def _focus(
    rng: np.random.Generator, axes: Points, lesion: Lesion, tissue: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    offset = [(p - c) * f for p, c, f in zip(axes, lesion.centre_mm, lesion.stretch, strict=True)]
    distance = np.sqrt(sum(o * o for o in offset))
    coarse, fine = (SmoothField(rng, w, REACH_MM).on(axes) for w in (24.0, 10.0))
    patchy = SmoothField(rng, 14.0, REACH_MM).on(axes)
    radius = np.float32(lesion.core_mm)
    depth = radius * (1 + np.float32(0.2) * coarse + np.float32(0.09) * fine) - distance
    # Oedema creeps along white matter and stops at grey matter and at fluid.
    creep = np.float32(lesion.oedema_mm) * (
        1 + np.float32(0.55) * coarse + np.float32(0.35) * patchy
    )
    barrier = 5 * tissue["csf"] + np.float32(3.5) * tissue["grey"] + 2 * tissue["deep"]
    halo = soft(depth + np.clip(creep, -1, 22) - barrier, 1.5) * (1 - tissue["csf"])
    # The core replaces tissue but does not spill into sulci and ventricles.
    core = soft(depth, 1.2) * (1 - np.float32(0.9) * tissue["csf"] * (depth < radius * 0.35))
    rim = np.float32(lesion.rim_mm) * (1 + np.float32(0.35) * fine)
    if lesion.cavity:
        return _operated(depth, halo, rim, patchy)
    shell = soft(rim - depth, 1.2) if lesion.rim_mm else np.zeros_like(depth)
    pocket = soft(patchy - 1, 0.4) if lesion.rim_mm > lesion.core_mm else 0
    enhancing = core * shell * (1 - pocket)
    return {"SNFH": halo, "NETC": core, "ET": enhancing}


def _operated(
    depth: np.ndarray, halo: np.ndarray, rim: np.ndarray, patchy: np.ndarray
) -> dict[str, np.ndarray]:
    cavity = soft(depth - 1, 1.2)
    # What enhances after surgery is a nodule at the wall, not a closed rim.
    wall = np.minimum(depth + np.clip(rim, 0, 5) + 1, 2.0)
    nodule = soft(np.minimum(wall, (patchy - np.float32(0.35)) * 4), 1.2) * (np.max(rim) > 0)
    return {"SNFH": np.maximum(halo, soft(depth + 2, 1.5)), "ET": nodule, "RC": cavity}


def _direction(rng: np.random.Generator) -> np.ndarray:
    vector = rng.standard_normal(3)
    return vector / np.linalg.norm(vector)


def _place(rng: np.random.Generator) -> tuple[float, float, float]:
    while True:
        s, a, left = (_direction(rng) * rng.uniform(0.4, 0.8) * np.array(HULL_MM)).tolist()
        if s > -14 and abs(left) > 14:
            return s + 4, a, left


def _stretch(rng: np.random.Generator) -> tuple[float, float, float]:
    factors = np.exp(rng.uniform(-0.3, 0.3, 3))
    s, a, left = (factors / factors.prod() ** (1 / 3)).tolist()
    return s, a, left
