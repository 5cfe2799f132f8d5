"""A component takes the label around it only where it touches no background."""

import numpy as np
from cubes import box

from postprocess.components import surrounding_labels


def fill(labels, value, connectivity=26):
    selected = labels == value
    after = labels.copy()
    after[selected] = surrounding_labels(labels, selected, connectivity)
    return after


def test_a_hole_takes_the_most_frequent_label_around_it():
    labels = np.full((5, 5, 5), 2, np.uint8)
    labels[2, 2, 2] = 3
    labels[2, 2, 1] = labels[2, 1, 2] = 1  # two of six faces
    assert fill(labels, 3)[2, 2, 2] == 2


def test_of_equally_frequent_labels_the_lower_wins():
    labels = np.full((5, 5, 5), 2, np.uint8)
    labels[2, 2, 2] = 3
    labels[2, 2, 1] = labels[2, 1, 2] = labels[1, 2, 2] = 1
    assert fill(labels, 3)[2, 2, 2] == 1


def test_one_background_face_makes_it_background():
    labels = np.full((5, 5, 5), 2, np.uint8)
    labels[2, 2, 2] = 3
    labels[2, 2, 1] = 0
    assert fill(labels, 3)[2, 2, 2] == 0


def test_background_at_an_edge_or_a_corner_does_not_count():
    labels = np.full((5, 5, 5), 2, np.uint8)
    labels[2, 2, 2] = 3
    labels[1, 1, 2] = labels[1, 1, 1] = 0
    assert fill(labels, 3)[2, 2, 2] == 2


def test_each_component_is_taken_by_itself():
    labels = np.zeros((5, 5, 12), np.uint8)
    box(labels, 2, (0, 0, 0), (5, 5, 5))
    labels[2, 2, 2] = labels[2, 2, 9] = 3
    after = fill(labels, 3)
    assert (after[2, 2, 2], after[2, 2, 9]) == (2, 0)


def test_a_neighbour_counts_once_however_many_faces_touch_it():
    labels = np.full((5, 5, 5), 4, np.uint8)
    labels[1], labels[3] = 1, 2
    labels[2, 1:4, 1:4] = 3
    labels[2, 2, 2] = 2  # in the middle of a ring of eight, touched by four faces
    # Beside the ring: 8 voxels of label 1, 8 + 1 of label 2, 12 of label 4; 8 + 4 faces of label 2.
    assert fill(labels, 3)[2, 1, 1] == 4


def test_a_component_that_fills_the_volume_has_nothing_around_it():
    assert not fill(np.full((2, 2, 2), 3, np.uint8), 3).any()


def test_the_edge_of_the_volume_is_no_background():
    labels = np.full((4, 4, 4), 2, np.uint8)
    labels[0, 0, 0] = 3
    assert fill(labels, 3)[0, 0, 0] == 2


def test_components_that_touch_by_a_corner_are_two_at_connectivity_6():
    labels = np.full((5, 5, 5), 2, np.uint8)
    labels[1, 1, 1] = labels[2, 2, 2] = 3
    labels[1, 1, 0] = 0
    assert fill(labels, 3, 26)[2, 2, 2] == 0
    assert fill(labels, 3, 6)[2, 2, 2] == 2
