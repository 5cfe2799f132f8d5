"""What is known of a case when its rules are chosen, and the feature vector that comes of it."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from challenge.case import Case
from challenge.scheme import Head, Scheme, probability_of

from .evidence_features import (
    Tumour,
    find_tumour,
    mask_features,
    probability_features,
    votes_features,
)
from .feature_names import group_of
from .features import FeatureError, radiomic_features


@dataclass(frozen=True)
class RefineInput:
    """One case before any rule. Beside its labels everything may be missing."""

    case: Case  # `images` is empty where none are at hand
    labels: np.ndarray  # (z, y, x) uint8 in the scheme's values
    scheme: Scheme
    probabilities: np.ndarray | None = None  # (channel, z, y, x) of the ensemble
    head: Head | None = None  # what the channels of `probabilities` mean
    votes: np.ndarray | None = None  # (z, y, x) share of members that see tumour in a voxel


def case_features(
    observed: RefineInput, names: Sequence[str], settings: Mapping[str, Any]
) -> np.ndarray:
    """Describe a case by named features, in the order of the names; float64, all finite.

    Only groups of features that are named are computed, each once.

    Raises:
        FeatureError: there is no tumour to describe, or what a feature is made from is missing.
    """
    groups = {group_of(name) for name in names}
    values: dict[str, float] = {}
    if groups - {"radiomic"}:
        values |= _evidence(observed, groups)
        bad = [name for name in names if not np.isfinite(values.get(name, 0))]
        if bad:
            raise FeatureError(f"{len(bad)} features are not finite, the first is {bad[0]}")
    if "radiomic" in groups:
        radiomic = [name for name in names if group_of(name) == "radiomic"]
        tumour = observed.scheme.mask(observed.labels, observed.scheme.tumour)
        found = radiomic_features(observed.case, tumour, radiomic, settings)
        values |= dict(zip(radiomic, found.tolist(), strict=True))
    return np.array([values[name] for name in names], np.float64)


def _evidence(observed: RefineInput, groups: Set[str]) -> dict[str, float]:
    """Compute the features of these groups, except radiomic ones."""
    tumour = find_tumour(observed.labels, observed.scheme)
    if tumour is None:
        raise FeatureError("the tumour is empty")
    values: dict[str, float] = {}
    if "mask" in groups:
        spacing_mm = observed.case.spacing_mm
        values |= mask_features(observed.labels, tumour, observed.scheme, spacing_mm)
    if "probability" in groups:
        values |= probability_features(_probability_in(observed, tumour), tumour)
    if "votes" in groups:
        if observed.votes is None:
            raise FeatureError("no votes of members to describe")
        values |= votes_features(observed.votes, tumour)
    return values


def _probability_in(observed: RefineInput, tumour: Tumour) -> np.ndarray:
    """Return the probability of tumour on the grid of the tumour's box."""
    if observed.probabilities is None or observed.head is None:
        raise FeatureError("no probabilities to describe")
    names = observed.scheme.regions[observed.scheme.tumour]
    try:
        return probability_of(observed.probabilities[:, *tumour.box], observed.head, names)
    except ValueError as error:
        raise FeatureError(str(error)) from error
