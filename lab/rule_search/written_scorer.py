"""Scores of a case as the container writes it: labels that are not written are background."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from challenge.scheme import Scheme
from lab.metrics.pair import Pair
from lab.metrics.scorer import Scorer
from lab.metrics.variant_scorers import VariantScorer

Scores = Mapping[str, Mapping[str, float]]  # region -> metric -> value


@dataclass(frozen=True)
class WrittenScorer:
    """Scores a case as the container writes it: labels that are not written are background."""

    scorer: VariantScorer
    unwritten: tuple[int, ...]

    def score(self, values: np.ndarray) -> Scores:
        """Return the scores when label component i carries the label values[i]."""
        return self.scorer.score(without(values, self.unwritten))


def score_as_written(pair: Pair, scheme: Scheme, scorer: Scorer) -> Scores:
    """Score a pair as any prediction is scored: labels that are not written are background."""
    unwritten = unwritten_values(scheme)
    prediction, reference = (without(side, unwritten) for side in (pair.prediction, pair.reference))
    return scorer.score(replace(pair, prediction=prediction, reference=reference))


def unwritten_values(scheme: Scheme) -> tuple[int, ...]:
    """Return the values of the labels that the challenge does not ask for."""
    return tuple(value for name, value in scheme.labels.items() if name not in scheme.written)


def without(labels: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """Return labels (any shape) with some values made background."""
    return np.where(np.isin(labels, values), 0, labels).astype(np.uint8) if values else labels
