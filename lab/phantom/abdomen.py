"""An upper abdomen: body wall, spine, vessels and the organs around the pancreas.

`anatomy` returns memberships (z, y, x) in [0, 1] by tissue, in an order that may be painted.
Sizes in mm, coordinates (superior, anterior, left) with the origin in front of the spine.
"""

import numpy as np

from lab.phantom.fields import Points, SmoothField, curve, ellipsoid, full, soft, tube, warp

REACH_MM = 235.0
PANCREAS_MM = [
    (-34, 4, -38),
    (-10, 13, -30),
    (2, 23, -10),
    (13, 18, 20),
    (26, -4, 54),
    (36, -26, 84),
]
PANCREAS_RADII_MM = (15.0, 14.0, 10.0, 11.0, 10.5, 8.0)
Tissue = dict[str, np.ndarray]


def anatomy(
    rng: np.random.Generator, axes: Points, warp_mm: float = 5.0, stretch: float = 0.08
) -> tuple[Tissue, Points]:
    """Return memberships by tissue in painting order, and the points in the average patient."""
    points = full(axes)
    moved = warp(rng, points, axes, warp_mm, REACH_MM)
    size = np.exp(rng.uniform(-stretch, stretch, 3)).astype(np.float32)
    moved = (moved[0] / size[0], moved[1] / size[1], moved[2] / size[2])
    tissue = body(rng, points, moved)
    cavity = tissue.pop("cavity_mm")
    _spine(moved, tissue)
    _solid_organs(rng, axes, moved, cavity, tissue)
    _bowel(rng, axes, moved, cavity, tissue)
    _stomach(rng, axes, moved, tissue)
    _vessels(moved, tissue)
    return tissue, moved


def body(rng: np.random.Generator, points: Points, moved: Points) -> Tissue:
    """Return fat, muscle and lung, and `cavity_mm`, the depth below the abdominal wall."""
    s, a, left = (0.5 * (p + m) for p, m in zip(points, moved, strict=True))
    half_left, half_front = rng.uniform(150, 176), rng.uniform(98, 122)
    front = a + np.float32(half_front * 0.12)
    norm = (np.abs(left / half_left) ** 2.5 + np.abs(front / half_front) ** 2.5) ** (1 / 2.5)
    depth = (1 - norm) * np.float32((half_left + half_front) / 2)
    under_skin = np.float32(rng.uniform(9, 26)) * (1 + np.float32(0.25) * np.cos(left / 60))
    wall = soft(depth - under_skin, 2.0) * soft(under_skin + 11 - depth, 2.0)
    cavity = depth - under_skin - 11
    m_s, m_a, m_left = moved
    dome = 104 - np.float32(0.009) * ((np.abs(m_left) - 68) ** 2 + (m_a - 5) ** 2)
    lung = soft(np.minimum(m_s - dome, cavity), 3.0) * (np.abs(m_left) > 12)
    back = np.maximum(
        ellipsoid((np.float32(0) * s, m_a, np.abs(m_left)), (0.0, -84.0, 36.0), (40.0, 24.0, 30.0)),
        ellipsoid(
            (np.minimum(m_s + 10, 0) * 0, m_a, np.abs(m_left)),
            (0.0, -48.0, 40.0),
            (30.0, 17.0, 17.0),
        )
        - np.maximum(m_s + 5, 0) * np.float32(0.3),
    )
    return {
        "fat": soft(depth, 2.0),
        "skin": soft(depth, 2.0) * soft(2.5 - depth, 2.0),
        "muscle": np.maximum(wall, soft(np.minimum(back, depth - under_skin), 2.0)),
        "lung": lung,
        "cavity_mm": np.minimum(cavity, dome - m_s),
    }


def _spine(points: Points, tissue: Tissue) -> None:
    s, a, left = points
    column = 23 - np.sqrt((a + 58) ** 2 + (left * np.float32(0.85)) ** 2)
    level = np.abs(np.mod(s + 100, 36) - 18)  # a vertebra and its disc every 36 mm
    column -= np.clip(6 - level, 0, 3)  # a waist between the end plates
    tissue["marrow"] = soft(column, 2.0)
    tissue["disc"] = tissue["marrow"] * soft(4.5 - level, 1.5)
    tissue["cortical"] = soft(13 - np.sqrt((a + 92) ** 2 + left**2), 2.0) * (1 - tissue["marrow"])
    tissue["csf"] = soft(8 - np.sqrt((a + 88) ** 2 + (left * np.float32(0.8)) ** 2), 2.0)


def _solid_organs(
    rng: np.random.Generator, axes: Points, points: Points, cavity: np.ndarray, tissue: Tissue
) -> None:
    s, a, left = points
    right = ellipsoid(points, (28.0, 8.0, -78.0), (92.0, 86.0, 74.0))
    lobe = ellipsoid(points, (48.0, 48.0, -8.0), (40.0, 44.0, 72.0))
    fossa = ellipsoid(points, (-40.0, 10.0, -15.0), (60.0, 62.0, 50.0))
    liver = np.minimum(np.minimum(np.maximum(right, lobe), cavity - 1), -fossa)
    liver = np.minimum(liver, np.hypot(a + 58, left) - 34)
    tissue["liver"] = soft(liver, 2.0)
    branch = np.hypot(*(SmoothField(rng, 42.0, REACH_MM).on(axes) for _ in range(2)))
    tissue["liver vessel"] = soft(2.6 - branch * np.float32(9.0), 2.0) * tissue["liver"]
    spots = SmoothField(rng, 40.0, REACH_MM).on(axes) - np.float32(
        rng.choice([2.3, 9.0], p=[0.4, 0.6])
    )
    tissue["lesion"] = soft(spots * 14, 3.0) * soft(liver - 6, 2.0)  # metastases: nobody's label
    spleen = np.minimum(ellipsoid(points, (45.0, -32.0, 104.0), (52.0, 44.0, 30.0)), cavity - 1)
    tissue["spleen"] = soft(spleen, 2.0)
    wave = SmoothField(rng, 16.0, REACH_MM).on(axes)
    tissue["spleen pulp"] = tissue["spleen"] * soft(wave * 5, 6.0)
    side: Points = (s - left * np.float32(0.05), a, np.abs(left))
    kidney = ellipsoid(side, (-28.0, -48.0, 64.0), (56.0, 27.0, 29.0))
    sinus = ellipsoid(side, (-28.0, -44.0, 52.0), (28.0, 12.0, 18.0))
    pyramids = np.minimum(kidney - 6, wave * 5 + 1)
    tissue["cortex"] = soft(kidney, 2.0)
    tissue["medulla"] = soft(pyramids, 2.0) * tissue["cortex"]
    tissue["renal sinus"] = soft(sinus, 2.0)
    cysts = SmoothField(rng, 46.0, REACH_MM).on(axes) - np.float32(rng.choice([2.0, 9.0]))
    tissue["cyst"] = soft(cysts * 14, 2.0) * soft(kidney + 8, 2.0) * (np.abs(left) > 45)
    gall = ellipsoid(points, (-14.0, 44.0, -62.0), (28.0, 15.0, 14.0))
    tissue["gallbladder"] = soft(gall, 1.6)


def _hollow(
    tissue: Tissue, name: str, depth: np.ndarray, wall_mm: float, filling: np.ndarray
) -> None:
    """Add a wall and a mixed filling (-1 fluid .. 1 food) of a hollow organ to `tissue`."""
    outer, inner = soft(depth, 1.8), soft(depth - wall_mm, 1.8)
    for part, share in (("wall", outer), ("fluid", inner), ("food", inner * soft(filling, 0.6))):
        tissue[f"{name} {part}"] = share


def _bowel(
    rng: np.random.Generator, axes: Points, points: Points, cavity: np.ndarray, tissue: Tissue
) -> None:
    s, a, left = points
    filling = SmoothField(rng, 60.0, REACH_MM).on(axes) + np.float32(rng.uniform(-0.8, 0.8))
    loops = np.abs(SmoothField(rng, 46.0, REACH_MM).on(axes)) * 17 - 3
    room = np.minimum(np.minimum(-28 - s - np.float32(0.2) * a, a + 22), cavity - 3)
    _hollow(tissue, "bowel", np.minimum(loops, room), 2.5, filling)
    transverse = curve(
        [(-30, 30, -112), (-34, 66, -60), (-38, 74, 0), (-16, 62, 64), (16, 26, 112)]
    )
    colon = tube(points, transverse, np.full(12, rng.uniform(14, 20)))
    for up, down in (((-26, 22, -114), (-130, 12, -112)), ((14, 18, 114), (-130, 0, 116))):
        colon = np.maximum(colon, tube(points, np.array([up, down], float), np.array([18.0, 20])))
    colon += 2 * np.cos(s / 5 + left / 5)  # haustra
    _hollow(tissue, "colon", np.minimum(colon, cavity - 1), 2.0, filling + 1)
    sweep = curve([(4, 46, -24), (2, 26, -50), (-30, 4, -60), (-58, 0, -36), (-56, -6, 8)])
    _hollow(tissue, "duodenum", tube(points, sweep, np.full(12, 11.0)), 3.0, -filling)


def _stomach(rng: np.random.Generator, axes: Points, points: Points, tissue: Tissue) -> None:
    a = points[1]
    path = curve([(78, 2, 66), (52, 34, 72), (26, 58, 46), (8, 56, 8), (6, 48, -18)])
    full = rng.uniform(0.65, 1.1)
    depth = tube(points, path, full * np.interp(np.arange(12), [0, 4, 8, 11], [30, 34, 22, 13]))
    filling = SmoothField(rng, 30.0, REACH_MM).on(axes) + np.float32(rng.uniform(-1.2, 1.2))
    _hollow(tissue, "stomach", depth, 4.0, filling)
    gas = np.minimum(depth - 4, a - np.float32(rng.uniform(45, 75)))  # gas floats up in the supine
    tissue["gas"] = soft(gas, 2.0)


def _vessels(points: Points, tissue: Tissue) -> None:
    aorta = tube(
        points, np.array([(140.0, -28, 10), (0, -24, 8), (-140, -22, 4)]), np.full(3, 10.5)
    )
    mesenteric = tube(points, curve([(8, -16, 7), (-14, 0, 5), (-90, 14, 2)]), np.full(12, 4.0))
    coeliac = tube(points, curve([(20, -16, 7), (26, 2, 4), (30, 10, -30)]), np.full(12, 3.2))
    tissue["artery"] = soft(np.maximum(np.maximum(aorta, mesenteric), coeliac), 1.8)
    cava = tube(
        points, np.array([(140.0, -8, -26), (40, -18, -26), (-140, -22, -20)]), np.full(3, 12.0)
    )
    tissue["cava"] = soft(cava, 1.8)
    portal = tube(
        points, curve([(-90, 18, -10), (-4, 8, -10), (22, 6, -36), (40, 6, -66)]), np.full(12, 6.5)
    )
    splenic = tube(
        points, curve([(0, 8, -8), (12, 2, 22), (26, -16, 54), (38, -34, 86)]), np.full(12, 4.0)
    )
    tissue["portal"] = soft(np.maximum(portal, splenic), 1.8)
