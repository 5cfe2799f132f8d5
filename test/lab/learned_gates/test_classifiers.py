"""Classifiers as arrays give the probabilities of scikit-learn's own objects."""

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from lab.learned_gates.classifiers import CLASSIFIERS, freeze_logistic, freeze_trees
from postprocess.gate_models import probability


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
    fitted = GradientBoostingClassifier(n_estimators=trees, max_depth=depth, random_state=0)
    fitted.fit(x, y, weights)
    frozen = freeze_trees(fitted, x)
    for others in (x, lesson(seed + 100)[0]):
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
