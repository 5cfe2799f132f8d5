"""Hysteresis thresholding: add-probable at the low threshold, then removal by the peak."""

import numpy as np
import pytest
from cubes import GLI
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from challenge.scheme import Head, labels_from, probability_of
from postprocess.apply_rules import apply_rules
from postprocess.rule_base import EnsembleMaps
from postprocess.rule_kinds import rule_from

NETC, SNFH, ET = (GLI.labels[name] for name in ("NETC", "SNFH", "ET"))
MM = (1.0, 1.0, 1.0)
REGIONS = Head("regions", (("NETC", "SNFH", "ET"), ("NETC", "ET"), ("ET",)), ("SNFH", "NETC", "ET"))
EVERYWHERE = np.ones((3, 3, 3), bool)


def hysteresis(low, high, becomes="before", connectivity=26):
    rows = (
        {"kind": "drop-doubtful", "label": "ET", "becomes": "NETC", "min_probability": low},
        {"kind": "add-probable", "label": "ET", "min_probability": low},
        {
            "kind": "remove-component",
            "label": "ET",
            "becomes": becomes,
            "unless_any": {"min_peak_probability": high},
            "connectivity": connectivity,
        },
    )
    return [rule_from(row, GLI) for row in rows]


def region_case(seed, shape=(9, 10, 11)):
    """Return probabilities (channel, z, y, x) of nested regions: WT, TC, ET."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(3, *shape)), (0, 1, 1, 1))
    certain = 1 / (1 + np.exp(-8 * smooth - np.array([2, 0, -1]).reshape(3, 1, 1, 1)))
    return np.minimum.accumulate(certain, axis=0).astype(np.float32)


def apply(probabilities, rules):
    labels = labels_from(probabilities, REGIONS, GLI)

    def probability(names):
        return probability_of(probabilities, REGIONS, names)

    return labels, apply_rules(labels, rules, GLI, MM, EnsembleMaps(probability)).labels


def by_hand(probability, low, high):
    """Return scipy's 26-connected components of p >= low that have a voxel of p >= high."""
    ids, n = ndimage.label(probability >= np.float32(low), EVERYWHERE)
    peaks = ndimage.maximum(probability, ids, range(1, n + 1))
    return np.isin(ids, 1 + np.flatnonzero(np.array(peaks) >= np.float32(high)))


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    low=st.floats(0.05, 0.9),
    extra=st.floats(0, 0.5),
    becomes=st.sampled_from(["before", "background", "surrounding", "SNFH"]),
)
def test_the_label_is_where_hysteresis_puts_it(seed, low, extra, becomes):
    probabilities = region_case(seed)
    high = min(low + extra, 1.0)
    _, after = apply(probabilities, hysteresis(low, high, becomes))
    np.testing.assert_array_equal(after == ET, by_hand(probabilities[2], low, high))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), low=st.floats(0.05, 0.9), extra=st.floats(0, 0.5))
def test_it_is_that_of_scikit_image(seed, low, extra):
    """It takes what is above a threshold, not at it, and components by faces."""
    filters = pytest.importorskip("skimage.filters")
    probabilities, high = region_case(seed), min(low + extra, 1.0)
    if np.isin(probabilities[2], np.float32([low, high])).any():
        return
    expected = filters.apply_hysteresis_threshold(
        probabilities[2], np.float32(low), np.float32(high)
    )
    _, after = apply(probabilities, hysteresis(low, high, connectivity=6))
    np.testing.assert_array_equal(after == ET, expected)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), low=st.floats(0.05, 0.5), extra=st.floats(0, 0.5))
def test_what_joined_in_vain_is_what_it_was(seed, low, extra):
    """Nested regions say what ET had taken: it all returns, and no other voxel changes."""
    probabilities = region_case(seed)
    before, after = apply(probabilities, hysteresis(low, low + extra)[1:])
    joined = (before != ET) & (after == ET)
    left = (before == ET) & (after != ET)
    assert (probabilities[2][joined] >= np.float32(low)).all()
    np.testing.assert_array_equal(after[~joined & ~left], before[~joined & ~left])


def test_a_doubtful_component_returns_to_what_it_was_before_it_grew():
    """ET is one voxel amid core and grows over two core voxels and one of oedema."""
    before = np.array([[[SNFH, SNFH, NETC, ET, NETC, NETC]]], np.uint8)
    sure = np.array([[[0.1, 0.3, 0.3, 0.6, 0.3, 0.1]]], np.float32)

    def after(high, becomes):
        rules = hysteresis(0.25, high, becomes)
        maps = EnsembleMaps(lambda names: sure)
        return apply_rules(before, rules, GLI, MM, maps).labels.ravel().tolist()

    assert after(0.6, "before") == [SNFH, ET, ET, ET, ET, NETC]
    assert after(0.7, "before") == [SNFH, SNFH, NETC, NETC, NETC, NETC]
    assert after(0.7, "background") == [SNFH, 0, 0, 0, 0, NETC]
