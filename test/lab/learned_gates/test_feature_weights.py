"""What weighs in a gate: beside scikit-learn's permutation importance, and its direction."""

from dataclasses import replace

import numpy as np
import pytest
from cubes import linear, size_gate
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.inspection import permutation_importance

from lab.learned_gates.feature_weights import feature_weights
from lab.learned_gates.removals import Removal, examples_of


class LogOdds(RegressorMixin, BaseEstimator):
    """A gate as scikit-learn takes a regressor."""

    def __init__(self, gate) -> None:
        self.gate = gate

    def fit(self, rows, answers) -> "LogOdds":
        return self

    def predict(self, rows) -> np.ndarray:
        return self.gate.log_odds(rows)


def rows_of(seed: int, count: int = 3000) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.uniform(1, 400, count), rng.uniform(0, 1, count)], axis=1)


def test_weights_are_scikit_learns_permutation_importance() -> None:
    gate = replace(size_gate("ET", 100.0, model=linear([-3.0, 0.2])), slope=1.7)
    rows = rows_of(1)
    expected = permutation_importance(
        LogOdds(gate), rows, gate.log_odds(rows), scoring="neg_mean_absolute_error", random_state=3
    ).importances_mean
    weights = {weight.name: weight for weight in feature_weights(gate, rows)}
    for name, importance in zip(gate.feature_names, expected, strict=True):
        assert weights[name].log_odds == pytest.approx(importance, rel=0.05)
    assert (weights["volume_mm3"].raises, weights["sphericity"].raises) == (False, True)


def test_a_tree_weighs_what_it_splits_by_and_nothing_else() -> None:
    """It removes what is small."""
    first, second = feature_weights(size_gate("ET", 100.0), rows_of(2))
    assert (first.name, first.raises) == ("volume_mm3", False)
    assert (second.name, second.log_odds) == ("sphericity", 0.0)


def removal(gain: float) -> Removal:
    return Removal("case", "WT", ("ET",), "component", 1, 20.0, 0.9, gain)


def test_examples_are_those_that_gain_most_and_those_that_lose_most() -> None:
    gains = [0.1, -0.3, 0.0, 0.5, -0.1]
    assert [r.gain for r in examples_of(list(map(removal, gains)))] == [0.5, 0.1, 0.0, -0.1, -0.3]
    many = [removal(number / 10) for number in range(-9, 10)]
    expected = [0.9, 0.8, 0.7, 0.6, -0.6, -0.7, -0.8, -0.9]
    assert [r.gain for r in examples_of(many)] == pytest.approx(expected)
