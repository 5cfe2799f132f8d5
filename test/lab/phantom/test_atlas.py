"""The average brain that heads are made of."""

import importlib.util

import numpy as np
import pytest

from lab.phantom import atlas
from lab.phantom.fields import Grid

GRID = Grid.centred((40, 50, 40), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0))


def test_the_atlas_is_a_head_with_the_right_side_up() -> None:
    read = atlas.sample(GRID.axes())
    inside = read["depth_mm"] > 0
    litres = inside.sum() * 64 / 1e6
    assert 1.6 < litres < 2.1  # the average is large
    both = read["grey"] + read["white"]
    assert both[~inside].max() < 0.9
    assert both.max() < 1.05
    # Symmetric, so that left and right look alike; ventricles in the middle, not outside.
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


def test_distances_are_scipys_to_the_bit() -> None:
    from scipy.ndimage import distance_transform_edt

    mask = np.random.default_rng(0).random((9, 11, 13)) > 0.95
    mask[0, 0, 0] = True  # at the border of the array
    np.testing.assert_array_equal(atlas._voxels_to(mask), distance_transform_edt(~mask))


def test_without_nilearn_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(atlas.AtlasError, match=r"pip install -r lab/requirements\.txt"):
        atlas.folder()


def test_the_atlas_is_read_near_the_head_and_is_constant_farther_away() -> None:
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
