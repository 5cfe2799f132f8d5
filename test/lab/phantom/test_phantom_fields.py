"""Grids in mm, smooth random fields and shapes: the same at any spacing."""

import numpy as np
import pytest

from lab.phantom.fields import Grid, SmoothField, curve, ellipsoid, resample_onto, tube


def test_field_has_unit_spread_and_agrees_between_grid_and_points() -> None:
    field = SmoothField(np.random.default_rng(3), 12.0, 60.0)
    grid = Grid.centred((20, 22, 24), (5.0, -4.5, 4.0), (1.0, -2.0, 3.0))
    sampled = field.on(grid.axes())
    assert sampled.shape == grid.shape
    assert abs(sampled.std() - 1) < 0.1
    scattered = field.at(tuple(np.broadcast_arrays(*grid.axes())))
    np.testing.assert_allclose(sampled, scattered, atol=2e-4)


def test_shapes_give_depths_in_mm() -> None:
    axes = Grid.centred((41, 41, 41), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)).axes()
    ball = ellipsoid(axes, (0.0, 0.0, 0.0), (15.0, 15.0, 15.0))
    rod = tube(axes, curve([(-10.0, 0.0, 0.0), (10.0, 0.0, 0.0)], 3), np.full(3, 4.0))
    assert ball[20, 20, 20] == pytest.approx(15, abs=1e-4)
    assert ball[20, 20, 5] == pytest.approx(0, abs=1e-3)
    assert rod[20, 20, 20] == pytest.approx(4, abs=1e-4)
    assert rod[20, 26, 20] == pytest.approx(-2, abs=1e-4)
    assert rod[34, 20, 20] == pytest.approx(0, abs=1e-4)


def test_respaced_grid_keeps_the_field_of_view_and_resampling_is_linear() -> None:
    grid = Grid.centred((10, 12, 14), (2.0, -1.0, 1.0), (5.0, 0.0, -3.0))
    coarse = grid.respaced((4.0, 2.0, 2.0))
    assert coarse.shape == (5, 6, 7)
    assert coarse.step_mm == (4.0, -2.0, 2.0)
    for line, fine in zip(coarse.axes(), grid.axes(), strict=True):
        assert line.mean() == pytest.approx(fine.mean())
    ramp = sum(w * axis for w, axis in zip((1.0, 2.0, -3.0), coarse.axes(), strict=True))
    expected = sum(w * axis for w, axis in zip((1.0, 2.0, -3.0), grid.axes(), strict=True))
    inner = (slice(1, -1), slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(
        resample_onto(coarse.axes(), ramp, grid)[inner], expected[inner], atol=1e-4
    )
