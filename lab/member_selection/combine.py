"""Ways to bring candidates together, as data, and the labels that each gives a case."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK

from challenge.scheme import Head, Scheme, labels_from, probability_of
from postprocess.empty_prediction import Evidence, restore_tumour

# Half precision tells nothing below; its logarithm would outvote every other member.
FLOOR = 1e-4


@dataclass(frozen=True)
class System:
    """Candidates with weights, one for each or one for each and channel, and how they are mixed.

    `bias` multiplies the odds of everything that is not background: above 1 volumes grow. `below`
    is another system for cases in which all candidates alike see less tumour than so many mm3.
    """

    how: str  # of MIXES
    weights: tuple[tuple[float, ...], ...]  # (candidate, 1 or channel)
    bias: float = 1.0
    below: "tuple[float, System] | None" = None

    @property
    def chosen(self) -> tuple[int, ...]:
        """Return which candidates have any weight."""
        return tuple(i for i, row in enumerate(self.weights) if any(row))


def equal(candidates: int, how: str = "probability") -> System:
    """Return the system in which all count alike."""
    return System(how, ((1.0,),) * candidates)


def weighted(weights: Iterable[float], how: str = "probability") -> System:
    """Return the system of one weight a candidate."""
    return System(how, tuple((float(weight),) for weight in weights))


def labels_of(
    system: System, maps: np.ndarray, head: Head, scheme: Scheme, spacing_mm: tuple[float, ...]
) -> np.ndarray:
    """Return the labels (z, y, x) that a system gives a case, as the container would write them.

    Args:
        system: what to apply.
        maps: (candidate, channel, z, y, x) probabilities in the common head, of any float type.
        head: what channels mean.
        scheme: whose label values are returned.
        spacing_mm: (z, y, x).
    """
    if system.below:
        limit_mm3, other = system.below
        if volume_mm3(maps, head, scheme, spacing_mm) < limit_mm3:
            return labels_of(other, maps, head, scheme, spacing_mm)
    weights = np.array(_wide(system.weights, maps.shape[1]), np.float32)
    mixed = MIXES[system.how](maps, weights, head.kind == "softmax")
    if system.bias != 1.0:
        mixed = _biased(mixed, head, system.bias)
    labels = labels_from(mixed, head, scheme)
    if scheme.when_empty:
        z, y, x = spacing_mm
        tumour = probability_of(mixed, head, scheme.regions[scheme.tumour])
        labels, _ = restore_tumour(labels, Evidence(labels, tumour, (z, y, x)), scheme)
    return labels


def volume_mm3(
    maps: np.ndarray, head: Head, scheme: Scheme, spacing_mm: tuple[float, ...]
) -> float:
    """Return how much tumour all candidates alike see in a case."""
    mixed = _mean(maps, np.ones((len(maps), maps.shape[1]), np.float32), lambda own: own)
    tumour = scheme.mask(labels_from(mixed, head, scheme), scheme.tumour)
    return float(tumour.sum() * np.prod(spacing_mm))


def _wide(weights: Sequence[Sequence[float]], channels: int) -> list[tuple[float, ...]]:
    return [tuple(row) * channels if len(row) == 1 else tuple(row) for row in weights]


def _probability(maps: np.ndarray, weights: np.ndarray, exclusive: bool) -> np.ndarray:
    return _mean(maps, weights, lambda own: own)


def _logit(maps: np.ndarray, weights: np.ndarray, exclusive: bool) -> np.ndarray:
    """Mean of log-odds, or of log-probabilities where channels exclude each other."""

    def logit(own: np.ndarray) -> np.ndarray:
        clipped = own.clip(FLOOR, 1 - FLOOR)
        return np.asarray(np.log(clipped) if exclusive else np.log(clipped / (1 - clipped)))

    mixed = _mean(maps, weights, logit)
    if exclusive:
        mixed = np.exp(mixed - mixed.max(0))
        return np.asarray(mixed / mixed.sum(0))
    return np.asarray(1 / (1 + np.exp(-mixed)))


def _majority(maps: np.ndarray, weights: np.ndarray, exclusive: bool) -> np.ndarray:
    """Share of votes: each candidate's own decision, the most probable channel or above half."""
    return _mean(maps, weights, lambda own: _decided(own, exclusive))


def _staple(maps: np.ndarray, weights: np.ndarray, exclusive: bool) -> np.ndarray:
    """STAPLE (Warfield et al. 2004) of each channel's masks, by SimpleITK; weights choose only."""
    votes = [_decided(own, exclusive) for own, row in zip(maps, weights, strict=True) if row.any()]
    found = np.zeros(maps.shape[1:], np.float32)
    for channel in range(int(exclusive), maps.shape[1]):
        masks = [own[channel].astype(np.uint8) for own in votes]
        if any(mask.any() for mask in masks):
            images = [SimpleITK.GetImageFromArray(mask) for mask in masks]
            found[channel] = SimpleITK.GetArrayFromImage(SimpleITK.STAPLE(images, 1.0))
    if exclusive:
        found[0] = 1 - found[1:].max(0)
    return found


def _mean(
    maps: np.ndarray, weights: np.ndarray, of: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return the weighted mean (channel, z, y, x) of what each candidate's map turns into."""
    mixed = np.zeros(maps.shape[1:], np.float32)
    for own, row in zip(maps, weights / weights.sum(0), strict=True):
        if row.any():
            mixed += of(own.astype(np.float32)) * row[:, None, None, None]
    return mixed


def _decided(own: np.ndarray, exclusive: bool) -> np.ndarray:
    if not exclusive:
        return np.asarray(own > 0.5, np.float32)
    channels = np.arange(len(own))[:, None, None, None]
    return np.asarray(own.argmax(0) == channels, np.float32)


def _biased(mixed: np.ndarray, head: Head, bias: float) -> np.ndarray:
    if head.kind == "softmax":
        scaled = mixed.copy()
        scaled[1:] *= np.float32(bias)
        return np.asarray(scaled / scaled.sum(0))
    return np.asarray(mixed * bias / (1 - mixed + mixed * bias))


MIXES: Mapping[str, Callable[[np.ndarray, np.ndarray, bool], np.ndarray]] = {
    "probability": _probability,
    "logit": _logit,
    "majority": _majority,
    "staple": _staple,
}
