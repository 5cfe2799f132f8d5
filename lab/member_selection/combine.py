"""An ensemble of candidates with weights, and the labels that it gives a case.

A case is averaged and decoded as the model that packs these candidates does: by inference's own
mean, in the head that its members have in common. Two softmax candidates are decoded by arg-max,
whatever heads the other candidates of a pool have.

What differs from that model: maps are of half precision and cut to where some probability is above
1/512 (`probability_maps`), so that voxels close to a tie may fall to the other side.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from challenge.box import Box
from challenge.scheme import Head, Scheme, labels_from, probability_of
from ensemble.average import ProbabilityMean
from ensemble.heads import to_head
from ensemble.member_weights import Weight
from ensemble.small_cases import SmallCases
from postprocess.empty_prediction import Evidence, restore_tumour

SHARE_DIGITS = 6  # of a share by channel


@dataclass(frozen=True)
class SmallWeights:
    """Weights for cases of which the ensemble predicts little, among the same candidates."""

    cases: SmallCases
    weights: tuple[float, ...]  # (candidate,)


@dataclass(frozen=True)
class Ensemble:
    """Candidates with one weight each, or one for each channel; probabilities are averaged."""

    weights: tuple[float, ...]  # (candidate,); where they differ by channel, the mean
    # Name of a channel and its weights (candidate,), in the order of the ensemble's head; () where
    # `weights` are those of all channels.
    by_channel: tuple[tuple[str, tuple[float, ...]], ...] = ()
    small: SmallWeights | None = None

    @property
    def members(self) -> tuple[int, ...]:
        """Return which candidates have any weight."""
        return tuple(i for i, weight in enumerate(self.weights) if weight)

    def weight_of(self, candidate: int) -> Weight:
        """Return a candidate's weight as a manifest holds it."""
        if not self.by_channel:
            return self.weights[candidate]
        return {name: weights[candidate] for name, weights in self.by_channel}


@dataclass(frozen=True)
class CaseMaps:
    """What every candidate predicts for one case, each in its own head, within one box."""

    probabilities: tuple[np.ndarray, ...]  # a candidate each, (channel, z, y, x), any float type
    heads: tuple[Head, ...]  # a candidate each
    box: Box  # outside of which every candidate is sure of background
    shape: tuple[int, int, int]  # of the case
    spacing_mm: tuple[float, float, float]


def equal(candidates: int) -> Ensemble:
    """Return the ensemble of equal weights."""
    return Ensemble((1.0,) * candidates)


def weighted(weights: Iterable[float]) -> Ensemble:
    """Return the ensemble of one weight a candidate."""
    return Ensemble(tuple(float(weight) for weight in weights))


def weighted_by_channel(weights: Mapping[str, np.ndarray]) -> Ensemble:
    """Return the ensemble of weights (candidate,) by a channel's name, as shares of each channel.

    Shares are rounded as manifests hold them. Where all channels have the same, it is the ensemble
    of one weight a candidate.
    """
    rounded = tuple(
        (name, tuple(round(float(each), SHARE_DIGITS) for each in of_channel / of_channel.sum()))
        for name, of_channel in weights.items()
    )
    rows = [row for _, row in rounded]
    if len(set(rows)) == 1:
        return weighted(rows[0])
    return Ensemble(tuple(sum(each) / len(each) for each in zip(*rows, strict=True)), rounded)


def labels_of(ensemble: Ensemble, maps: CaseMaps, head: Head, scheme: Scheme) -> np.ndarray:
    """Return the labels (z, y, x) uint8 of a whole case, as the packed ensemble's inference.

    Args:
        ensemble: the weights.
        maps: of the case, all candidates.
        head: that the ensemble's members have in common.
        scheme: whose label values are returned.
    """
    probabilities = answer_of(ensemble, maps, head, scheme)
    in_box = labels_from(probabilities, head, scheme)
    labels = np.zeros(maps.shape, np.uint8)
    labels[maps.box] = in_box
    if scheme.when_empty and not scheme.mask(in_box, scheme.tumour).any():
        tumour = np.zeros(maps.shape, np.float32)
        tumour[maps.box] = probability_of(probabilities, head, scheme.regions[scheme.tumour])
        labels, _ = restore_tumour(labels, Evidence(labels, tumour, maps.spacing_mm), scheme)
    return labels


def answer_of(ensemble: Ensemble, maps: CaseMaps, head: Head, scheme: Scheme) -> np.ndarray:
    """Return the mean (channel, z, y, x) by the weights that a case has by its volume."""
    mean = mean_of(ensemble, maps, head)
    if ensemble.small is None:
        return mean
    labels = labels_from(mean, head, scheme)
    if not ensemble.small.cases.outcome(labels, maps.spacing_mm, scheme).is_small:
        return mean
    # in the order of the usual weights, as the members run
    order = sorted(ensemble.members, key=lambda i: -ensemble.weights[i])
    small = weighted(ensemble.small.weights)
    return mean_of(small, maps, head, [i for i in order if i in small.members])


def mean_of(
    ensemble: Ensemble, maps: CaseMaps, head: Head, order: Sequence[int] = ()
) -> np.ndarray:
    """Return the weighted mean (channel, z, y, x) float32 of the members' maps, within the box.

    Members are added in an `order`, by default the falling one of their weights.
    """
    mean = ProbabilityMean(head)
    for i in order or sorted(ensemble.members, key=lambda i: -ensemble.weights[i]):
        probabilities = maps.probabilities[i].astype(np.float32)
        by_channel = [weights[i] for _, weights in ensemble.by_channel]
        mean.add(to_head(probabilities, maps.heads[i], head), ensemble.weights[i], by_channel)
    return mean.value(tuple(side.stop - side.start for side in maps.box))
