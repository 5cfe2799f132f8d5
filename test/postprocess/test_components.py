"""Components of masks that can be counted by hand."""

import numpy as np
import pytest

from postprocess.components import find_components, largest_component


def test_voxels_that_share_a_corner_belong_together():
    mask = np.zeros((4, 4, 4), bool)
    mask[1, 1, 1] = mask[2, 2, 2] = True
    assert find_components(mask).voxels.tolist() == [62, 2]


def test_voxels_with_a_gap_do_not():
    mask = np.zeros((5, 4, 4), bool)
    mask[1, 1, 1] = mask[3, 1, 1] = True
    assert find_components(mask).voxels.tolist() == [78, 1, 1]


def test_where_never_selects_the_outside():
    mask = np.zeros((3, 3, 3), bool)
    mask[0, 0, 0] = True
    components = find_components(mask)
    assert components.where(np.array([True, True])).sum() == 1
    assert components.where(np.array([True, False])).sum() == 0


def test_largest_is_by_voxels_or_by_weight():
    mask = np.zeros((1, 1, 8), bool)
    mask[0, 0, :3] = mask[0, 0, 5:7] = True
    assert largest_component(mask)[0, 0].nonzero()[0].tolist() == [0, 1, 2]
    weight = np.zeros(mask.shape)
    weight[0, 0, 5] = 1.0
    assert largest_component(mask, weight)[0, 0].nonzero()[0].tolist() == [5, 6]


def test_first_wins_a_tie_and_an_empty_mask_stays_empty():
    mask = np.zeros((1, 1, 5), bool)
    mask[0, 0, [1, 3]] = True
    assert largest_component(mask)[0, 0].nonzero()[0].tolist() == [1]
    assert not largest_component(np.zeros((3, 3, 3), bool)).any()


@pytest.mark.parametrize(("connectivity", "number"), [(6, 4), (18, 3), (26, 2)])
def test_connectivity_says_which_neighbours_belong_together(connectivity, number):
    mask = np.zeros((4, 4, 6), bool)
    mask[0, 0, 0] = mask[1, 1, 0] = mask[2, 2, 1] = True  # an edge, then a corner
    mask[3, 3, 5] = True
    assert find_components(mask, connectivity).voxels.size == 1 + number


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_ids_follow_the_first_voxel_in_scan_order(connectivity):
    for seed in range(20):
        mask = np.random.default_rng(seed).random((6, 7, 8)) < 0.2
        ids = find_components(mask, connectivity).ids
        assert [ids.ravel().tolist().index(i) for i in range(1, ids.max() + 1)] == sorted(
            ids.ravel().tolist().index(i) for i in range(1, ids.max() + 1)
        )


def test_means_are_taken_over_each_component():
    mask = np.zeros((1, 1, 6), bool)
    mask[0, 0, [0, 1, 4]] = True
    values = np.array([0.25, 0.75, 9.0, 9.0, 0.125, 9.0]).reshape(1, 1, 6)
    assert find_components(mask).mean(values)[1:].tolist() == [0.5, 0.125]


def test_a_component_holds_another_by_the_share_that_lies_in_it():
    mask = np.zeros((1, 1, 8), bool)
    mask[0, 0, [0, 1, 2, 4, 6]] = True
    other = np.zeros(mask.shape, bool)
    other[0, 0, 2:5] = True  # of three voxels one in the first component, one in the second
    components, others = find_components(mask), find_components(other)
    assert components.holding(others, 1 / 3)[1:].tolist() == [True, True, False]
    assert components.holding(others, 0.34)[1:].tolist() == [False, False, False]
