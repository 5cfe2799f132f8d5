"""Voxel overlap by hand, from one confusion matrix."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from challenge.scheme import SCHEMES
from lab.metrics.pair import Pair
from lab.metrics.voxel import confusion, dice, score

GLI = SCHEMES["brats-gli"]


def test_dice_by_hand() -> None:
    prediction = np.array([1, 1, 1, 0, 0], bool)
    reference = np.array([0, 1, 1, 1, 1], bool)
    assert dice(prediction, reference) == pytest.approx(4 / 7)
    assert dice(prediction, ~prediction) == 0
    assert math.isnan(dice(np.zeros(3, bool), np.zeros(3, bool)))


def test_labels_and_regions() -> None:
    prediction = np.array([[[1, 2, 3, 3, 0]]], np.uint8)
    reference = np.array([[[3, 2, 3, 0, 1]]], np.uint8)
    result = score(Pair(prediction, reference, (2.0, 1.0, 1.0)), GLI)
    assert set(result) == {"WT", "TC", "ET", "NETC", "SNFH", "RC"}
    et = result["ET"]
    assert (et["dice"], et["iou"]) == (pytest.approx(2 / 4), pytest.approx(1 / 3))
    assert (et["precision"], et["recall"]) == (0.5, 0.5)
    assert (et["tp_mm3"], et["fp_mm3"], et["fn_mm3"]) == (2, 2, 2)
    assert result["TC"]["dice"] == pytest.approx(2 * 2 / 6)
    assert result["NETC"]["dice"] == 0


def test_a_label_in_neither_map() -> None:
    labels = np.array([[[3, 0]]], np.uint8)
    pair = Pair(labels, labels, (1.0, 1.0, 1.0))
    assert math.isnan(score(pair, GLI)["RC"]["dice"])
    assert score(pair, GLI, "one")["RC"]["dice"] == score(pair, GLI, "one")["RC"]["iou"] == 1
    assert math.isnan(score(pair, GLI, "one")["RC"]["precision"])


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_scikit_learn_counts_the_same(seed: int) -> None:
    generator = np.random.default_rng(seed)
    maps = [np.zeros((7, 6, 5), np.uint8) for _ in range(2)]
    for labels in maps:
        labels[2:5, 1:4, 1:4] = generator.integers(0, 5, (3, 3, 3))
    peer = confusion_matrix(maps[1].ravel(), maps[0].ravel(), labels=range(5))
    np.testing.assert_array_equal(confusion(Pair(*maps, (1, 1, 1)), [1, 2, 3, 4]), peer)
    as_float = Pair(maps[0].astype(float), maps[1].astype(float), (1, 1, 1))
    np.testing.assert_array_equal(confusion(as_float, [1, 2, 3, 4]), peer)


def test_undeclared_values_are_background() -> None:
    maps = np.array([[[255, 3]]], np.uint8), np.array([[[3, 3]]], np.uint8)
    assert confusion(Pair(*maps, (1, 1, 1)), [3]).tolist() == [[0, 0], [1, 1]]
