"""Classifiers as arrays: the numbers of scikit-learn, and refused where they make no sense."""

from dataclasses import replace

import numpy as np
import pytest
from cubes import linear, one_tree
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit

from postprocess.gate_models import Scaling, probability

ROWS = arrays(np.float64, (5, 2), elements=st.floats(-1e6, 1e6))


def test_one_split_by_hand() -> None:
    tree = one_tree(threshold=1.5, low=2.0, high=-3.0)
    rows = np.array([[1.5, 9], [1.6, 9], [-7, 0]])
    assert tree.log_odds(rows).tolist() == [2, -3, 2]
    assert tree.features == 2


def test_a_threshold_is_compared_with_the_feature_as_float32() -> None:
    """As scikit-learn does: 0.1 is not a float32, and the nearest one is above it."""
    assert float(np.float32(0.1)) > 0.1
    assert one_tree(0.1, 1.0, 2.0).log_odds(np.array([[0.1, 0.0]])).tolist() == [2]


def test_a_linear_model_by_hand() -> None:
    assert linear([1.0, -2.0], 0.5).log_odds(np.array([[3.0, 1.0]])).tolist() == [1.5]


@given(ROWS)
def test_no_row_and_rows_one_by_one_give_the_same(rows: np.ndarray) -> None:
    for model in (one_tree(0.5, 1.0, 2.0), linear([1.0, -2.0])):
        assert model.log_odds(rows[:0]).shape == (0,)
        single = np.concatenate([model.log_odds(row[None]) for row in rows])
        np.testing.assert_allclose(model.log_odds(rows), single, rtol=1e-12)


@given(arrays(np.float64, 20, elements=st.floats(-1e4, 1e4)))
def test_probabilities_are_those_of_scipy(log_odds: np.ndarray) -> None:
    np.testing.assert_allclose(probability(log_odds), expit(log_odds), rtol=0, atol=1e-15)


def test_scaling_takes_logs_centres_and_clips() -> None:
    scaling = Scaling(np.array([True, False]), np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    rows = np.array([[np.e - 1, 2.0], [0.0, -100.0]])
    np.testing.assert_allclose(scaling.apply(rows), [[1, 0.5], [0, -5]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": np.array([[np.nan, 0.0, 0.0]])}, "threshold: not finite"),
        ({"left": np.array([[0, -1, -1]], np.int32)}, "left: a child that is not behind"),
        ({"right": np.array([[3, -1, -1]], np.int32)}, "right: a child"),
        ({"feature": np.array([[2, 0, 0]], np.int32)}, "feature: not one of 2"),
        ({"value": np.array([[0.0, 1.0]])}, "feature: int32"),
        ({"value": np.array([[0, 1, 2]])}, "value: int64"),
        ({"left": np.array([[1, -2, -1]], np.int32)}, "left: a child"),
    ],
)
def test_trees_that_make_no_sense_are_refused(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(one_tree(0.5, 1.0, 2.0), **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": np.array([1.0, 0.0])}, "not all positive"),
        ({"centre": np.array([1.0])}, "centre: float64"),
        ({"log": np.array([0.0, 1.0])}, "log: float64"),
        ({"scale": np.array([1.0, np.inf])}, "scale: not finite"),
    ],
)
def test_scalings_that_make_no_sense_are_refused(change, message: str) -> None:
    good = Scaling(np.zeros(2, bool), np.zeros(2), np.ones(2))
    with pytest.raises(ValueError, match=message):
        replace(good, **change)


def test_arrays_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        linear([1.0, 2.0]).weights[0] = 3
