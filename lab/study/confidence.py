"""How sure a simulated network is of a prediction: probabilities, and folds that disagree.

A component is doubtful if it overlaps no voxel of its label in the reference: an island, or the
part that a swap invented. A real network tends to be less sure there, and its folds to disagree;
`doubt` and `agreement` of 1 make a network that knows nothing of its errors.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from challenge.scheme import Scheme
from lab.study.components import Triple
from lab.study.corruption import deform
from postprocess.components import find_components

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
) -> np.ndarray:
    """Return probabilities (channel, z, y, x), float32, whose arg-max is the prediction.

    Channels are background, then the scheme's labels in the order of their values 1, 2, ...
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
    log_odds[:, doubtful_components(prediction, reference) > 0] *= np.float32(confidence.doubt)
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

    A fold without a doubtful component has the reference's labels there.
    """
    doubtful = doubtful_components(prediction, reference)
    certain = np.where(doubtful > 0, reference, prediction)
    folds = []
    for _ in range(confidence.folds):
        agrees = generator.random(1 + int(doubtful.max())) < confidence.agreement
        agrees[0] = False
        fold = deform(certain, confidence.fold_noise_mm, spacing_mm, generator)
        folds.append(np.where(agrees[doubtful], prediction, fold))
    return np.stack(folds)


def _lead(log_odds: np.ndarray, prediction: np.ndarray) -> None:
    """Exchange the highest channel with the predicted one, in place, where they differ."""
    index, top = prediction[None].astype(np.intp), log_odds.argmax(0)[None]
    predicted = np.take_along_axis(log_odds, index, 0)
    highest = np.take_along_axis(log_odds, top, 0)
    np.put_along_axis(log_odds, top, predicted, 0)
    np.put_along_axis(log_odds, index, highest + np.float32(LEAST_MARGIN), 0)
