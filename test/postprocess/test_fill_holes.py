"""Holes are what a mask encloses in 3-D; scipy's `binary_fill_holes` is the second hand."""

import numpy as np
import pytest
from cubes import GLI, box
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from postprocess.apply_rules import apply_rules
from postprocess.fill_holes import FillHoles, holes_of
from postprocess.rule_base import RuleError
from postprocess.rule_kinds import rule_from

MM = (1.0, 1.0, 1.0)
ET, NETC, RC = (GLI.labels[name] for name in ("ET", "NETC", "RC"))


@pytest.fixture
def labels():
    """Return a shell of ET around 27 voxels: 26 of background, one of NETC."""
    labels = np.zeros((9, 9, 9), np.uint8)
    box(labels, ET, (2, 2, 2), (5, 5, 5))
    box(labels, 0, (3, 3, 3), (3, 3, 3))
    labels[4, 4, 4] = NETC
    return labels


def test_a_label_takes_all_that_it_encloses_whatever_stands_there(labels):
    rule = rule_from({"kind": "fill-holes", "label": "ET", "becomes": "ET"}, GLI)
    result = apply_rules(labels, [rule], GLI, MM)
    assert (result.labels == ET).sum() == 125
    assert [row["voxels"] for row in result.applied] == [27]


def test_a_region_fills_what_is_none_of_it(labels):
    after = apply_rules(labels, [FillHoles(region="TC", becomes="NETC")], GLI, MM).labels
    assert ((after == ET).sum(), (after == NETC).sum()) == (98, 27)


def test_holes_may_become_background(labels):
    after = apply_rules(labels, [FillHoles("ET", "background")], GLI, MM).labels
    assert after[4, 4, 4] == 0
    assert (after > 0).sum() == 98


@pytest.mark.parametrize(("at", "filled"), [((4, 4, 2), 0), ((2, 2, 2), 27), ((2, 2, 4), 27)])
def test_a_gap_at_a_face_opens_a_hole_and_one_at_an_edge_or_corner_does_not(labels, at, filled):
    labels[at] = 0
    after = apply_rules(labels, [FillHoles("ET", "ET")], GLI, MM).labels
    assert (after == ET).sum() == 97 + filled


def test_what_the_edge_of_the_image_closes_is_no_hole(labels):
    cut = labels[4:]  # through the middle
    assert not holes_of(cut == ET).any()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"label": "ET"}, "becomes is missing"),
        ({"label": "ET", "becomes": "surrounding"}, "'surrounding' is not one of background"),
        ({"label": "ET", "becomes": "ET", "connectivity": 6}, "'connectivity' is not one of its"),
    ],
)
def test_a_wrong_row_is_refused_by_name(row, message):
    with pytest.raises(RuleError, match=message):
        rule_from({"kind": "fill-holes", **row}, GLI)


@given(
    seed=st.integers(0, 10**6),
    share=st.floats(0.2, 0.9),
    shape=st.tuples(*[st.integers(1, 8)] * 3),
)
def test_holes_are_those_of_scipy(seed, share, shape):
    mask = np.random.default_rng(seed).random(shape) < share
    np.testing.assert_array_equal(holes_of(mask), ndimage.binary_fill_holes(mask) & ~mask)
