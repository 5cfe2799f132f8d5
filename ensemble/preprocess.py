"""Crop, normalise, resample, and the way back, as nnU-Net 2.8 does.

A case's arrays are (z, y, x); a network's are (channel, ...) in the axes of its plan.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cc3d
import numpy as np
from scipy import special

from challenge.box import Box, bounding_box
from challenge.case import Case, CaseError
from challenge.scheme import Head
from ensemble.normalisation import normalise
from ensemble.plans import Plan
from ensemble.resampling import new_shape, resample

# Of a case on a network's grid, in float32: twenty times the largest MRI at half a millimetre.
MOST_GRID_BYTES = 32 * 2**30


@dataclass(frozen=True)
class NonzeroRegion:
    """Where a case is not zero, in its axes (z, y, x); the same for every network of that order."""

    box: Box  # slices (z, y, x) of the case
    mask: np.ndarray  # bool (z, y, x) of the box: the voxels of a masked normalisation
    case_shape: tuple[int, ...]  # (z, y, x)


@dataclass(frozen=True)
class PreprocessedImages:
    """A case on a network's grid, and what it takes to return to the case's grid."""

    data: np.ndarray  # (channel, ...) float32, on the network's grid, in the plan's axes
    nonzero: NonzeroRegion
    spacing_mm: tuple[float, ...]  # of the case, in the plan's axes


def find_nonzero_region(case: Case, sequences: Sequence[str]) -> NonzeroRegion:
    """Return what nnU-Net calls non-zero: where any sequence is, with holes filled.

    Args:
        case: images (z, y, x).
        sequences: those that are looked at.

    Returns:
        The box around it and its mask inside the box; the whole volume where all is zero.
    """
    mask = case.images[sequences[0]] != 0
    for sequence in sequences[1:]:
        mask |= case.images[sequence] != 0
    box = bounding_box(mask) or (slice(None),) * 3
    # Holes touch no face of the box around the mask: outside of it there is nothing to fill.
    return NonzeroRegion(box, _fill_holes(mask[box]), mask.shape)


def preprocess(
    case: Case, sequences: tuple[str, ...], plan: Plan, nonzero: NonzeroRegion
) -> PreprocessedImages:
    """Bring a case to a network's grid as nnU-Net 2.8's DefaultPreprocessor does.

    Args:
        case: images (z, y, x) in the axis order that the network was trained in.
        sequences: the network's input channels, in its order.
        plan: of the network.
        nonzero: of the case.

    Raises:
        CaseError: see `preprocessed_shape`.
    """
    nonzero = region_of(plan, nonzero)
    spacing_mm = tuple(case.spacing_mm[axis] for axis in plan.transpose)
    grid_mm = plan.grid_mm(spacing_mm)
    mask = nonzero.mask.transpose(plan.transpose)
    shape = preprocessed_shape(case, plan, nonzero)
    data = np.empty((len(sequences), *shape), np.float32)
    for i, sequence in enumerate(sequences):
        image = case.images[sequence][nonzero.box].transpose(plan.transpose)
        # Normalised before resampled: a resampled mask would no longer fit the image.
        image = np.array(image, np.float32, order="C")
        region = mask if plan.inside_mask[i] else None
        if plan.clip and (limits := plan.clip[i]):
            np.clip(image, *limits, out=image)
        image = normalise(plan.normalisation[i], image, region, plan.intensities[i])
        data[i] = resample(image[None], shape, spacing_mm, grid_mm, plan.image_resampling)[0]
    return PreprocessedImages(data, nonzero, spacing_mm)


def region_of(plan: Plan, nonzero: NonzeroRegion) -> NonzeroRegion:
    """Return what a plan leaves of a case: its nonzero region, or all of it."""
    if plan.crops_to_nonzero or nonzero.mask.shape == nonzero.case_shape:
        return nonzero
    mask = np.zeros(nonzero.case_shape, bool)
    mask[nonzero.box] = nonzero.mask
    return NonzeroRegion((slice(None),) * 3, mask, nonzero.case_shape)


def preprocessed_shape(case: Case, plan: Plan, nonzero: NonzeroRegion) -> tuple[int, ...]:
    """Return the size of what `preprocess` would return, in the plan's axes.

    Raises:
        CaseError: at the network's spacing nothing is left of the case, or it takes more memory
            than any machine is taken to have. Either way the file's spacing is wrong.
    """
    spacing_mm = tuple(case.spacing_mm[axis] for axis in plan.transpose)
    grid_mm = plan.grid_mm(spacing_mm)
    cropped = nonzero.mask.shape if plan.crops_to_nonzero else nonzero.case_shape
    shape = tuple(cropped[axis] for axis in plan.transpose)
    if not plan.image_resampling.is_none:
        shape = new_shape(shape, spacing_mm, grid_mm)
    grid_bytes = math.prod(shape) * np.dtype(np.float32).itemsize * len(case.images)
    if min(shape) >= 1 and grid_bytes <= MOST_GRID_BYTES:
        return shape
    sizes = [_listed(cropped), _listed([shape[axis] for axis in plan.transpose_back])]
    network_mm = [grid_mm[axis] for axis in plan.transpose_back]
    what = f"{sizes[0]} voxels of {_listed(case.spacing_mm)} mm come to {sizes[1]}"
    if min(shape) >= 1:
        what += f", {grid_bytes / 2**30:.0f} GiB,"
    raise CaseError(f"{case.source or case.id}: {what} at the network's {_listed(network_mm)} mm")


def _listed(values: Sequence[float]) -> str:
    """Return (z, y, x) in the order of files: x, y, z."""
    return " x ".join(f"{value:g}" for value in reversed(values))


def restore(logits: np.ndarray, images: PreprocessedImages, plan: Plan, head: Head) -> np.ndarray:
    """Turn logits on the network's grid into probabilities (channel, z, y, x) on the case's.

    Outside the box everything is background with certainty.

    Args:
        logits: (channel, ...) float32 on the grid of `images.data`.
        images: what the network ran on.
        plan: of the network.
        head: what the channels mean.
    """
    nonzero = images.nonzero
    shape = tuple(nonzero.mask.shape[axis] for axis in plan.transpose)
    probabilities = np.zeros((len(logits), *nonzero.case_shape), np.float32)
    if head.kind == "softmax":
        probabilities[0] = 1
    within = probabilities[(slice(None), *nonzero.box)]
    # Stock nnU-Net's logits come in half precision; its splines resample them into it again.
    fits_half = max(logits.max(), -logits.min()) <= np.finfo(np.float16).max
    precision = np.float16 if fits_half else np.float32
    how, grid_mm = plan.logit_resampling, plan.grid_mm(images.spacing_mm)
    for channel, channel_logits in zip(within, logits, strict=True):
        rounded = channel_logits.astype(precision) if how.rounds_first else channel_logits
        back = resample(rounded[None], shape, grid_mm, images.spacing_mm, how)[0]
        for plane, values in zip(channel, back.transpose(plan.transpose_back), strict=True):
            plane[:] = values if how.rounds_first else values.astype(precision)
    for z in range(within.shape[1]):  # plane by plane: stays in the cache
        if head.kind == "regions":
            special.expit(within[:, z], out=within[:, z])
        else:
            _softmax(within[:, z])
    return probabilities


def _fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill what cannot be reached from a face through faces of voxels, as scipy does."""
    components = cc3d.connected_components(~mask, connectivity=6)
    outside = np.zeros(int(components.max()) + 1, bool)
    for axis in range(3):
        for end in (0, -1):
            outside[np.unique(components.take(end, axis))] = True
    outside[0] = False  # the mask itself
    return ~outside[components]


def _softmax(logits: np.ndarray) -> None:
    """Turn logits (channel, ...) into probabilities in place."""
    logits -= logits.max(0)
    np.exp(logits, out=logits)
    logits /= logits.sum(0)
