"""What to predict when no tumour is left, where a challenge punishes an empty prediction.

`Scheme.when_empty` names the steps to try, in order; the first that gives a voxel decides. A map
that holds a tumour is never touched.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from challenge.scheme import Scheme

from .components import largest_component

BALL_RADIUS_MM = 5.0
BEFORE_RULES = "before-rules"


@dataclass(frozen=True)
class Evidence:
    """What is known of a tumour that the rules, or the 0.5 threshold, left nothing of."""

    labels: np.ndarray  # (z, y, x) before any rule
    probability: np.ndarray | None  # (z, y, x) of the tumour region, if it is known
    spacing_mm: tuple[float, float, float]


def restore_tumour(
    labels: np.ndarray, evidence: Evidence, scheme: Scheme
) -> tuple[np.ndarray, str | None]:
    """Give a label map (z, y, x) without tumour the best one there is evidence of.

    Voxels take the label they had before the rules, or, where that was no tumour label, the
    first label of the scheme's tumour region.

    Returns:
        The labels, and the name of the step that gave a tumour; None where nothing was done, or
        where nothing could be: only the labels before the rules are evidence without probability.

    Raises:
        ValueError: the scheme names a step that does not exist.
    """
    unknown = [name for name in scheme.when_empty if name not in STEPS]
    if unknown:
        raise ValueError(f"{scheme.name}: unknown steps {unknown} in when_empty")
    if not scheme.when_empty or scheme.mask(labels, scheme.tumour).any():
        return labels, None
    tumour_before = scheme.mask(evidence.labels, scheme.tumour)
    for name in scheme.when_empty:
        tumour = _tumour_by(name, tumour_before, evidence)
        if tumour.any():
            first = scheme.labels[scheme.regions[scheme.tumour][0]]
            restored = np.where(tumour & tumour_before, evidence.labels, np.uint8(first))
            return np.where(tumour, restored, labels).astype(np.uint8), name
    return labels, None


def _tumour_by(name: str, tumour_before: np.ndarray, evidence: Evidence) -> np.ndarray:
    """Return the tumour (z, y, x) that one step gives; empty where its evidence is missing."""
    if name == BEFORE_RULES:  # the component of the most probability, or of the most voxels
        return largest_component(tumour_before, evidence.probability)
    if evidence.probability is None:
        return np.zeros(tumour_before.shape, bool)
    return FROM_PROBABILITY[name](evidence.probability, evidence.spacing_mm)


def _half_of_maximum(probability: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Return the component above half of the highest probability that holds the most of it.

    Empty where the probability has no maximum: zero, or nowhere below that half.
    """
    maximum = probability.max()
    above = probability >= maximum / 2
    if maximum <= 0 or above.all():
        return np.zeros(above.shape, bool)
    return largest_component(above, probability)


def _ball_at_maximum(probability: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Return a small ball at the most probable voxel, of several the one nearest their centre."""
    peaks = probability == probability.max()
    middle = tuple(float(np.nonzero(peaks)[axis].mean()) for axis in range(3))
    from_middle = np.where(peaks, _squared_mm(peaks.shape, middle, spacing_mm), np.inf)
    centre = np.unravel_index(int(from_middle.argmin()), peaks.shape)
    return _squared_mm(peaks.shape, centre, spacing_mm) <= BALL_RADIUS_MM**2


def _squared_mm(
    shape: tuple[int, ...], centre: Sequence[float | np.intp], spacing_mm: Sequence[float]
) -> np.ndarray:
    """Return the squared distance in mm of every voxel (z, y, x) from a voxel position."""
    axes = [(np.arange(n) - at) * mm for n, at, mm in zip(shape, centre, spacing_mm, strict=True)]
    z, y, x = np.ix_(*axes)
    return z**2 + y**2 + x**2


FROM_PROBABILITY: Mapping[str, Callable[[np.ndarray, Sequence[float]], np.ndarray]] = {
    "half-of-maximum": _half_of_maximum,
    "ball-at-maximum": _ball_at_maximum,
}
STEPS = (BEFORE_RULES, *FROM_PROBABILITY)
