"""Small label maps full of components, with probabilities and votes."""

import numpy as np
from scipy import ndimage

from challenge.scheme import SCHEMES
from postprocess.rule_base import EnsembleMaps

GLI = SCHEMES["brats-gli"]
NAMES = list(GLI.labels)
SHAPE = (12, 13, 14)


def random_map(seed: int) -> np.ndarray:
    """Return components of every label: some inside others, some alone, with gaps between."""
    noise = np.random.default_rng(seed).normal(size=(7, *SHAPE))
    smooth = ndimage.gaussian_filter(noise, (0, 0.9, 0.9, 0.9))
    return (smooth.argmax(0) % 5).astype(np.uint8)


def random_maps(seed: int, dtype: type = np.float32) -> EnsembleMaps:
    """Return probabilities of 17 values and votes of five members: many are at a threshold."""
    rng = np.random.default_rng(seed)
    of_labels = rng.integers(0, 17, (len(NAMES), *SHAPE))
    votes = (rng.integers(0, 6, SHAPE) / 5).astype(dtype)

    def probability(of: tuple[str, ...]) -> np.ndarray:
        return (of_labels[[NAMES.index(name) for name in of]].mean(0).round() / 32).astype(dtype)

    return EnsembleMaps(probability, votes)
