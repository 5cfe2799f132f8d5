"""Planted errors are where they were requested, of the size requested, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from challenge.scheme import SCHEMES
from lab.study.components import Islands, distance_from, grow_component, without_small_components
from lab.study.corruption import Corruption, Shift, Swap, corrupt, share_of, with_border_moved
from postprocess.apply_rules import apply_rules
from postprocess.components import find_components
from postprocess.rules_by_size import RelabelMinor, RemoveSmall

GLI = SCHEMES["brats-gli"]
NETC, SNFH, ET = (GLI.labels[name] for name in ("NETC", "SNFH", "ET"))
MM = (2.0, 2.0, 2.0)
STILL = {"noise_mm": 0.0, "intact_below": 0}  # borders stay


def cube():
    """A cube of 10 voxels a side: oedema around a necrosis of 6 a side."""
    labels = np.zeros((32, 32, 32), np.uint8)
    labels[11:21, 11:21, 11:21] = SNFH
    labels[13:19, 13:19, 13:19] = NETC
    return labels


def corrupted(errors, seed=0, room=None):
    return corrupt(cube(), errors, GLI, MM, np.random.default_rng(seed), room)


def test_without_faults_and_noise_nothing_changes():
    np.testing.assert_array_equal(corrupted(Corruption(**STILL)), cube())


def test_an_empty_reference_gets_islands_only():
    empty = np.zeros((20, 20, 20), np.uint8)
    swap, shift = Swap("ET", "NETC", (0.1, 0.1), 0.1), Shift("WT", 1.0)
    errors = Corruption((Islands("ET", 9.0, (7, 7), (4.0, np.inf)),), (swap,), (shift,))
    prediction = corrupt(empty, errors, GLI, MM, np.random.default_rng(0))
    sizes = find_components(prediction == ET).voxels[1:]
    assert sizes.size > 0
    assert set(sizes) == {7}
    assert np.count_nonzero(prediction) == sizes.sum()


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    voxels=st.integers(1, 60),
    distance_mm=st.sampled_from([(0.0, 6.0), (4.0, 8.0), (12.0, np.inf)]),
)
def test_islands_have_their_size_label_and_distance_and_touch_nothing(seed, voxels, distance_mm):
    prediction = corrupted(
        Corruption((Islands("ET", 3.0, (voxels, voxels), distance_mm),), **STILL), seed
    )
    changed = prediction != cube()
    assert set(np.unique(prediction[changed])) <= {ET}
    islands = find_components(prediction > 0).voxels[1:]
    assert sorted(islands)[-1] == 1000  # the tumour, with no island joined to it
    assert sorted(islands)[:-1] == [voxels] * (len(islands) - 1)
    from_tumour_mm = distance_from(cube() > 0, MM)[changed]
    assert ((distance_mm[0] <= from_tumour_mm) & (from_tumour_mm <= distance_mm[1])).all()


def test_as_many_islands_as_requested_on_average():
    errors = Corruption((Islands("ET", 4.0, (2, 5), (4.0, np.inf)),), **STILL)
    counts = [find_components(corrupted(errors, s) == ET).voxels.size - 1 for s in range(60)]
    assert 3.2 < np.mean(counts) < 4.8  # 3 standard errors of a Poisson mean


def test_nothing_leaves_the_room_and_islands_without_room_are_left_out():
    room = np.zeros((32, 32, 32), bool)
    room[11:21, 11:21, 8:24] = True
    far = Corruption((Islands("ET", 5.0, (9, 9), (10.0, np.inf)),), **STILL)
    np.testing.assert_array_equal(corrupted(far, room=room), cube())
    near = Corruption((Islands("ET", 5.0, (9, 9), (4.0, np.inf)),), noise_mm=3.0)
    prediction = corrupted(near, room=room)
    assert (prediction == ET).any()
    assert not prediction[~room].any()


def test_a_minimum_between_islands_and_tumour_removes_the_islands_only():
    prediction = corrupted(Corruption((Islands("NETC", 6.0, (4, 16), (6.0, np.inf)),), **STILL))
    assert (prediction != cube()).any()
    after = apply_rules(prediction, [RemoveSmall("NETC", min_voxels=17)], GLI, MM).labels
    np.testing.assert_array_equal(after, cube())


def test_a_swap_takes_its_share_and_the_share_rule_restores_it():
    swap = Swap("ET", "NETC", share=(0.03, 0.03), reference_below=0.1)
    prediction = corrupted(Corruption(swaps=(swap,), **STILL))
    assert np.count_nonzero(prediction == ET) == 30  # 3 % of 1000
    assert find_components(prediction == ET).voxels.size == 2
    assert (cube()[prediction == ET] == NETC).all()
    rules = {s: RelabelMinor("ET", "NETC", s) for s in (0.03, 0.04)}
    restored, same = (apply_rules(prediction, [rules[s]], GLI, MM).labels for s in (0.04, 0.03))
    np.testing.assert_array_equal(restored, cube())
    np.testing.assert_array_equal(same, prediction)


def test_a_label_that_is_there_is_not_swapped():
    swap = Swap("NETC", "SNFH", share=(0.03, 0.03), reference_below=0.216)
    assert share_of(cube(), "NETC", GLI) == 0.216
    np.testing.assert_array_equal(corrupted(Corruption(swaps=(swap,), **STILL)), cube())
    np.testing.assert_array_equal(
        corrupted(
            Corruption(swaps=(Swap("ET", "NETC", (0.1, 0.1), 0.1, probability=0.0),), **STILL)
        ),
        cube(),
    )


@pytest.mark.parametrize(("mean_mm", "side"), [(2.0, 12), (0.0, 10), (-2.0, 8), (-4.0, 6)])
def test_a_border_moves_by_its_mm(mean_mm, side):
    shift = Shift("WT", mean_mm + 0.1, noise_mm=0.0)
    moved = with_border_moved(cube(), shift, GLI, MM, np.random.default_rng(0))
    extent = [np.ptp(np.nonzero(moved)[axis]) + 1 for axis in range(3)]
    assert extent == [side] * 3
    assert np.count_nonzero(moved == NETC) == 6**3
    assert set(np.unique(moved)) <= {0, SNFH, NETC}


def test_an_inner_border_moves_into_its_neighbour_label():
    moved = with_border_moved(
        cube(), Shift("NETC", -2.0, noise_mm=0.0), GLI, MM, np.random.default_rng(0)
    )
    assert np.count_nonzero(moved == NETC) == 4**3
    np.testing.assert_array_equal(moved > 0, cube() > 0)


def test_noise_moves_borders_without_bias():
    predictions = [corrupted(Corruption(noise_mm=1.0), seed) for seed in range(40)]
    assert all((prediction != cube()).any() for prediction in predictions)
    volumes = np.array([np.count_nonzero(prediction) for prediction in predictions])
    assert abs(volumes.mean() - 1000) < 4 * volumes.std() / np.sqrt(40)
    for prediction in predictions:
        for value in (NETC, SNFH):
            assert (find_components(prediction == value).voxels[1:] >= 30).all()


def test_small_true_components_are_predicted_as_they_are():
    reference = cube()
    reference[3:5, 3:5, 3:6] = ET
    prediction = corrupt(reference, Corruption(noise_mm=1.5), GLI, MM, np.random.default_rng(1))
    np.testing.assert_array_equal(prediction == ET, reference == ET)


def test_the_same_generator_gives_the_same_prediction_and_spares_the_reference():
    errors = Corruption(
        (Islands("ET", 4.0, (2, 9), (4.0, 20.0)),),
        (Swap("ET", "NETC", (0.05, 0.1), 0.1),),
        (Shift("WT", 1.0),),
    )
    one, two, other = (corrupted(errors, seed) for seed in (3, 3, 4))
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    reference = cube()
    corrupt(reference, errors, GLI, MM, np.random.default_rng(0))
    np.testing.assert_array_equal(reference, cube())


def test_small_components_join_their_surroundings():
    labels = cube()
    labels[15, 15, 15] = ET
    labels[2, 2, 2] = SNFH
    np.testing.assert_array_equal(without_small_components(labels, 2), cube())
    np.testing.assert_array_equal(without_small_components(labels, 1), labels)


def test_a_component_ends_where_its_room_ends():
    room = np.zeros((5, 5, 5), bool)
    room[2, 2, :4] = True
    voxels = grow_component(int(np.flatnonzero(room)[1]), room, 9, np.random.default_rng(0))
    assert sorted(zip(*voxels, strict=True)) == [(2, 2, x) for x in range(4)]
