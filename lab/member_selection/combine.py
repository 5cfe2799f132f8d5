"""An ensemble of candidates with weights, and the labels that it gives a case."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from challenge.scheme import Head, Scheme, labels_from, probability_of
from postprocess.empty_prediction import Evidence, restore_tumour


@dataclass(frozen=True)
class Ensemble:
    """Candidates with one weight each; their probabilities are averaged."""

    weights: tuple[float, ...]  # (candidate,)

    @property
    def members(self) -> tuple[int, ...]:
        """Return which candidates have any weight."""
        return tuple(i for i, weight in enumerate(self.weights) if weight)


def equal(candidates: int) -> Ensemble:
    """Return the ensemble of equal weights."""
    return Ensemble((1.0,) * candidates)


def weighted(weights: Iterable[float]) -> Ensemble:
    """Return the ensemble of one weight a candidate."""
    return Ensemble(tuple(float(weight) for weight in weights))


def labels_of(
    ensemble: Ensemble, maps: np.ndarray, head: Head, scheme: Scheme, spacing_mm: tuple[float, ...]
) -> np.ndarray:
    """Return the labels (z, y, x) that an ensemble gives a case, as the container would write them.

    Args:
        ensemble: the weights.
        maps: (candidate, channel, z, y, x) probabilities in the common head, of any float type.
        head: what channels mean.
        scheme: whose label values are returned.
        spacing_mm: (z, y, x).
    """
    probabilities = weighted_mean(maps, ensemble.weights)
    labels = labels_from(probabilities, head, scheme)
    if scheme.when_empty:
        z, y, x = spacing_mm
        tumour = probability_of(probabilities, head, scheme.regions[scheme.tumour])
        labels, _ = restore_tumour(labels, Evidence(labels, tumour, (z, y, x)), scheme)
    return labels


def weighted_mean(maps: np.ndarray, weights: Iterable[float]) -> np.ndarray:
    """Return the mean (channel, z, y, x) float32 of maps (candidate, channel, z, y, x)."""
    raw = np.array(tuple(weights), np.float32)
    mean = np.zeros(maps.shape[1:], np.float32)
    # Python's sum adds one after the other, whatever the number: numpy's order depends on it.
    for probabilities, share in zip(maps, raw / sum(raw), strict=True):
        if share:
            mean += probabilities.astype(np.float32) * share
    return mean
