"""One synthetic ISLES'26 patient: a skull-stripped T1-weighted MRI, its infarcts and their age."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from challenge.box import bounding_box
from challenge.scheme import SCHEMES
from lab.phantom import brain, head, infarct, scanner
from lab.phantom.contrast import USUAL, vary_contrast
from lab.phantom.fields import Grid, Points, SmoothField, resample_onto, soft
from lab.phantom.glioma import white_spots

CENTRES = 55  # of the challenge
LABELLED = 0.5  # membership from which a voxel is labelled
FINEST_MM = 0.9  # anatomy is computed no finer and pictures are interpolated
THICK = 1.8  # slices so many times thicker than their pixels average what lies in them
SUBSLICE_MM = 1.6
MARGIN_MM = 6.0
METADATA = "stroke-metadata"  # the challenge's socket
# Signals beside those of `contrast.USUAL`, white matter being 1, and their spreads.
_SIGNALS = {
    "leukoaraiosis": (0.76, 0.08),
    "spaces": (0.5, 0.12),
    "gliosis": (0.6, 0.1),
    "oedema": (0.7, 0.08),
    "laminar": (1.12, 0.08),
}
_LAYERS = (
    *("grey", "deep", "cap", "leukoaraiosis", "spots", "spaces", "csf", "choroid", "vessel"),
    *("dura", "gliosis", "oedema", "laminar", "cavity"),
)


def centre_of(seed: int) -> str:
    """Return the hospital of a patient: R001 to R055."""
    return f"R{1 + int(np.random.default_rng([seed, 27]).integers(CENTRES)):03d}"


def grid_of(seed: int) -> Grid:
    """Return the native grid (LPS or LAS) of a patient, which is that of the hospital's scanner.

    Four in five have voxels of 1 mm, as participants report of the challenge's data; the others
    thick slices in one of three directions, or voxels that are somewhat finer or coarser.
    """
    rng = np.random.default_rng([int(centre_of(seed)[1:]), 28])
    front = float(rng.choice([-1.0, 1.0]))
    protocol = rng.choice(["cubic", "fine", "axial", "coronal"], p=[0.72, 0.14, 0.08, 0.06])
    step, shape = (1.0, front, 1.0), (256, 256, int(rng.choice([160, 176, 192])))
    if protocol == "fine":
        within = float(rng.choice([0.82, 0.86, 0.94]))
        step = (within, front * within, float(rng.choice([1.0, 1.2])))
        shape = (round(240 / within), round(240 / within), round(180 / step[2]))
    elif protocol == "axial":
        within, between = float(rng.choice([0.75, 0.86, 0.94])), float(rng.choice([3.0, 5.0, 6.0]))
        step = (between, front * within, within)
        shape = (round(170 / between), round(230 / within), round(200 / within))
    elif protocol == "coronal":
        step, shape = (0.9375, front * 3.0, 0.9375), (224, 66, 200)
    return Grid.centred(shape, step, (-2.0, 0.0, 0.0))


def scan(
    seed: int, grid: Grid
) -> tuple[dict[str, np.ndarray], np.ndarray, Mapping[str, Mapping[str, Any]]]:
    """Return the picture (z, y, x) int16, 0 outside the brain, labels, and the JSON sockets."""
    window = brain.box_of(grid)
    box = grid.cropped(window)
    work = _working_grid(box)
    shape_rng, light_rng = (np.random.default_rng([seed, k]) for k in (21, 22))
    infarcts = infarct.draw_infarcts(shape_rng)
    tissue = _tissue(shape_rng, work.axes(), infarcts)
    near = bounding_box(tissue["brain"], [math.ceil(MARGIN_MM / mm) for mm in work.spacing_mm])
    crop = near or (slice(None),) * 3
    part = {name: membership[crop] for name, membership in tissue.items()}
    layers = np.zeros((3, *work.shape), np.float32)
    layers[0][crop] = _picture(light_rng, part, work.cropped(crop).axes())
    layers[1], layers[2] = tissue["brain"], tissue["lesion"]
    fine = _onto(work, layers, box)
    inside = fine[1] > 0.5
    noise = light_rng.uniform(0.04, 0.08) if light_rng.random() < 0.1 else None
    noise = noise or light_rng.uniform(0.008, 0.035)
    blur_mm = light_rng.uniform(0.2, 0.8)
    image = scanner.acquire(light_rng, fine[0] * inside, box, noise, blur_mm, inside)
    picture, labels = np.zeros(grid.shape, np.int16), np.zeros(grid.shape, np.uint8)
    picture[window] = np.where(inside, np.maximum(image, 1), 0)
    labels[window] = inside & (fine[2] > LABELLED)
    return {SCHEMES["isles-2026"].sequences[0]: picture}, labels, {METADATA: metadata(seed)}


def metadata(seed: int) -> dict[str, Any]:
    """Return what the challenge hands over beside the scan; an entry may be null."""
    infarcts = infarct.draw_infarcts(np.random.default_rng([seed, 21]))
    rng = np.random.default_rng([seed, 23])
    is_chronic = not infarcts or infarcts[0].age != "subacute"
    ends = (infarct.CHRONIC_DAYS, 4000.0) if is_chronic else (3.0, infarct.CHRONIC_DAYS)
    days = float(np.floor(np.exp(rng.uniform(*np.log(ends)))))
    missing = rng.random(2) < (0.1, 0.15)
    return {
        "CENTER": centre_of(seed),
        "CHRONICITY": None if missing[0] else int(is_chronic),
        "DAYS_POST_STROKE": None if missing[1] else days,
    }


def signals(rng: np.random.Generator) -> dict[str, float]:
    """Return the signal of every tissue of one patient on T1.

    A cavity is nearly as dark as fluid, gliosis and oedema are darker than grey matter.
    """
    usual = {name: (values[0], spreads[0]) for name, (values, spreads) in USUAL.items()}
    values = {
        name: float(value * np.exp(spread * rng.standard_normal()))
        for name, (value, spread) in (usual | _SIGNALS).items()
    }
    values["grey"] = min(values["grey"], 0.88 * values["white"])
    values["deep"] = min(values["deep"], 0.94 * values["white"])
    values["csf"] = min(values["csf"], 0.55 * values["grey"])
    values["gliosis"] = min(values["gliosis"], 0.85 * values["grey"])
    values["oedema"] = min(values["oedema"], 0.85 * values["grey"])
    values["laminar"] = max(values["laminar"], values["white"])
    values["cavity"] = values["csf"] * float(rng.uniform(0.95, 1.2))
    return vary_contrast(rng, values)


def _tissue(
    rng: np.random.Generator, axes: Points, infarcts: list[infarct.Infarct]
) -> dict[str, np.ndarray]:
    """Return memberships by tissue, with the lesion and what looks like one and is none."""
    s, a, left = np.broadcast_arrays(*axes)
    moved = head.to_atlas(rng, axes, (s, a, left))
    tissue = head.tissue_at(rng, axes, infarct.shrink(moved, infarcts))
    white = np.clip(1 - tissue["csf"] - tissue["grey"] - tissue["deep"], 0, 1)
    clumps = SmoothField(rng, 24.0, brain.REACH_MM).on(axes)
    reach_mm = rng.uniform(1.0, 7.0) if rng.random() < 0.6 else 0.0
    rim_mm = tissue["ventricle_mm"] + np.float32(reach_mm) * (1 + np.float32(0.6) * clumps)
    strength = np.float32(rng.uniform(0.4, 1.0) if reach_mm else 0.0)
    tissue["leukoaraiosis"] = soft(rim_mm, 4.0) * white * strength
    tissue["spots"] = white_spots(rng, axes, tissue)
    dots = SmoothField(rng, 5.0, brain.REACH_MM).on(axes)  # about as wide as vessels' spaces are
    rare = np.float32(rng.uniform(2.3, 3.2))
    inner = np.maximum(tissue["deep"], np.float32(0.7) * white * soft(tissue["depth_mm"] - 14, 4))
    tissue["spaces"] = soft((dots - rare) * 2, 1.0) * inner
    tissue["dura"] = brain.dura(rng, axes, tissue)
    return tissue | infarct.parts(rng, axes, moved, infarcts, tissue)


def _picture(
    rng: np.random.Generator, tissue: Mapping[str, np.ndarray], axes: Points
) -> np.ndarray:
    picture = scanner.blend([(name, tissue[name]) for name in _LAYERS], signals(rng), "white")
    picture *= scanner.bias(rng, axes, rng.uniform(0.03, 0.3), brain.REACH_MM)
    return picture * scanner.mottle(rng, axes, tissue, brain.REACH_MM)


def _working_grid(box: Grid) -> Grid:
    """Return the grid on which anatomy is computed: subslices of thick slices, no fine pixels."""
    spacing = box.spacing_mm
    counts = _subslices(box)
    split = zip(box.shape, counts, box.step_mm, box.first_mm, strict=True)
    rows = [(n * k, step / k, first - step / 2 + step / (2 * k)) for n, k, step, first in split]
    sliced = Grid(*(tuple(each) for each in zip(*rows, strict=True)))
    z, y, x = (
        max(mm / k, FINEST_MM) if mm < FINEST_MM else mm / k
        for mm, k in zip(spacing, counts, strict=True)
    )
    return sliced.respaced((z, y, x))


def _subslices(box: Grid) -> list[int]:
    """Return into how many parts a voxel is cut along each axis (z, y, x)."""
    thin = THICK * min(box.spacing_mm)
    return [math.ceil(mm / SUBSLICE_MM) if mm > thin else 1 for mm in box.spacing_mm]


def _onto(work: Grid, layers: np.ndarray, box: Grid) -> np.ndarray:
    """Average layers (n, z, y, x) over thick slices, and interpolate where voxels are fine."""
    for axis, count in enumerate(_subslices(box), 1):
        if count > 1:
            shape = (*layers.shape[:axis], -1, count, *layers.shape[axis + 1 :])
            layers = layers.reshape(shape).mean(axis + 1)
    if layers.shape[1:] == box.shape:
        return layers
    spacing = [mm * k for mm, k in zip(work.spacing_mm, _subslices(box), strict=True)]
    return resample_onto(box.respaced((spacing[0], spacing[1], spacing[2])).axes(), layers, box)
