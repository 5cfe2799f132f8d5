"""Pictures: thick slices, imperfect registration, noise."""

import numpy as np
import pytest

from lab.phantom.fields import Grid
from lab.phantom.scanner import acquire, slice_thickly, translate


def test_thick_slices_by_hand() -> None:
    grid = Grid.centred((12, 2, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    even = np.full(grid.shape, 7.0, np.float32)
    np.testing.assert_allclose(slice_thickly(even, grid, 0, 3.0, 0.5), even)
    step = np.zeros(grid.shape, np.float32)
    step[6:] = 1
    result = slice_thickly(step, grid, 0, 3.0, 0.5)[:, 0, 0]
    assert result[0] == 0
    assert result[-1] == 1
    assert (np.diff(result) >= -1e-6).all()
    assert ((result > 0.02) & (result < 0.98)).sum() >= 2  # the step is smeared over a slice
    np.testing.assert_array_equal(
        slice_thickly(step, grid, 0, 1.0, 0.3), step
    )  # no thicker than a voxel
    across = slice_thickly(step, grid, 1, 2.0, 0.5)
    np.testing.assert_allclose(across, step)  # another axis, along which nothing changes


def test_a_picture_moves_by_mm() -> None:
    grid = Grid.centred((9, 9, 9), (2.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    picture = np.zeros(grid.shape, np.float32)
    picture[4, 4, 4] = 1
    result = translate(picture, grid, np.array([2.0, -1.0, 0.0]))
    assert np.argwhere(result > 0.5).tolist() == [[5, 3, 4]]
    half = translate(picture, grid, np.array([1.0, 0.0, 0.0]))
    assert half[4, 4, 4] == half[5, 4, 4] == pytest.approx(0.5)


def test_what_is_acquired_inside_of_a_mask_is_nothing_elsewhere() -> None:
    grid = Grid.centred((20, 20, 20), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    inside = np.zeros(grid.shape, bool)
    inside[5:15, 5:15, 5:15] = True
    picture = np.where(inside, np.float32(1), np.float32(0))
    result = acquire(np.random.default_rng(1), picture, grid, 0.02, 0.3, inside)
    assert np.all(result[~inside] == 0) and np.all(result[inside] > 0)
    everywhere = acquire(np.random.default_rng(1), picture, grid, 0.02, 0.3)
    assert np.any(everywhere[~inside] > 0)
    assert np.mean(result[inside]) == pytest.approx(np.mean(everywhere[inside]), rel=0.05)
