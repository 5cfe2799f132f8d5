"""Boxes around what an array holds, counted by hand."""

import numpy as np
import pytest

from challenge.box import bounding_box, joint_box


def cube() -> np.ndarray:
    mask = np.zeros((5, 6, 7), bool)
    mask[1:3, 2, 4:6] = True
    return mask


def test_the_smallest_box_that_holds_all() -> None:
    assert bounding_box(cube()) == (slice(1, 3), slice(2, 3), slice(4, 6))


@pytest.mark.parametrize(
    ("margin", "expected"),
    [
        (1, (slice(0, 4), slice(1, 4), slice(3, 7))),
        (9, (slice(0, 5), slice(0, 6), slice(0, 7))),
        ((0, 1, 2), (slice(1, 3), slice(1, 4), slice(2, 7))),
    ],
)
def test_a_margin_ends_with_the_array(margin: int, expected: tuple[slice, ...]) -> None:
    assert bounding_box(cube(), margin) == expected


def test_nothing_has_no_box() -> None:
    assert bounding_box(np.zeros((2, 3))) is None


def test_a_joint_box_holds_all_that_are_not_empty() -> None:
    first, second = (slice(1, 3), slice(0, 2)), (slice(2, 5), slice(1, 2))
    assert joint_box(first, None, second) == (slice(1, 5), slice(0, 2))
    assert joint_box(None, None) is None
