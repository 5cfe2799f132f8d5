"""nnU-Net's normalisation schemes by name, one channel at a time, and one that nnU-Net lacks.

An image is float32 (z, y, x) in the plan's axes; `inside` is the bool mask of the voxels that
nnU-Net calls non-zero, or None where plans.json does not ask for a mask; `intensities` are the
channel's of plans.json. Same values as the classes of nnunetv2 2.8.1's
`default_normalization_schemes`, to the last bit. An image may be changed in place.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from numbers import Real

import numpy as np

from challenge.refusal import Refusal

SMALLEST_STD = 1e-8  # nnU-Net divides by no less, in float32
RGB_HIGHEST = 255
CT_NEEDS = ("mean", "std", "percentile_00_5", "percentile_99_5")
# What plans.json says of a channel, in the unit of the image.
IN_IMAGE_UNIT = ("min", "percentile_00_5", "mean", "median", "percentile_99_5", "max")


class NormalisationError(Refusal):
    """An image has values that its scheme does not take."""


def normalise(
    name: str, image: np.ndarray, inside: np.ndarray | None, intensities: Mapping[str, float]
) -> np.ndarray:
    """Return one channel, normalised by the scheme of that name.

    Raises:
        NormalisationError: RGBTo01Normalization of an image beyond 0 to 255, as in nnU-Net.
    """
    return NORMALISATIONS[name](image, inside, intensities)


def why_not(name: str, intensities: Mapping[str, float]) -> str:
    """Return why a channel of plans.json cannot be normalised by a scheme; "" where it can."""
    if name not in NORMALISATIONS:
        return f"normalisation {name!r} is not one of {sorted(NORMALISATIONS)}"
    if name == "CTNormalization":
        return _why_not_ct(name, intensities)
    if name == "RGBTo01Normalization":
        beyond = {
            key: intensities[key]
            for key in IN_IMAGE_UNIT
            if key in intensities and not 0 <= intensities[key] <= RGB_HIGHEST
        }
        if beyond:
            values = ", ".join(f"{key} {value:g}" for key, value in beyond.items())
            return f"{name} takes 0 to {RGB_HIGHEST}, but the training images had {values}"
    return ""


def _why_not_ct(name: str, intensities: Mapping[str, float]) -> str:
    if lacking := [key for key in CT_NEEDS if key not in intensities]:
        return f"{name} needs {', '.join(lacking)} of the channel's intensities"
    # nnU-Net writes NaN where its training images had no foreground.
    values = {key: intensities[key] for key in CT_NEEDS}
    wrong = [f"{k} {v!r}" for k, v in values.items() if not isinstance(v, Real) or not isfinite(v)]
    return f"{name} needs numbers, but the channel has {', '.join(wrong)}" if wrong else ""


def _zscore(
    image: np.ndarray, inside: np.ndarray | None, intensities: Mapping[str, float]
) -> np.ndarray:
    if inside is None:
        return (image - image.mean()) / max(image.std(), SMALLEST_STD)
    values = image[inside]
    image[inside] = (values - values.mean()) / max(values.std(), SMALLEST_STD)
    return image


def _clipped_zscore(
    image: np.ndarray, inside: np.ndarray | None, intensities: Mapping[str, float]
) -> np.ndarray:
    """Clip to the percentiles 1 and 99 of the non-zero voxels, then mean 0 and deviation 1."""
    within = image != 0 if inside is None else inside
    if within.any():  # what lies outside stays zero
        image[within] = image[within].clip(*np.percentile(image[within], (1, 99)))
    return _zscore(image, inside, intensities)


def _ct(
    image: np.ndarray, inside: np.ndarray | None, intensities: Mapping[str, float]
) -> np.ndarray:
    low, high = intensities["percentile_00_5"], intensities["percentile_99_5"]
    # In the type of the image: plans.json may hold numbers that Python reads as other ones.
    np.clip(image, low, high, out=image)
    image -= intensities["mean"]
    image /= max(intensities["std"], SMALLEST_STD)
    return image


def _unit_range(
    image: np.ndarray, inside: np.ndarray | None, intensities: Mapping[str, float]
) -> np.ndarray:
    image -= image.min()
    image /= max(image.max(), SMALLEST_STD)
    return image


def _rgb(
    image: np.ndarray, inside: np.ndarray | None, intensities: Mapping[str, float]
) -> np.ndarray:
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > RGB_HIGHEST:
        raise NormalisationError(
            f"RGBTo01Normalization takes 0 to {RGB_HIGHEST}, the image has {low:g} to {high:g}"
        )
    image /= 255.0
    return image


def _unchanged(
    image: np.ndarray, inside: np.ndarray | None, intensities: Mapping[str, float]
) -> np.ndarray:
    return image


Normalisation = Callable[[np.ndarray, np.ndarray | None, Mapping[str, float]], np.ndarray]
NORMALISATIONS: Mapping[str, Normalisation] = {
    "ZScoreNormalization": _zscore,
    "ClippedZScoreNormalization": _clipped_zscore,  # lab/training/normalisation.py
    "CTNormalization": _ct,
    "RescaleTo01Normalization": _unit_range,
    "RGBTo01Normalization": _rgb,
    "NoNormalization": _unchanged,
}
