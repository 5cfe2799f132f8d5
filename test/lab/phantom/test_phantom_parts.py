"""What synthetic patients are made of, piece by piece: atlas, contrasts, slices, sizes."""

import importlib.util
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from lab.phantom import atlas, brain, contrast, glioma, panther
from lab.phantom.fields import Grid
from lab.phantom.scanner import acquired, moved, sliced

GRID = Grid.centred((40, 50, 40), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0))


def test_the_atlas_is_a_head_with_the_right_side_up() -> None:
    read = atlas.sample(GRID.axes())
    inside = read["depth_mm"] > 0
    litres = inside.sum() * 64 / 1e6
    assert 1.6 < litres < 2.1  # the average is large
    both = read["grey"] + read["white"]
    assert both[~inside].max() < 0.9
    assert both.max() < 1.05
    # Symmetric, so that left and right cannot be told; ventricles in the middle, not outside.
    np.testing.assert_allclose(read["white"], read["white"][..., ::-1], atol=0.06)
    ventricle = np.argwhere(read["ventricle_mm"] > 0) * 4.0
    s, a, left = (
        ventricle[:, axis] + GRID.first_mm[axis] for axis in range(3)
    )  # superior, anterior, left
    assert abs(left.mean()) < 2
    assert -10 < s.mean() < 25
    assert np.ptp(a) > 60  # frontal to occipital horn
    # The cerebellum is at the back and below: more grey there than in front and below.
    back, front = read["grey"][6:12, :20], read["grey"][6:12, 30:]
    assert back.sum() > 2 * front.sum()


def test_without_nilearn_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(atlas.AtlasError, match=r"pip install -r lab/requirements\.txt"):
        atlas.folder()


def test_what_radiologists_know_holds_in_every_patient() -> None:
    seen = [contrast.drawn(np.random.default_rng(seed)) for seed in range(200)]
    for values, (channel, rules) in product(seen, contrast.ORDER.items()):
        for brighter, darker, _ in rules:
            assert values[channel][brighter] > values[channel][darker], (channel, brighter, darker)
    # And everything else is left to chance: on FLAIR necrosis is brighter or darker than cortex.
    necrosis = [values[3]["NETC"] > values[3]["grey"] for values in seen]
    assert 0.2 < np.mean(necrosis) < 0.95


def test_thick_slices_by_hand() -> None:
    grid = Grid.centred((12, 2, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    even = np.full(grid.shape, 7.0, np.float32)
    np.testing.assert_allclose(sliced(even, grid, 0, 3.0, 0.5), even)
    step = np.zeros(grid.shape, np.float32)
    step[6:] = 1
    found = sliced(step, grid, 0, 3.0, 0.5)[:, 0, 0]
    assert found[0] == 0
    assert found[-1] == 1
    assert (np.diff(found) >= -1e-6).all()
    assert ((found > 0.02) & (found < 0.98)).sum() >= 2  # the step is smeared over a slice
    np.testing.assert_array_equal(sliced(step, grid, 0, 1.0, 0.3), step)  # no thicker than a voxel
    across = sliced(step, grid, 1, 2.0, 0.5)
    np.testing.assert_allclose(across, step)  # another axis, along which nothing changes


def test_a_picture_moves_by_mm() -> None:
    grid = Grid.centred((9, 9, 9), (2.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    picture = np.zeros(grid.shape, np.float32)
    picture[4, 4, 4] = 1
    found = moved(picture, grid, np.array([2.0, -1.0, 0.0]))
    assert np.argwhere(found > 0.5).tolist() == [[5, 3, 4]]
    half = moved(picture, grid, np.array([1.0, 0.0, 0.0]))
    assert half[4, 4, 4] == half[5, 4, 4] == pytest.approx(0.5)


def test_tumours_come_in_the_sizes_that_tumours_have() -> None:
    """Of 300 patients: some without any, some operated, cores from 6 to 37 mm of radius."""
    drawn = [glioma.draw(np.random.default_rng(seed)) for seed in range(300)]
    firsts = [lesions[0] for lesions in drawn if lesions]
    assert 5 <= 300 - len(firsts) <= 35
    cores = np.array([lesion.core_mm for lesion in firsts])
    assert 6 <= cores.min() < 7
    assert 30 < cores.max() <= 37.5
    assert 0.2 < np.mean([lesion.cavity for lesion in firsts]) < 0.4
    assert {lesion.rim_mm == 0 for lesion in firsts} == {True, False}
    assert max(map(len, drawn)) >= 3


@pytest.mark.parametrize("kind", ["panther-t1", "panther-t2"])
def test_abdomens_from_anywhere_keep_but_the_order_of_pancreas_and_tumour(kind: str) -> None:
    """On T1 a tumour is darker than the pancreas, on T2 brighter; fat may be either."""
    drawn = [
        panther.signals(np.random.default_rng(seed), kind, panther.ANYWHERE) for seed in range(200)
    ]
    ratio = np.array([each["tumour"] / each["pancreas"] for each in drawn])
    ratio = 1 / ratio if kind == "panther-t1" else ratio
    assert ratio.min() >= panther.ANYWHERE.contrast - 1e-9
    assert 1.3 < np.median(ratio) < 2.2
    fat = np.array([each["fat"] > each["pancreas"] for each in drawn])
    assert 0.2 < fat.mean() < 0.8
    liver = np.log([each["liver"] / each["spleen"] for each in drawn])
    usual = np.log([
        (own := panther.signals(np.random.default_rng(seed), kind, panther.PROTOCOL))["liver"]
        / own["spleen"] for seed in range(200)
    ])  # fmt: skip
    assert liver.std() > 2 * usual.std()
    artery = np.mean([each["artery"] > each["pancreas"] for each in drawn])
    assert (0.5 < artery < 0.8) if kind == "panther-t1" else artery < 0.1  # agents brighten T1 only


def test_vessels_of_the_mesentery_are_few_voxels_of_the_picture_and_none_of_a_label() -> None:
    grid = panther.grid_of("panther-t1", 4).respaced((4.0, 3.0, 3.0))
    shown = []
    for share in (0.0, 1.0):
        variety = replace(panther.ANYWHERE, strands=share)
        pictures, labels = panther.scan("panther-t1", 4, grid, variety)
        shown.append((pictures["t1"].astype(float), labels))
    (plain, before), (veined, after) = shown
    np.testing.assert_array_equal(before, after)
    assert 0.005 < np.mean(np.abs(veined - plain) > 0.05 * plain.max()) < 0.1


def test_leftovers_of_dura_are_patches_at_the_surface() -> None:
    shares = []
    for seed in range(6):
        depth_mm = 60 - np.sqrt(sum(axis**2 for axis in GRID.axes())).astype(np.float32)
        head = {"depth_mm": depth_mm, "brain": depth_mm > 0}
        found = brain.dura(np.random.default_rng(seed), GRID.axes(), head)
        assert not found[(depth_mm <= 0) | (depth_mm > 5.5)].any()
        shares.append(float((found[(depth_mm > 0) & (depth_mm < 2)] > 0.5).mean()))
    assert 0 < max(shares) < 0.5


def test_the_atlas_is_read_near_the_head_and_nothing_looks_farther() -> None:
    axes = Grid.centred((92, 108, 92), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0)).axes()
    read = atlas.sample(axes)
    s, a, left = (points.ravel() for points in np.broadcast_arrays(*axes))
    slices = [atlas.sample((s[k], a[k], left[k])) for k in np.array_split(np.arange(s.size), 7)]
    for name, outside in zip(atlas.CHANNELS, atlas.OUTSIDE, strict=True):
        every = np.concatenate([part[name] for part in slices]).reshape(92, 108, 92)
        near = np.concatenate([part["depth_mm"] for part in slices]).reshape(every.shape) > -6
        assert np.array_equal(read[name][near], every[near])
        away = read[name] != every
        assert np.all(read[name][away] == np.float32(outside))
    assert np.any(away)  # or nothing was spared


def test_what_is_acquired_inside_of_a_mask_is_nothing_elsewhere() -> None:
    grid = Grid.centred((20, 20, 20), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    inside = np.zeros(grid.shape, bool)
    inside[5:15, 5:15, 5:15] = True
    picture = np.where(inside, np.float32(1), np.float32(0))
    found = acquired(np.random.default_rng(1), picture, grid, 0.02, 0.3, inside)
    assert np.all(found[~inside] == 0) and np.all(found[inside] > 0)
    everywhere = acquired(np.random.default_rng(1), picture, grid, 0.02, 0.3)
    assert np.any(everywhere[~inside] > 0)
    assert np.mean(found[inside]) == pytest.approx(np.mean(everywhere[inside]), rel=0.05)
