"""What is answered when no tumour is left, step by step."""

from dataclasses import replace

import numpy as np
import pytest
from cubes import GLI, PANTHER, box

from postprocess.empty_prediction import STEPS, Evidence, restore_tumour

TUMOUR, PANCREAS = 1, 2
SHAPE = (10, 12, 14)


def empty():
    labels = np.zeros(SHAPE, np.uint8)
    box(labels, PANCREAS, (4, 4, 4), (3, 3, 3))
    return labels


def restore(labels, before=None, probability=None, spacing_mm=(1.0, 1.0, 1.0), scheme=PANTHER):
    before = empty() if before is None else before
    probability = np.zeros(SHAPE, np.float32) if probability is None else probability
    return restore_tumour(labels, Evidence(before, probability, spacing_mm), scheme)


def test_every_step_a_scheme_names_exists():
    assert set(PANTHER.when_empty) == set(STEPS)
    unknown = replace(PANTHER, when_empty=("grid-of-voxels",))
    with pytest.raises(ValueError, match="grid-of-voxels"):
        restore(empty(), scheme=unknown)


def test_a_map_with_tumour_is_never_touched():
    labels = empty()
    labels[0, 0, 0] = TUMOUR
    before = labels.copy()
    box(before, TUMOUR, (5, 5, 5), (3, 3, 3))
    after, step = restore(labels, before, np.ones(SHAPE, np.float32))
    assert after is labels
    assert step is None


def test_brats_may_be_empty():
    labels = np.zeros(SHAPE, np.uint8)
    after, step = restore(labels, probability=np.ones(SHAPE), scheme=GLI)
    assert (after.any(), step) == (False, None)


def test_the_component_with_most_probability_comes_back_from_before_the_rules():
    before, probability = empty(), np.zeros(SHAPE, np.float32)
    box(before, TUMOUR, (0, 0, 0), (1, 2, 2))  # bigger, but hardly believed
    box(before, TUMOUR, (8, 8, 8), (1, 1, 2))
    probability[before == TUMOUR] = 0.1
    box(probability, 0.9, (8, 8, 8), (1, 1, 2))
    after, step = restore(empty(), before, probability)
    assert step == "before-rules"
    assert np.argwhere(after == TUMOUR).tolist() == [[8, 8, 8], [8, 8, 9]]
    np.testing.assert_array_equal(after == PANCREAS, empty() == PANCREAS)


def test_half_of_the_maximum_comes_next():
    probability = np.zeros(SHAPE, np.float32)
    box(probability, 0.4, (1, 1, 1), (1, 1, 1))
    box(probability, 0.2, (4, 4, 4), (1, 1, 4))  # 0.2 is half of 0.4, and 0.8 in all
    box(probability, 0.19, (7, 7, 7), (2, 2, 2))
    after, step = restore(empty(), probability=probability)
    assert step == "half-of-maximum"
    assert np.argwhere(after == TUMOUR).tolist() == [[4, 4, x] for x in range(4, 8)]


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_a_ball_amid_the_volume_is_last(level):
    after, step = restore(empty(), probability=np.full(SHAPE, level, np.float32))
    assert step == "ball-at-maximum"
    assert after.dtype == np.uint8
    assert (after == TUMOUR).sum() > 300


def test_the_ball_is_round_in_mm():
    probability = np.full(SHAPE, 0.6, np.float32)
    probability[5, 6, 7] = 0.61  # everything is above half, so half of the maximum tells nothing
    after, step = restore(empty(), probability=probability, spacing_mm=(3.0, 1.0, 2.5))
    assert step == "ball-at-maximum"
    z, y, x = (np.unique(axis) for axis in (after == TUMOUR).nonzero())
    assert (z.tolist(), y.tolist(), x.tolist()) == ([4, 5, 6], list(range(1, 12)), [5, 6, 7, 8, 9])


def test_the_ball_holds_a_voxel_even_where_voxels_are_larger_than_it():
    after, _ = restore(empty(), spacing_mm=(20.0, 20.0, 20.0))
    assert (after == TUMOUR).sum() == 1


def test_restored_voxels_keep_the_labels_they_had():
    scheme = replace(GLI, when_empty=("before-rules",))
    before = np.zeros(SHAPE, np.uint8)
    box(before, GLI.labels["ET"], (1, 1, 1), (2, 2, 2))
    box(before, GLI.labels["SNFH"], (1, 1, 3), (2, 2, 2))
    after, _ = restore(np.zeros(SHAPE, np.uint8), before, (before > 0) * 0.8, scheme=scheme)
    np.testing.assert_array_equal(after, before)


def test_without_probability_only_what_was_before_the_rules_can_come_back():
    before = empty()
    box(before, TUMOUR, (0, 0, 0), (1, 2, 2))
    box(before, TUMOUR, (8, 8, 8), (1, 1, 2))
    after, step = restore_tumour(empty(), Evidence(before, None, (1.0, 1.0, 1.0)), PANTHER)
    assert (step, int((after == TUMOUR).sum())) == ("before-rules", 4)
    labels = empty()
    after, step = restore_tumour(labels, Evidence(labels, None, (1.0, 1.0, 1.0)), PANTHER)
    assert (after is labels, step) == (True, None)
