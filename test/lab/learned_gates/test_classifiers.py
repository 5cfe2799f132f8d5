"""Classifiers as arrays give the probabilities of scikit-learn's own objects."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from lab.learned_gates.classifiers import (
    CLASSIFIERS,
    Classifier,
    freeze_logistic,
    freeze_trees,
)
from postprocess.gate_models import as_compared, probability


def lesson(seed: int, rows: int = 120, features: int = 7):
    """Rows with a step and a slope in them, answers and weights."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features)).clip(-5, 5)
    x[:, 1] = np.round(x[:, 1])  # ties at thresholds
    chance = probability(2 * (x[:, 0] > 0.3) - 1 + x[:, 1])
    return x, rng.random(rows) < chance, rng.uniform(0.1, 3, rows)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_logistic_regression_to_1e_12(seed: int, strength: float) -> None:
    x, y, weights = lesson(seed)
    fitted = LogisticRegression(C=strength).fit(x, y, weights)
    others = lesson(seed + 100)[0]
    ours = probability(freeze_logistic(fitted).log_odds(others))
    np.testing.assert_allclose(ours, fitted.predict_proba(others)[:, 1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("depth", "trees"), [(1, 10), (2, 60), (5, 20)])
def test_boosted_trees_to_1e_9(seed: int, depth: int, trees: int) -> None:
    x, y, weights = lesson(seed)
    options = {"max_iter": trees, "max_depth": depth, "early_stopping": False}
    x = as_compared(x)
    fitted = HistGradientBoostingClassifier(**options, min_samples_leaf=5).fit(x, y, weights)
    frozen = freeze_trees(fitted, x)
    for others in (x, as_compared(lesson(seed + 100)[0])):
        ours = probability(frozen.log_odds(others))
        np.testing.assert_allclose(ours, fitted.predict_proba(others)[:, 1], rtol=0, atol=1e-9)


def test_every_classifier_learns_and_needs_no_sklearn_after() -> None:
    x, y, weights = lesson(1, rows=400)
    for classifier in CLASSIFIERS:
        model = classifier.fit(x, y, weights)
        assert model.features == 7
        p = probability(model.log_odds(x))
        assert p[y].mean() > p[~y].mean() + 0.1, classifier.name
        arrays = vars(model).values()
        assert all(type(array) is np.ndarray and array.dtype != object for array in arrays)
    assert len({classifier.name for classifier in CLASSIFIERS}) == len(CLASSIFIERS)


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda each: each.name)
@pytest.mark.parametrize("seed", range(5))
def test_a_confident_mistake_makes_no_classifier_infinitely_sure(
    classifier: Classifier, seed: int
) -> None:
    """Two in a hundred are of the rare kind, and what they are worth spans decades."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(250, 12)).clip(-5, 5)
    y = x[:, 0] + 0.3 * rng.normal(size=250) > 2
    weights = np.exp(rng.normal(0, 2, 250))
    model = classifier.fit(x, y, weights / weights.mean())
    assert np.abs(model.log_odds(x)).max() < 40
