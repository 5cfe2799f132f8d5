"""Crop, normalise, resample, and the way back. Arrays are (channel, ...) in the plan's axes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, special

from challenge.case import Case
from challenge.scheme import Head
from ensemble.plans import Plan, PlansError
from ensemble.resampling import new_shape, resample


@dataclass(frozen=True)
class Prepared:
    """What a network sees of a case, and how to find the way back."""

    data: np.ndarray  # (channel, ...) float32, on the network's grid
    box: tuple[slice, slice, slice]  # where it lies in the case, in the plan's axes
    case_shape: tuple[int, int, int]  # in the plan's axes
    spacing_mm: tuple[float, ...]  # of the case, in the plan's axes


def prepare(case: Case, sequences: tuple[str, ...], plan: Plan) -> Prepared:
    """Bring a case to a network's grid as nnU-Net 2.8's DefaultPreprocessor does."""
    volumes = np.stack([case.images[sequence] for sequence in sequences])
    volumes = volumes.transpose(0, *(axis + 1 for axis in plan.transpose))
    spacing_mm = tuple(case.spacing_mm[axis] for axis in plan.transpose)
    mask = ndimage.binary_fill_holes((volumes != 0).any(0))
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    cropped, inside = volumes[(slice(None), *box)], mask[box]
    # Normalised before resampled: a resampled mask would no longer fit the image.
    data = np.stack([_normalise(c, inside, plan, i) for i, c in enumerate(cropped)])
    shape = new_shape(data.shape[1:], spacing_mm, plan.spacing_mm)
    data = resample(data, shape, spacing_mm, plan.spacing_mm, plan.image_resampling)
    return Prepared(data, box, mask.shape, spacing_mm)


def restore(logits: np.ndarray, prepared: Prepared, plan: Plan, head: Head) -> np.ndarray:
    """Turn logits on the network's grid into probabilities (channel, z, y, x) on the case's own.

    Outside the box everything is background with certainty.
    """
    shape = tuple(side.stop - side.start for side in prepared.box)
    logits = resample(logits, shape, plan.spacing_mm, prepared.spacing_mm, plan.logit_resampling)
    # Stock nnU-Net resamples into the half precision that its logits come in.
    logits = logits.astype(np.float16).astype(np.float32)
    activate = special.expit if head.kind == "regions" else _softmax
    probabilities = np.zeros((len(logits), *prepared.case_shape), np.float32)
    if head.kind == "softmax":
        probabilities[0] = 1
    probabilities[(slice(None), *prepared.box)] = activate(logits)
    return probabilities.transpose(0, *(axis + 1 for axis in plan.transpose_back))


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(0))
    powers /= powers.sum(0)
    return powers


def _normalise(image: np.ndarray, inside: np.ndarray, plan: Plan, channel: int) -> np.ndarray:
    name = plan.normalisation[channel]
    if name not in NORMALISATIONS:
        raise PlansError(
            f"plans.json: normalisation {name!r} is not one of {sorted(NORMALISATIONS)}"
        )
    region = inside if plan.inside_mask[channel] else None
    return NORMALISATIONS[name](image.astype(np.float32), region, plan.intensities[channel])


def _zscore(
    image: np.ndarray, inside: np.ndarray | None, intensities: Mapping[str, float]
) -> np.ndarray:
    if inside is None:
        return (image - image.mean()) / max(image.std(), 1e-8)
    values = image[inside]
    image[inside] = (values - values.mean()) / max(values.std(), 1e-8)
    return image


def _ct(
    image: np.ndarray, inside: np.ndarray | None, intensities: Mapping[str, float]
) -> np.ndarray:
    low, high = intensities["percentile_00_5"], intensities["percentile_99_5"]
    return (np.clip(image, low, high) - intensities["mean"]) / max(intensities["std"], 1e-8)


def _unit_range(
    image: np.ndarray, inside: np.ndarray | None, intensities: Mapping[str, float]
) -> np.ndarray:
    image = image - image.min()
    return image / max(image.max(), 1e-8)


def _unchanged(
    image: np.ndarray, inside: np.ndarray | None, intensities: Mapping[str, float]
) -> np.ndarray:
    return image


Normalisation = Callable[[np.ndarray, np.ndarray | None, Mapping[str, float]], np.ndarray]
NORMALISATIONS: Mapping[str, Normalisation] = {
    "ZScoreNormalization": _zscore,
    "CTNormalization": _ct,
    "RescaleTo01Normalization": _unit_range,
    "NoNormalization": _unchanged,
}
