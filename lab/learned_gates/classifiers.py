"""What gates may be: classifiers that scikit-learn fits, each turned into plain arrays.

Simplest first: of classifiers that gain as much, the first one is taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from postprocess.gate_models import LEAF, BoostedTrees, GateModel, Logistic, as_compared

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

LEARNING_RATE = 0.1
LEAST_IN_LEAF = 8  # components
LEAF_PENALTY = 1.0  # of the mean component's weight


@dataclass(frozen=True)
class Classifier:
    """One way to fit a gate's model on scaled rows, bool answers and weights."""

    name: str
    fit: Callable[[np.ndarray, np.ndarray, np.ndarray], GateModel]


def fit_logistic(
    rows: np.ndarray, answers: np.ndarray, weights: np.ndarray, strength: float
) -> Logistic:
    """Fit logistic regression with an L2 penalty; the lower `strength`, the stronger."""
    from sklearn.linear_model import LogisticRegression

    # Few features and many rows: ten times as fast as the default, and exact.
    fitted = LogisticRegression(C=strength, solver="newton-cholesky").fit(rows, answers, weights)
    return freeze_logistic(fitted)


def fit_trees(
    rows: np.ndarray, answers: np.ndarray, weights: np.ndarray, depth: int, trees: int
) -> BoostedTrees:
    """Fit gradient-boosted trees of a depth.

    The penalty bounds what a leaf adds. Without one, Newton's step in a leaf whose components are
    all predicted with confidence, one of them wrongly, has no limit.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    boosted = HistGradientBoostingClassifier(
        max_iter=trees,
        max_depth=depth,
        learning_rate=LEARNING_RATE,
        min_samples_leaf=LEAST_IN_LEAF,
        l2_regularization=LEAF_PENALTY,
        early_stopping=False,
        random_state=0,
    )
    rounded = as_compared(rows)
    return freeze_trees(boosted.fit(rounded, answers, weights), rounded)


def freeze_logistic(fitted: "LogisticRegression") -> Logistic:
    """Return a fitted logistic regression of two classes as arrays."""
    return Logistic(fitted.coef_[0].astype(float), np.array(float(fitted.intercept_[0])))


def freeze_trees(fitted: "HistGradientBoostingClassifier", rows: np.ndarray) -> BoostedTrees:
    """Return fitted boosted trees of two classes as arrays.

    Args:
        fitted: by scikit-learn, on rows rounded by `as_compared`.
        rows: (row, feature) any; what the sum of trees lacks of their log-odds is the baseline.
    """
    trees = [predictor.nodes for (predictor,) in fitted._predictors]  # not public; a test compares
    nodes = max(map(len, trees))

    def stacked(name: str, kind: type) -> np.ndarray:
        array: np.ndarray = np.zeros((len(trees), nodes), kind)
        for number, tree in enumerate(trees):
            array[number, : len(tree)] = tree[name]
        return array

    left, right = stacked("left", np.int32), stacked("right", np.int32)
    inner = left > 0  # scikit-learn's leaves have child 0
    unshifted = BoostedTrees(
        columns=np.array(rows.shape[1], np.int32),
        baseline=np.array(0.0),
        feature=np.where(inner, stacked("feature_idx", np.int32), 0).astype(np.int32),
        threshold=np.where(inner, stacked("num_threshold", float), 0.0),
        left=np.where(inner, left, LEAF).astype(np.int32),
        right=np.where(inner, right, LEAF).astype(np.int32),
        value=np.where(inner, 0.0, stacked("value", float)),
    )
    baseline = float(fitted.decision_function(rows[:1])[0] - unshifted.log_odds(rows[:1])[0])
    return BoostedTrees(**vars(unshifted) | {"baseline": np.array(baseline)})


CLASSIFIERS: Sequence[Classifier] = (
    *(
        Classifier(f"logistic, C {strength:g}", partial(fit_logistic, strength=strength))
        for strength in (0.01, 0.1, 1.0)
    ),
    Classifier("30 trees of depth 1", partial(fit_trees, depth=1, trees=30)),
    Classifier("60 trees of depth 2", partial(fit_trees, depth=2, trees=60)),
)
