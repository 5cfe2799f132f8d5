"""What is known of a case when its rules are chosen, and the feature vector that comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from challenge.case import Case
from challenge.scheme import Head, Scheme

from .features import radiomic_features


@dataclass(frozen=True)
class Observed:
    """One case before any rule. Beside its labels everything may be missing."""

    case: Case  # `images` is empty where none are at hand
    labels: np.ndarray  # (z, y, x) uint8 in the scheme's values
    scheme: Scheme
    probabilities: np.ndarray | None = None  # (channel, z, y, x) of the ensemble
    head: Head | None = None  # what the channels of `probabilities` mean
    votes: np.ndarray | None = None  # (z, y, x) share of members that see tumour in a voxel


def observed_features(
    observed: Observed, names: Sequence[str], settings: Mapping[str, Any]
) -> np.ndarray:
    """Describe a case by named features, in the order of the names; float64, all finite.

    Raises:
        FeatureError: there is no tumour to describe, or what a feature is made from is missing.
    """
    tumour = observed.scheme.mask(observed.labels, observed.scheme.tumour)
    return radiomic_features(observed.case, tumour, names, settings)
