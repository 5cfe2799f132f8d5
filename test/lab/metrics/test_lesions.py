"""Which voxels are one lesion, by hand and by scipy."""

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from lab.metrics.lesions import dilate, find_lesions, merge_touching, remove_small

EIGHTEEN = ndimage.generate_binary_structure(3, 2)


def noise(seed: int, share: float = 0.04) -> np.ndarray:
    return np.random.default_rng(seed).random((11, 10, 9)) < share


def line(*places: int, length: int = 16) -> np.ndarray:
    """A mask (1, 1, x) with single voxels."""
    mask = np.zeros((1, 1, length), bool)
    mask[0, 0, list(places)] = True
    return mask


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), iterations=st.integers(0, 5))
def test_dilation_is_scipys(seed: int, iterations: int) -> None:
    mask = noise(seed)
    expected = ndimage.binary_dilation(mask, EIGHTEEN, iterations) if iterations else mask
    np.testing.assert_array_equal(dilate(mask, iterations), expected)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_numbers_follow_the_first_voxel(seed: int) -> None:
    ids = cc3d.connected_components(noise(seed, 0.15), connectivity=26)
    first_seen = list(dict.fromkeys(ids.ravel()[ids.ravel() > 0].tolist()))
    assert first_seen == list(range(1, len(first_seen) + 1))


def test_pieces_whose_dilations_touch_are_one_lesion() -> None:
    # Grown by 1 each, voxels at 2 and 5 reach 3 and 4: neighbours. At 2 and 6 they are apart.
    assert find_lesions(line(2, 5), 1).voxels.tolist() == [0, 2]
    assert find_lesions(line(2, 6), 1).voxels.tolist() == [0, 1, 1]
    assert find_lesions(line(2, 6), 2).voxels.tolist() == [0, 2]
    assert find_lesions(line(2, 3, 5), 0).voxels.tolist() == [0, 2, 1]


def test_removing_leaves_gaps() -> None:
    result = remove_small(find_lesions(line(1, 5, 6, 10, 12, 13), 0), 1)
    assert result.voxels.tolist() == [0, 0, 2, 0, 2]
    assert np.unique(result.ids).tolist() == [0, 2, 4]


def test_lesions_that_touch_one_partner_are_joined() -> None:
    # et:   1 . 2 . . 3      netc:  . 1 . . . .
    et, netc = find_lesions(line(0, 2, 5), 0), find_lesions(line(1), 0)
    merged = merge_touching({"ET": et, "NETC": netc}, {"ET": ["NETC"]})
    assert sorted(merged["ET"].voxels.tolist()) == [0, 1, 2]
    assert merged["ET"].ids[0, 0, 0] == merged["ET"].ids[0, 0, 2] != merged["ET"].ids[0, 0, 5]
    assert merged["NETC"] is netc


def test_a_single_contact_changes_nothing() -> None:
    et, netc = find_lesions(line(0, 5), 0), find_lesions(line(1), 0)
    assert merge_touching({"ET": et, "NETC": netc}, {"ET": ["NETC"]})["ET"] is et


def test_joining_is_no_transitive_closure() -> None:
    # et:   1 . 2 . 3        netc:  . 1 . 2 .      2 touches both, 3 only the second
    et, netc = find_lesions(line(0, 2, 4), 0), find_lesions(line(1, 3), 0)
    ids = merge_touching({"ET": et, "NETC": netc}, {"ET": ["NETC"]})["ET"].ids[0, 0]
    assert ids[0] == ids[2] != ids[4] != 0


def test_touch_is_18_adjacency() -> None:
    corner = np.zeros((3, 3, 3), bool)
    edge, middle, far = corner.copy(), corner.copy(), corner.copy()
    corner[0, 0, 0] = edge[0, 1, 0] = middle[1, 1, 1] = far[2, 2, 2] = True
    tissues = {"ET": find_lesions(edge | far, 0), "NETC": find_lesions(middle, 0)}
    # `far` shares only a corner with the middle, so there is one contact, and one changes nothing.
    assert merge_touching(tissues, {"ET": ["NETC"]})["ET"].voxels.tolist() == [0, 1, 1]


@pytest.mark.parametrize("dilation", [0, 1, 3])
def test_an_empty_mask_has_no_lesion(dilation: int) -> None:
    assert find_lesions(np.zeros((3, 3, 3), bool), dilation).voxels.tolist() == [0]
