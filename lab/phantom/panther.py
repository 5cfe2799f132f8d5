"""One synthetic PANTHER patient: an abdominal MRI and its pancreas and tumour."""

from dataclasses import dataclass

import numpy as np

from challenge.scheme import SCHEMES
from lab.phantom import abdomen, pancreas, scanner
from lab.phantom.fields import Grid, Points, SmoothField, ellipsoid, resample_onto, soft

# Relative signal: arterial-phase T1 with the fat suppressed, and T2 of an MR-Linac.
_TISSUES = {
    "air": (0.02, 0.02),
    "fat": (0.28, 0.76),
    "skin": (0.42, 0.35),
    "muscle": (0.40, 0.18),
    "lung": (0.06, 0.05),
    "marrow": (0.32, 0.42),
    "disc": (0.26, 0.30),
    "cortical": (0.12, 0.10),
    "csf": (0.16, 1.15),
    "liver": (0.54, 0.30),
    "liver vessel": (0.66, 0.22),
    "lesion": (0.40, 0.62),
    "spleen": (0.64, 0.56),
    "spleen pulp": (0.94, 0.60),
    "cortex": (1.05, 0.60),
    "medulla": (0.52, 0.76),
    "renal sinus": (0.30, 0.82),
    "cyst": (0.18, 1.15),
    "gallbladder": (0.28, 1.20),
    "bowel wall": (0.66, 0.42),
    "bowel fluid": (0.24, 0.95),
    "bowel food": (0.46, 0.40),
    "colon wall": (0.56, 0.36),
    "colon fluid": (0.34, 0.70),
    "colon food": (0.58, 0.28),
    "duodenum wall": (0.72, 0.44),
    "duodenum fluid": (0.26, 1.00),
    "duodenum food": (0.50, 0.50),
    "stomach wall": (0.68, 0.40),
    "stomach fluid": (0.22, 1.05),
    "stomach food": (0.44, 0.48),
    "gas": (0.04, 0.04),
    "artery": (1.38, 0.12),
    "cava": (0.52, 0.24),
    "portal": (0.72, 0.16),
    "pancreas": (0.80, 0.48),
    "duct": (0.26, 1.05),
    "tumour": (0.47, 0.68),
    "necrosis": (0.30, 0.95),
}
Triple = tuple[float, float, float]
LIKENESSES = 14  # the generator of [seed, this]: whether there is a tumour, and what looks like one
_CHANNEL = {"panther-t1": 0, "panther-t2": 1}
# What a contrast agent brightens on T1; without it all of these are darker than the gland.
_ENHANCING = (
    *("artery", "cava", "portal", "liver vessel", "spleen", "spleen pulp", "cortex", "medulla"),
    *("bowel wall", "colon wall", "duodenum wall", "stomach wall"),
)
_FINEST_MM = 1.8  # the body is smooth enough to be computed at this and interpolated in plane


@dataclass(frozen=True)
class Variety:
    """How much patients and scanners differ."""

    warp_mm: float  # of the organs
    stretch: float  # of the body, as a logarithm
    moved_mm: Triple  # the pancreas as a whole, deviations up, forward and to the left
    spread: tuple[float, float]  # of each tissue's signal, as the deviation of its logarithm
    other_fat: float  # share of T1 scans with bright fat, of T2 scans with dark fat
    strands: float  # share of patients with visible mesenteric vessels, thin and many
    fatty: float  # share of patients whose gland is marbled with fat
    plain: float  # share of T1 scans without a contrast agent
    contrast: float  # between pancreas and tumour, at least
    shading: tuple[float, float]
    mimics: float = 0.0  # share of patients with a tumour who also have what only looks like one


# Scans like those of PANTHER; and, to train on, scans of any scanner.
PROTOCOL = Variety(
    warp_mm=5.0,
    stretch=0.08,
    moved_mm=(0.0, 0.0, 0.0),
    spread=(0.05, 0.05),
    other_fat=0.0,
    strands=0.0,
    fatty=0.0,
    plain=0.0,
    contrast=0.0,
    shading=(0.05, 0.18),
)
ANYWHERE = Variety(
    warp_mm=8.5,
    stretch=0.16,
    moved_mm=(6.0, 12.0, 7.0),
    spread=(0.05, 0.3),
    other_fat=0.45,
    strands=0.7,
    fatty=0.4,
    plain=0.35,
    contrast=1.15,
    shading=(0.05, 0.3),
    mimics=0.3,
)


def grid_of(kind: str, seed: int) -> Grid:
    """Return the native grid of a patient, random as in the public fingerprints (LPS)."""
    rng = np.random.default_rng([seed, 7])
    if kind == "panther-t2":
        shape = (int(rng.integers(96, 113)), 320, 400)
        return Grid.centred(shape, (2.0, -1.0, 1.0), (-4.0, 0.0, 0.0))
    between = float(rng.choice([3.0, 3.0, 3.0, 3.5]))
    within = float(rng.choice([0.6944, 0.8203, 1.0938, 1.1875, 1.1875, 1.25, 1.3125]))
    slices = int(rng.integers(64, 89 if between == 3.0 else 75))
    wide, deep = rng.uniform(345, 395), rng.uniform(262, 300)
    shape = (slices, round(deep / within), round(wide / within))
    return Grid.centred(shape, (between, -within, within), (-4.0, 0.0, 0.0))


def scan(
    kind: str, seed: int, grid: Grid, variety: Variety = PROTOCOL, healthy: float = 0.0
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the picture (z, y, x) int16 under its sequence's name, and labels uint8.

    `healthy` is the chance that the patient has no tumour; the body around the gland is the same.
    """
    shape_rng, light_rng = (np.random.default_rng([seed, k]) for k in (11, 12))
    z, y, x = grid.spacing_mm
    coarse = grid.respaced((z, max(y, _FINEST_MM), max(x, _FINEST_MM)))
    axes = coarse.axes()
    tissue, points = abdomen.anatomy(shape_rng, axes, variety.warp_mm, variety.stretch)
    gland = _gland(np.random.default_rng([seed, LIKENESSES]), variety, healthy)
    focus = pancreas.add_pancreas(shape_rng, axes, points, tissue, gland)
    values = signals(light_rng, kind, variety)
    values["pancreatic cyst"] = values["cyst"]
    values["fatty lobule"] = values["fat"]
    layers = list(tissue.items())
    detail_rng = np.random.default_rng([seed, 13])
    if detail_rng.random() < variety.strands:
        layers.insert(1, ("strands", _strands(detail_rng, axes, points)))
        values["strands"] = values["cava"] * detail_rng.uniform(0.6, 1.4)
    if detail_rng.random() < variety.fatty:
        after = [name for name, _ in layers].index("pancreas") + 1
        layers.insert(after, ("marbling", _marbling(detail_rng, axes) * tissue["pancreas"]))
        values["marbling"] = values["fat"]
    picture = scanner.blend(layers, values, "air")
    picture *= scanner.bias(light_rng, axes, light_rng.uniform(*variety.shading), abdomen.REACH_MM)
    picture *= scanner.mottle(light_rng, axes, tissue, abdomen.REACH_MM)
    fine = resample_onto(axes, np.stack([picture, *focus]), grid)
    noise, blur_mm = light_rng.uniform(0.012, 0.04), light_rng.uniform(0.3, 0.9)
    sequence = SCHEMES[kind].sequences[0]
    return {sequence: scanner.acquire(light_rng, fine[0], grid, noise, blur_mm)}, _labels(
        kind, fine
    )


def _gland(rng: np.random.Generator, variety: Variety, healthy: float) -> pancreas.Gland:
    has_tumour = bool(rng.random() >= healthy)
    has_mimics = bool(rng.random() < variety.mimics) or not has_tumour
    mimics = pancreas.draw_mimics(rng) if has_mimics else pancreas.NO_MIMICS
    return pancreas.Gland(variety.moved_mm, has_tumour, mimics)


def signals(rng: np.random.Generator, kind: str, variety: Variety) -> dict[str, float]:
    """Return the signal of every tissue; what must hold is the order of pancreas and tumour."""
    usual = {name: signal[_CHANNEL[kind]] for name, signal in _TISSUES.items()}
    values = scanner.jitter(rng, usual, _between(rng, variety.spread))
    if rng.random() < 0.15 and kind == "panther-t1":
        values["fat"] *= 2.6  # fat suppression failed
    if variety.other_fat and rng.random() < variety.other_fat:
        brightest = max(values[name] for name in ("liver", "spleen", "pancreas"))
        values["fat"] = brightest * (rng.uniform(1.0, 2.8) if kind == "panther-t1" else 0.2)
    if variety.plain and kind == "panther-t1" and rng.random() < variety.plain:
        dark = rng.uniform(0.15, 0.7)
        for name in _ENHANCING:
            values[name] = values["pancreas"] * dark * rng.uniform(0.7, 1.3)
    if variety.contrast and kind == "panther-t1":
        values["tumour"] = min(values["tumour"], values["pancreas"] / variety.contrast)
    elif variety.contrast:
        values["tumour"] = max(values["tumour"], values["pancreas"] * variety.contrast)
    return values


def _between(rng: np.random.Generator, ends: tuple[float, float]) -> float:
    """Use the generator only where the ends differ, so that earlier cohorts stay the same."""
    return ends[0] if ends[0] == ends[1] else float(rng.uniform(*ends))


def _strands(rng: np.random.Generator, axes: Points, points: Points) -> np.ndarray:
    """Return the membership (z, y, x) of crooked vessels in the fat around the bowel.

    They run where two smooth random fields are both zero.
    """
    apart_mm = rng.uniform(26, 40)
    fields = (SmoothField(rng, apart_mm, abdomen.REACH_MM).on(axes) for _ in range(2))
    # A fifth of its wavelength is about what such a field takes to go from 0 to 1.
    depth_mm = rng.uniform(1.5, 3.0) - 0.2 * apart_mm * np.hypot(*fields)
    inside = soft(ellipsoid(points, (-10.0, 12.0, 0.0), (150.0, 70.0, 112.0)), 6.0)
    return soft(depth_mm.astype(np.float32), 1.5) * inside


def _marbling(rng: np.random.Generator, axes: Points) -> np.ndarray:
    """Return the share (z, y, x) of fat between the lobules of an ageing gland."""
    field = SmoothField(rng, rng.uniform(7, 14), abdomen.REACH_MM).on(axes)
    return np.clip(np.float32(rng.uniform(0.1, 0.5)) + np.float32(0.4) * field, 0, 0.8)


def _labels(kind: str, fine: np.ndarray) -> np.ndarray:
    labels = np.zeros(fine.shape[1:], np.uint8)
    labels[fine[2] > 0.5] = SCHEMES[kind].labels["pancreas"]
    labels[fine[1] > 0.5] = SCHEMES[kind].labels["tumour"]
    return labels
