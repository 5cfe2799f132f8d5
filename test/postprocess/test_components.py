"""Components of masks that can be counted by hand."""

import numpy as np

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
