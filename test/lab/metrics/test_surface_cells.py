"""Surfels of a union of components, from a list of cells, are those of its mask."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lab.metrics.surface import surfels
from lab.metrics.surface_cells import find_surface_cells, surfels_of

SPACING_MM = (0.7, 1.0, 3.0)


def test_a_voxel_has_the_eight_cells_at_its_corners() -> None:
    ids = np.zeros((3, 3, 3), np.uint8)
    ids[1, 1, 1] = 1
    cells = find_surface_cells(ids)
    assert cells.cells.tolist() == [[z, y, x] for z in (1, 2) for y in (1, 2) for x in (1, 2)]
    assert surfels_of(cells, np.array([False, True]), SPACING_MM).areas_mm2.shape == (8,)
    assert surfels_of(cells, np.array([False, False]), SPACING_MM).areas_mm2.shape == (0,)


def test_cells_inside_one_component_are_left_out() -> None:
    ids = np.ones((6, 6, 6), np.uint8)
    assert len(find_surface_cells(ids).cells) == 7**3 - 5**3


@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    count=st.integers(1, 5),
    data=st.data(),
)
def test_surfels_of_any_union_are_those_of_its_mask(seed, shape, count, data) -> None:
    ids = np.random.default_rng(seed).integers(0, count + 1, shape)
    inside = np.array([False, *data.draw(st.lists(st.booleans(), min_size=count, max_size=count))])
    ours = surfels_of(find_surface_cells(ids), inside, SPACING_MM)
    mask = surfels(inside[ids], SPACING_MM)
    np.testing.assert_array_equal(ours.cells, mask.cells)
    np.testing.assert_array_equal(ours.areas_mm2, mask.areas_mm2)
