"""Crop, normalise, resample, and the way back. Arrays are (channel, ...) in the plan's axes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cc3d
import numpy as np
from scipy import special

from challenge.case import Case, CaseError
from challenge.scheme import Head
from ensemble.normalisation import normalise
from ensemble.plans import Plan
from ensemble.resampling import new_shape, resample

# Of a case on a network's grid, in float32: twenty times the largest MRI at half a millimetre.
MOST_GRID_BYTES = 32 * 2**30


@dataclass(frozen=True)
class Inside:
    """Where a case is not zero, in its own axes (z, y, x); the same for every network."""

    box: tuple[slice, slice, slice]
    mask: np.ndarray  # bool, of the box: what normalisation over non-zero voxels sees
    case_shape: tuple[int, ...]


@dataclass(frozen=True)
class Prepared:
    """What a network sees of a case, and how to find the way back."""

    data: np.ndarray  # (channel, ...) float32, on the network's grid
    inside: Inside
    spacing_mm: tuple[float, ...]  # of the case, in the plan's axes


def find_inside(case: Case, sequences: Sequence[str]) -> Inside:
    """Find what nnU-Net calls non-zero: any sequence, holes filled; all where all is zero."""
    mask = case.images[sequences[0]] != 0
    for sequence in sequences[1:]:
        mask |= case.images[sequence] != 0
    box = _bounds(mask)
    # Holes touch no face of the box around the mask: outside of it there is nothing to fill.
    return Inside(box, _fill_holes(mask[box]), mask.shape)


def prepare(case: Case, sequences: tuple[str, ...], plan: Plan, inside: Inside) -> Prepared:
    """Bring a case to a network's grid as nnU-Net 2.8's DefaultPreprocessor does."""
    spacing_mm = tuple(case.spacing_mm[axis] for axis in plan.transpose)
    mask = inside.mask.transpose(plan.transpose)
    shape = prepared_shape(case, plan, inside)
    data = np.empty((len(sequences), *shape), np.float32)
    for i, sequence in enumerate(sequences):
        image = case.images[sequence][inside.box].transpose(plan.transpose)
        # Normalised before resampled: a resampled mask would no longer fit the image.
        image = np.array(image, np.float32, order="C")
        region = mask if plan.inside_mask[i] else None
        image = normalise(plan.normalisation[i], image, region, plan.intensities[i])
        data[i] = resample(image[None], shape, spacing_mm, plan.spacing_mm, plan.image_resampling)[
            0
        ]
    return Prepared(data, inside, spacing_mm)


def prepared_shape(case: Case, plan: Plan, inside: Inside) -> tuple[int, ...]:
    """Return the size of what `prepare` would make, in the plan's axes.

    Raises:
        CaseError: at the network's spacing nothing is left of the case, or it takes more memory
            than any machine is taken to have. Either way the file's spacing is wrong.
    """
    spacing_mm = tuple(case.spacing_mm[axis] for axis in plan.transpose)
    shape = new_shape(
        [inside.mask.shape[axis] for axis in plan.transpose], spacing_mm, plan.spacing_mm
    )
    grid_bytes = math.prod(shape) * np.dtype(np.float32).itemsize * len(case.images)
    if min(shape) >= 1 and grid_bytes <= MOST_GRID_BYTES:
        return shape
    sizes = [_listed(inside.mask.shape), _listed([shape[axis] for axis in plan.transpose_back])]
    network_mm = [plan.spacing_mm[axis] for axis in plan.transpose_back]
    what = f"{sizes[0]} voxels of {_listed(case.spacing_mm)} mm come to {sizes[1]}"
    if min(shape) >= 1:
        what += f", {grid_bytes / 2**30:.0f} GiB,"
    raise CaseError(f"{case.source or case.id}: {what} at the network's {_listed(network_mm)} mm")


def _listed(values: Sequence[float]) -> str:
    """Return (z, y, x) as files list it: x, y, z."""
    return " x ".join(f"{value:g}" for value in reversed(values))


def restore(logits: np.ndarray, prepared: Prepared, plan: Plan, head: Head) -> np.ndarray:
    """Turn logits on the network's grid into probabilities (channel, z, y, x) on the case's own.

    Outside the box everything is background with certainty.
    """
    inside = prepared.inside
    shape = tuple(inside.mask.shape[axis] for axis in plan.transpose)
    probabilities = np.zeros((len(logits), *inside.case_shape), np.float32)
    if head.kind == "softmax":
        probabilities[0] = 1
    within = probabilities[(slice(None), *inside.box)]
    for channel, own in zip(within, logits, strict=True):
        back = resample(
            own[None], shape, plan.spacing_mm, prepared.spacing_mm, plan.logit_resampling
        )[0]
        # Stock nnU-Net resamples into the half precision that its logits come in.
        channel[:] = back.astype(np.float16).transpose(plan.transpose_back)
    if head.kind == "regions":
        special.expit(within, out=within)
    else:
        _softmax(within)
    return probabilities


def _bounds(mask: np.ndarray) -> tuple[slice, slice, slice]:
    """Return the box around a mask, everything where it is empty."""
    sides = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        filled = np.flatnonzero(mask.any(others))
        sides.append(slice(int(filled[0]), int(filled[-1]) + 1) if filled.size else slice(None))
    return sides[0], sides[1], sides[2]


def _fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill what cannot be reached from a face through faces of voxels, as scipy does."""
    pieces = cc3d.connected_components(~mask, connectivity=6)
    outside = np.zeros(int(pieces.max()) + 1, bool)
    for axis in range(3):
        for end in (0, -1):
            outside[np.unique(pieces.take(end, axis))] = True
    outside[0] = False  # the mask itself
    return ~outside[pieces]


def _softmax(logits: np.ndarray) -> None:
    """Turn logits (channel, ...) into probabilities in place."""
    logits -= logits.max(0)
    np.exp(logits, out=logits)
    logits /= logits.sum(0)
