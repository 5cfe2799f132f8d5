"""Classifiers trained on the components of some cases: scaled, out of fold, calibrated.

A component counts by what removing or keeping it is worth, so the classifier spends itself where
the score is decided. Its calibrated probability is a share of worth: of all that is at stake in
components of probability 0.8, four fifths is gained by removing them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import joblib
import numpy as np

from challenge.scheme import Scheme
from lab.learned_gates.classifiers import Classifier
from lab.learned_gates.gate_cases import GateCase
from lab.rule_search.clustering import FAR
from lab.rule_search.cross_validation import folds_of
from postprocess.component_feature_table import component_features
from postprocess.gate_models import Familiarity, GateModel, Scaling, probability

# A removal that is worth less than this is worth nothing.
WORTHLESS = 1e-9
FEWEST = 10  # components worth removing, and as many worth keeping, in so many cases at least:
FEWEST_CASES = 5
STEEPEST = 1e3  # inverse penalty of the calibration's slope


@dataclass(frozen=True)
class Rows:
    """The components of one target in some cases, in their order; arrays by component."""

    names: tuple[str, ...]
    features: np.ndarray  # (component, feature)
    gains: np.ndarray  # what removing each is worth
    cases: np.ndarray  # number of its case

    def of(self, cases: np.ndarray) -> "Rows":
        """Return the components of some of the cases."""
        inside = np.isin(self.cases, cases)
        return Rows(self.names, self.features[inside], self.gains[inside], self.cases[inside])

    @property
    def teaches(self) -> np.ndarray:
        """Return which components (component,) bool matter to the score."""
        return np.abs(self.gains) > WORTHLESS

    @property
    def is_enough(self) -> bool:
        """Return whether there are components enough of both kinds, in cases enough."""
        kinds = (self.gains > WORTHLESS, self.gains < -WORTHLESS)
        return all(
            np.count_nonzero(kind) >= FEWEST and np.unique(self.cases[kind]).size >= FEWEST_CASES
            for kind in kinds
        )


def rows_of(cases: Sequence[GateCase], number: int) -> Rows:
    """Collect the components of one target, with the features that all cases have."""
    first = cases[0].targets[number].names
    common = set(first).intersection(*(case.targets[number].names for case in cases))
    names = tuple(name for name in first if name in common)
    parts = [case.targets[number] for case in cases]
    features = [p.rows[:, [p.names.index(name) for name in names]] for p in parts]
    counts = [len(p.rows) for p in parts]
    return Rows(
        names,
        np.concatenate(features),
        np.concatenate([p.gains for p in parts]),
        np.repeat(np.arange(len(cases)), counts),
    )


@dataclass(frozen=True)
class Trained:
    """A classifier that was trained and calibrated, and its out-of-fold probabilities."""

    classifier: str
    scaling: Scaling
    familiarity: Familiarity
    model: GateModel
    slope: float
    offset: float
    out_of_fold: Mapping[int, np.ndarray]  # case -> probability (component,) without that case


def train(rows: Rows, classifier: Classifier, scheme: Scheme, seed: int) -> Trained | None:
    """Train a classifier on all rows; None where it tells nothing out of fold.

    Args:
        rows: of the training cases.
        classifier: what to fit.
        scheme: whose components they are.
        seed: of the folds.
    """
    cases, log_odds = np.unique(rows.cases), np.zeros(len(rows.cases))
    folds = folds_of(cases, seed)
    run = joblib.Parallel(n_jobs=None)
    predicted = run(
        joblib.delayed(_predict)(
            rows.of(np.setdiff1d(cases, fold)), rows.of(fold), classifier, scheme
        )
        for fold in folds
    )
    for fold, of_fold in zip(folds, predicted, strict=True):
        if of_fold is None:
            return None
        log_odds[np.isin(rows.cases, fold)] = of_fold
    slope, offset = _calibrate(log_odds, rows)
    if slope <= 0:
        return None
    scaling, model = _fit(rows, classifier, scheme)
    p = probability(slope * log_odds + offset)
    out_of_fold = {int(case): p[rows.cases == case] for case in cases}
    near = fit_familiarity(scaling.deviations(rows.features))
    return Trained(classifier.name, scaling, near, model, slope, offset, out_of_fold)


def fit_scaling(rows: Rows, scheme: Scheme) -> Scaling:
    """Centre on the mean and divide by the deviation, of logarithms where features span decades."""
    is_logged = {row.name: row.is_logged for row in component_features(scheme)}
    log = np.array([is_logged[name] for name in rows.names])
    logged = np.where(log, np.log1p(np.where(log, rows.features, 0.0)), rows.features)
    deviation = logged.std(0)
    return Scaling(log, logged.mean(0), np.where(deviation > 0, deviation, 1.0))


def fit_familiarity(deviations: np.ndarray) -> Familiarity:
    """Return how far out a component may lie: `FAR` times the farthest of scaled training rows."""
    from sklearn.covariance import LedoitWolf

    precision = LedoitWolf(assume_centered=True).fit(deviations).precision_
    unlimited = Familiarity(precision, np.array(0.0))
    farthest = float(unlimited.distances(deviations).max())
    return Familiarity(precision, np.array(FAR * farthest))


def _predict(rows: Rows, others: Rows, classifier: Classifier, scheme: Scheme) -> np.ndarray | None:
    """Return the log-odds of other rows by a fit on some; None where these are too few."""
    if not rows.is_enough:
        return None
    scaling, model = _fit(rows, classifier, scheme)
    return model.log_odds(scaling.apply(others.features))


def _fit(rows: Rows, classifier: Classifier, scheme: Scheme) -> tuple[Scaling, GateModel]:
    scaling, at_stake = fit_scaling(rows, scheme), rows.teaches
    scaled = scaling.apply(rows.features[at_stake])
    answers, weights = _lesson(rows)
    return scaling, classifier.fit(scaled, answers, weights)


def _lesson(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return the answers (component,) bool and weights of those that matter; weights average 1."""
    gains = rows.gains[rows.teaches]
    weights = np.abs(gains)
    return gains > 0, weights / weights.mean()


def _calibrate(log_odds: np.ndarray, rows: Rows) -> tuple[float, float]:
    """Return slope and offset that make log-odds those of the answers (Platt)."""
    from sklearn.linear_model import LogisticRegression

    answers, weights = _lesson(rows)
    one_column = log_odds[rows.teaches][:, None]
    fitted = LogisticRegression(C=STEEPEST, solver="newton-cholesky")
    fitted.fit(one_column, answers, weights)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
