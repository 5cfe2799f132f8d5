"""Small classifiers as plain arrays: scaling, then a linear model or boosted trees, in numpy alone.

They are fitted by scikit-learn, whose numbers they give (a test compares them), and need nothing of
it to run. A row is a component's features (feature,); log-odds above 0 speak for its removal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

MOST_DEVIATIONS = 5.0  # an outlier farther out says no more than this
LEAF = -1  # of `BoostedTrees.left` and `right`


class GateModel(Protocol):
    """What a gate asks of a classifier."""

    @property
    def features(self) -> int:
        """Return how many features a row has."""

    def log_odds(self, rows: np.ndarray) -> np.ndarray:
        """Return the log-odds (row,) of scaled rows (row, feature)."""


@dataclass(frozen=True)
class Scaling:
    """How features (n,) become comparable: log where they span decades, centre, scale, clip."""

    log: np.ndarray  # (n,) bool: taken as log(1 + x), of numbers that are not negative
    centre: np.ndarray  # (n,)
    scale: np.ndarray  # (n,)

    def __post_init__(self) -> None:
        """Check the arrays, and make them read-only.

        Raises:
            ValueError: an array has the wrong shape or type, is not finite, or scales by zero.
        """
        n = self.log.shape
        _check(self, {"log": (bool, n), "centre": (float, n), "scale": (float, n)})
        if len(n) != 1 or not (self.scale > 0).all():
            raise ValueError(f"scale: {self.scale.shape}, not all positive")

    @property
    def features(self) -> int:
        """Return how many features a row has."""
        return self.log.size

    def deviations(self, rows: np.ndarray) -> np.ndarray:
        """Scale rows (row, feature), however far out they are."""
        logged = np.where(self.log, np.log1p(np.where(self.log, rows, 0.0)), rows)
        return np.asarray((logged - self.centre) / self.scale)

    def apply(self, rows: np.ndarray) -> np.ndarray:
        """Scale rows (row, feature), and clip them."""
        return self.deviations(rows).clip(-MOST_DEVIATIONS, MOST_DEVIATIONS)


@dataclass(frozen=True)
class Familiarity:
    """How far from what a gate was trained on a row may lie (Mahalanobis)."""

    precision: np.ndarray  # (n, n) inverse covariance of the scaled training rows
    limit: np.ndarray  # () the largest distance at which a gate decides

    def __post_init__(self) -> None:
        """Check the arrays, and make them read-only."""
        _check(self, {"precision": (float, self.precision.shape[:1] * 2), "limit": (float, ())})

    @property
    def features(self) -> int:
        """Return how many features a row has."""
        return len(self.precision)

    def distances(self, deviations: np.ndarray) -> np.ndarray:
        """Return the distance (row,) of scaled rows (row, feature) from their mean in training."""
        squared = np.einsum("ri,ij,rj->r", deviations, self.precision, deviations)
        return np.sqrt(squared.clip(0))


@dataclass(frozen=True)
class Logistic:
    """A linear model."""

    weights: np.ndarray  # (n,)
    intercept: np.ndarray  # ()

    def __post_init__(self) -> None:
        """Check the arrays, and make them read-only."""
        _check(self, {"weights": (float, (self.weights.size,)), "intercept": (float, ())})

    @property
    def features(self) -> int:
        """Return how many features a row has."""
        return self.weights.size

    def log_odds(self, rows: np.ndarray) -> np.ndarray:
        """Return the log-odds (row,) of scaled rows (row, feature)."""
        return np.asarray(rows @ self.weights + self.intercept)


@dataclass(frozen=True)
class BoostedTrees:
    """A sum of trees; arrays (tree, node) but for the first two, node 0 is each tree's root.

    A row goes left where its feature, rounded by `as_compared`, is at most the threshold. Children
    stand behind their parents, so every row arrives.
    """

    columns: np.ndarray  # () int32: features of a row
    baseline: np.ndarray  # ()
    feature: np.ndarray  # int32
    threshold: np.ndarray
    left: np.ndarray  # int32, LEAF where there is none
    right: np.ndarray  # int32
    value: np.ndarray  # what a leaf adds

    def __post_init__(self) -> None:
        """Check the arrays, and make them read-only.

        Raises:
            ValueError: as of `Scaling`, or a node points at none, or back.
        """
        shape = self.value.shape
        expected: dict[str, tuple[type, tuple[int, ...]]] = {
            "columns": (np.int32, ()),
            "baseline": (float, ()),
            "threshold": (float, shape),
            "value": (float, shape),
        }
        expected |= {name: (np.int32, shape) for name in ("feature", "left", "right")}
        _check(self, expected)
        if len(shape) != 2 or 0 in shape:
            raise ValueError(f"value: {shape}, not (tree, node)")
        inner, numbers = self.left != LEAF, np.arange(shape[1])
        for name in ("left", "right"):
            child = getattr(self, name)
            if not ((child > numbers) & (child < shape[1]))[inner].all():
                raise ValueError(f"{name}: a child that is not behind its parent")
        if not ((self.feature >= 0) & (self.feature < self.columns))[inner].all():
            raise ValueError(f"feature: not one of {int(self.columns)}")

    @property
    def features(self) -> int:
        """Return how many features a row has."""
        return int(self.columns)

    def log_odds(self, rows: np.ndarray) -> np.ndarray:
        """Return the log-odds (row,) of scaled rows (row, feature)."""
        rounded, trees = as_compared(rows), np.arange(len(self.value))[:, None]
        at = np.zeros((len(trees), len(rows)), np.int32)  # the node that each row is at
        everyone = np.arange(len(rows))
        while (inner := self.left[trees, at] != LEAF).any():
            goes_left = rounded[everyone, self.feature[trees, at]] <= self.threshold[trees, at]
            child = np.where(goes_left, self.left[trees, at], self.right[trees, at])
            at = np.where(inner, child, at)
        return np.asarray(self.baseline + self.value[trees, at].sum(0))


MODELS: Mapping[str, type[Logistic] | type[BoostedTrees]] = {
    "logistic": Logistic,
    "trees": BoostedTrees,
}


def kind_of(model: GateModel) -> str:
    """Return a model's name in `MODELS`."""
    return next(name for name, kind in MODELS.items() if isinstance(model, kind))


def as_compared(rows: np.ndarray) -> np.ndarray:
    """Return rows (row, feature) rounded to single precision, as trees compare them."""
    return np.asarray(rows.astype(np.float32).astype(float))


def probability(log_odds: np.ndarray) -> np.ndarray:
    """Return the probability of log-odds, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(log_odds / 2)))


def _check(holder: object, expected: Mapping[str, tuple[type, tuple[int, ...]]]) -> None:
    """Raise ValueError unless every array of a dataclass has its type and shape and is finite."""
    for name in (field.name for field in fields(holder)):  # type: ignore[arg-type]
        value, (kind, shape) = getattr(holder, name), expected[name]
        if value.dtype != np.dtype(kind) or value.shape != shape:
            raise ValueError(f"{name}: {value.dtype} {value.shape}, not {np.dtype(kind)} {shape}")
        if not np.isfinite(value).all():
            raise ValueError(f"{name}: not finite")
        value.setflags(write=False)
