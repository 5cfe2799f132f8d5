"""What is known of a case when its rules are chosen, and the feature vector that comes of it."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from challenge.case import Case
from challenge.input_values import input_numbers
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
from .rule_base import Probability
from .ventricles import find_ventricles


@dataclass(frozen=True)
class RefineInput:
    """One case before any rule. Beside its labels everything may be missing."""

    case: Case  # `images` is empty where none are at hand
    labels: np.ndarray  # (z, y, x) uint8 in the scheme's values
    scheme: Scheme
    probabilities: np.ndarray | None = None  # (channel, z, y, x) of the ensemble
    head: Head | None = None  # what the channels of `probabilities` mean
    votes: np.ndarray | None = None  # (z, y, x) share of members that see tumour in a voxel

    @property
    def available_images(self) -> dict[str, np.ndarray]:
        """Return the images of the case that are scans, by sequence."""
        missing = self.case.missing_sequences
        return {name: image for name, image in self.case.images.items() if name not in missing}

    @cached_property
    def ventricles(self) -> np.ndarray:
        """Return the ventricles as a mask (z, y, x), outside all labels; empty if none are seen."""
        return find_ventricles(self.available_images, self.case.spacing_mm, self.labels > 0)


def case_features(
    refine_input: RefineInput, names: Sequence[str], settings: Mapping[str, Any]
) -> np.ndarray:
    """Describe a case by named features, in the order of the names; float64, all finite.

    Only groups of features that are named are computed, each once.

    Raises:
        FeatureError: there is no tumour to describe, or what a feature is made from is missing.
    """
    groups = {group_of(name) for name in names}
    values: dict[str, float] = {}
    if groups - {"radiomic"}:
        values |= _evidence(refine_input, groups)
        bad = [name for name in names if not np.isfinite(values.get(name, 0))]
        if bad:
            raise FeatureError(f"{len(bad)} features are not finite, the first is {bad[0]}")
    if "radiomic" in groups:
        radiomic = [name for name in names if group_of(name) == "radiomic"]
        tumour = refine_input.scheme.mask(refine_input.labels, refine_input.scheme.tumour)
        vector = radiomic_features(refine_input.case, tumour, radiomic, settings)
        values |= dict(zip(radiomic, vector.tolist(), strict=True))
    return np.array([values[name] for name in names], np.float64)


def probability_function(refine_input: RefineInput) -> Probability | None:
    """Return a function that gives the probability of labels; None where only labels are known."""
    if refine_input.probabilities is None or refine_input.head is None:
        return None
    return partial(probability_of, refine_input.probabilities, refine_input.head)


def _evidence(refine_input: RefineInput, groups: Set[str]) -> dict[str, float]:
    """Compute the features of these groups, except radiomic ones."""
    tumour = find_tumour(refine_input.labels, refine_input.scheme)
    if tumour is None:
        raise FeatureError("the tumour is empty")
    values: dict[str, float] = {}
    if "mask" in groups:
        spacing_mm = refine_input.case.spacing_mm
        values |= mask_features(refine_input.labels, tumour, refine_input.scheme, spacing_mm)
    if "probability" in groups:
        values |= probability_features(_probability_in(refine_input, tumour), tumour)
    if "votes" in groups:
        if refine_input.votes is None:
            raise FeatureError("no votes of members to describe")
        values |= votes_features(refine_input.votes, tumour)
    if "input" in groups:
        numbers = input_numbers(refine_input.case.values, refine_input.scheme)
        values |= {f"input_{name}": value for name, value in numbers.items()}
    return values


def _probability_in(refine_input: RefineInput, tumour: Tumour) -> np.ndarray:
    """Return the probability of tumour on the grid of the tumour's box."""
    if refine_input.probabilities is None or refine_input.head is None:
        raise FeatureError("no probabilities to describe")
    names = refine_input.scheme.regions[refine_input.scheme.tumour]
    try:
        return probability_of(refine_input.probabilities[:, *tumour.box], refine_input.head, names)
    except ValueError as error:
        raise FeatureError(str(error)) from error
