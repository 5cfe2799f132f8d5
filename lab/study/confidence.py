"""How sure a simulated network is of a prediction: probabilities, and folds that disagree.

A component is doubtful if it overlaps no voxel of its label in the reference: an island, or the
part that a swap invented. A real network tends to be less sure there, and its folds to disagree;
`doubt` and `agreement` of 1 make a network that knows nothing of its errors. It may also be unsure
of large true components, nearly see what it misses, and nearly see what is not there.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr

from challenge.scheme import Scheme
from lab.study.components import Islands, Triple, distance_from, with_islands
from lab.study.corruption import deform, smooth_field
from postprocess.components import find_components

PATCHES_MM = 10.0  # wavelength of doubt along a border
LEAST_MARGIN = 0.01  # log-odds by which the predicted label leads, so that arg-max is exact


@dataclass(frozen=True)
class Confidence:
    """How a prediction turns into probabilities and into folds."""

    temperature: float = 0.13  # higher is less sure everywhere
    noise: float = 0.3  # standard deviation, in log-odds
    blur_voxels: float = 0.9  # how far a border reaches
    doubt: float = 0.5  # factor on the log-odds of doubtful components
    folds: int = 3
    fold_noise_mm: float = 0.5
    agreement: float = 0.6  # chance that a fold predicts a doubtful component
    timid: float = 1.0  # factor on the log-odds of true components of `timid_voxels`
    timid_voxels: tuple[int, int] = (0, 0)  # fewest and most
    # Probability of the reference's label where no label is predicted; None: as for background.
    missed: float | None = None
    ghosts: tuple[Islands, ...] = ()  # that have this probability too, where nothing is
    # Least and highest probability, in random patches, of a label in the voxels beside it that are
    # predicted otherwise; None: what the blurred border gives, which smooths the prediction.
    beside: tuple[float, float] | None = None


def doubtful_components(prediction: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Number the components of the prediction that share no voxel with their reference label.

    Both are label maps (z, y, x); returns int64 (z, y, x): 0 elsewhere, then 1, 2, ...
    """
    numbers = np.zeros(prediction.shape, np.int64)
    for value in np.unique(prediction[prediction > 0]):
        components = find_components(prediction == value)
        overlaps = np.zeros(components.voxels.size, bool)
        overlaps[components.ids[reference == value]] = True
        table = np.cumsum(~overlaps[1:]) * ~overlaps[1:]
        table = np.concatenate([[0], np.where(table > 0, table + numbers.max(), 0)])
        numbers += table[components.ids]
    return numbers


def pseudo_probabilities(
    prediction: np.ndarray,
    reference: np.ndarray,
    confidence: Confidence,
    scheme: Scheme,
    generator: np.random.Generator,
    spacing_mm: Triple = (1.0, 1.0, 1.0),
) -> np.ndarray:
    """Return probabilities (channel, z, y, x), float32, whose arg-max is the prediction.

    Channels are background, then the scheme's labels in the order of their values 1, 2, ... The
    spacing is that of the distances of ghosts.
    """
    channels = 1 + len(scheme.labels)
    blurred = [
        gaussian_filter((prediction == c).astype(np.float32), confidence.blur_voxels, truncate=3)
        for c in range(channels)
    ]
    log_odds = np.stack(blurred) / np.float32(confidence.temperature)
    log_odds += np.float32(confidence.noise) * generator.standard_normal(
        log_odds.shape, dtype=np.float32
    )
    doubtful = doubtful_components(prediction, reference) > 0
    log_odds[:, doubtful] *= np.float32(confidence.doubt)
    if confidence.timid != 1:
        timid = _components_of(prediction, confidence.timid_voxels) & ~doubtful
        log_odds[:, timid] *= np.float32(confidence.timid)
    if confidence.missed is not None:
        shadow = np.where(prediction == 0, reference, 0).astype(np.uint8)
        free, distance_mm = prediction == 0, distance_from(reference > 0, spacing_mm)
        shadow = with_islands(shadow, confidence.ghosts, scheme, free, distance_mm, generator)
        _see_nearly(log_odds, np.where(prediction == 0, shadow, 0), confidence.missed)
    if confidence.beside is not None:
        patches = ndtr(smooth_field(prediction.shape, spacing_mm, PATCHES_MM, generator))
        low, high = confidence.beside
        _doubt_borders(log_odds, prediction, low + (high - low) * patches)
    _lead(log_odds, prediction)
    odds = np.exp(log_odds - log_odds.max(0))
    return odds / odds.sum(0)


def pseudo_folds(
    prediction: np.ndarray,
    reference: np.ndarray,
    confidence: Confidence,
    spacing_mm: Triple,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return label maps (fold, z, y, x) uint8 that agree less on doubtful components.

    A fold without a doubtful component has the reference's labels there. Borders of whatever a
    fold predicts stray alike, so that they do not tell what is false.
    """
    doubtful = doubtful_components(prediction, reference)
    folds = []
    for _ in range(confidence.folds):
        agrees = generator.random(1 + int(doubtful.max())) < confidence.agreement
        agrees[0] = True
        fold = np.where(agrees[doubtful], prediction, reference)
        folds.append(deform(fold, confidence.fold_noise_mm, spacing_mm, generator))
    return np.stack(folds)


def _components_of(labels: np.ndarray, voxels: tuple[int, int]) -> np.ndarray:
    """Return the components of any label (z, y, x) that have so many voxels."""
    selected = np.zeros(labels.shape, bool)
    for value in np.unique(labels[labels > 0]):
        components = find_components(labels == value)
        low, high = voxels
        selected |= components.where((components.voxels >= low) & (components.voxels <= high))
    return selected


def _see_nearly(log_odds: np.ndarray, shadow: np.ndarray, probability: float) -> None:
    """Give the labels of a shadow (z, y, x) a probability, in place; the rest is background."""
    inside = shadow > 0
    rest = np.float32(np.log(0.01))
    noise = log_odds[0][inside] * np.float32(0.02)
    log_odds[:, inside] = rest
    log_odds[0][inside] = np.float32(np.log(1 - probability))
    at = np.nonzero(inside)
    log_odds[(shadow[at], *at)] = np.float32(np.log(probability)) + noise


def labels_beside(labels: np.ndarray) -> np.ndarray:
    """Return the label (z, y, x) of a face neighbour that differs from the voxel's; 0 for none.

    Of several it is the highest value.
    """
    beside, padded = np.zeros_like(labels), np.pad(labels, 1)
    for axis in range(labels.ndim):
        for step in (-1, 1):
            neighbours = np.roll(padded, step, axis)[(slice(1, -1),) * labels.ndim]
            beside = np.maximum(beside, np.where(neighbours == labels, 0, neighbours))
    return beside


def _doubt_borders(log_odds: np.ndarray, prediction: np.ndarray, probability: np.ndarray) -> None:
    """Give voxels beside another label a probability (z, y, x) of it, in place; the rest leads."""
    beside = labels_beside(prediction)
    at = np.nonzero(beside)
    log_odds[:, beside > 0] = np.float32(np.log(0.01))
    log_odds[(prediction[at], *at)] = np.log(1 - probability[at])
    log_odds[(beside[at], *at)] = np.log(probability[at])


def _lead(log_odds: np.ndarray, prediction: np.ndarray) -> None:
    """Exchange the highest channel with the predicted one, in place, where they differ."""
    index, top = prediction[None].astype(np.intp), log_odds.argmax(0)[None]
    predicted = np.take_along_axis(log_odds, index, 0)
    highest = np.take_along_axis(log_odds, top, 0)
    np.put_along_axis(log_odds, top, predicted, 0)
    np.put_along_axis(log_odds, index, highest + np.float32(LEAST_MARGIN), 0)
