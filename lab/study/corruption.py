"""Systematic errors of a segmentation, as data: label maps corrupted in a way that is known.

All label maps are (z, y, x) uint8 in a scheme's values. What is planted here can be looked for
later: an island has an exact number of voxels, touches nothing (26-connected) and lies at a known
distance; a swap invents a label with an exact share; a border moves by a known number of mm. Only
`noise_mm`, which deforms every border at random, is not systematic and no rule's business.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from challenge.box import bounding_box
from challenge.scheme import Scheme
from lab.phantom.fields import Grid, SmoothField
from lab.study.components import (
    EMPTY_BOX,
    Islands,
    Triple,
    components_below,
    distance_from,
    with_islands,
    with_part,
    without_small_components,
)

NOISE_WAVELENGTH_MM = 22.0
MOST_DEVIATIONS = 5  # a smooth field's largest value, hardly ever reached


@dataclass(frozen=True)
class Swap:
    """A label that is not there takes voxels of another, so that relabelling it repairs all.

    It happens where the label's share of all labelled voxels of the reference is below
    `reference_below`; the share of the prediction that it then takes is drawn from `share`.
    """

    label: str  # the label that appears wrongly
    instead_of: str  # what its voxels should be
    share: tuple[float, float]
    reference_below: float
    probability: float = 1.0


@dataclass(frozen=True)
class Shift:
    """The border of a region or label moves out (positive) or in by `mean_mm`, smoothly."""

    region: str
    mean_mm: float
    noise_mm: float = 0.5  # standard deviation along the border


@dataclass(frozen=True)
class Corruption:
    """One cluster's systematic errors, and the unsystematic noise of every prediction."""

    islands: tuple[Islands, ...] = ()
    swaps: tuple[Swap, ...] = ()
    shifts: tuple[Shift, ...] = ()
    noise_mm: float = 0.8  # standard deviation of how far borders stray
    # What noise breaks off a tumour below this size joins its surroundings again.
    least_voxels: int = 30
    # Components of the reference, of all labels together, below this size are predicted exactly.
    intact_below: int = 100


def corrupt(
    reference: np.ndarray,
    corruption: Corruption,
    scheme: Scheme,
    spacing_mm: Triple,
    generator: np.random.Generator,
    room: np.ndarray | None = None,
) -> np.ndarray:
    """Corrupt a reference; returns a prediction, both label maps (z, y, x).

    `room` is a bool mask (z, y, x) that no label leaves; None is everywhere. Noise and borders
    come first, then swaps, then islands, which therefore have exactly the sizes requested. An
    island for which there is no room is left out.
    """
    room = np.ones(reference.shape, bool) if room is None else room
    intact = components_below(reference > 0, corruption.intact_below)
    labels = deform(np.where(intact, 0, reference), corruption.noise_mm, spacing_mm, generator)
    for shift in corruption.shifts:
        labels = with_border_moved(labels, shift, scheme, spacing_mm, generator)
    labels = without_small_components(np.where(room, labels, 0), corruption.least_voxels)
    for swap in corruption.swaps:
        if share_of(reference, swap.label, scheme) < swap.reference_below:
            labels = with_swap(labels, swap, scheme, generator)
    labels = without_small_components(labels, corruption.least_voxels)
    labels[intact] = reference[intact]
    if not corruption.islands:
        return labels
    distance_mm = distance_from(reference > 0, spacing_mm)
    return with_islands(labels, corruption.islands, scheme, room, distance_mm, generator)


def share_of(labels: np.ndarray, label: str, scheme: Scheme) -> float:
    """Return the share that a label takes of all labelled voxels; 0 of an empty map."""
    foreground = int(np.count_nonzero(labels))
    return np.count_nonzero(labels == scheme.labels[label]) / foreground if foreground else 0.0


def smooth_field(
    shape: tuple[int, ...], spacing_mm: Triple, wavelength_mm: float, generator: np.random.Generator
) -> np.ndarray:
    """Return a smooth random field (z, y, x) of about unit standard deviation."""
    z, y, x = shape
    radius_mm = max(n * mm for n, mm in zip(shape, spacing_mm, strict=True)) / 2
    axes = Grid.centred((z, y, x), spacing_mm, (0.0, 0.0, 0.0)).axes()
    return SmoothField(generator, wavelength_mm, radius_mm).on(axes)


def deform(
    labels: np.ndarray, noise_mm: float, spacing_mm: Triple, generator: np.random.Generator
) -> np.ndarray:
    """Return a label map whose voxels strayed smoothly, by `noise_mm` along each axis."""
    margin = 1 + int(np.ceil(MOST_DEVIATIONS * noise_mm / min(spacing_mm)))
    box = bounding_box(labels, margin) or EMPTY_BOX
    part, sources = labels[box], []
    for axis, (side, mm) in enumerate(zip(part.shape, spacing_mm, strict=True)):
        field = smooth_field(part.shape, spacing_mm, NOISE_WAVELENGTH_MM, generator)
        line = np.arange(side).reshape([-1 if axis == i else 1 for i in range(3)])
        source = np.rint(line + field * np.float32(noise_mm / mm)).astype(np.intp)
        sources.append(source.clip(0, max(0, side - 1)))
    labels = labels.copy()
    labels[box] = part[tuple(sources)]
    return labels


def with_border_moved(
    labels: np.ndarray,
    shift: Shift,
    scheme: Scheme,
    spacing_mm: Triple,
    generator: np.random.Generator,
) -> np.ndarray:
    """Move a region's border; voxels won or lost take the nearest label of their new side."""
    region = scheme.mask(labels, shift.region)
    if not region.any() or region.all():
        return labels
    farthest_mm = abs(shift.mean_mm) + MOST_DEVIATIONS * shift.noise_mm
    box = bounding_box(region, 2 + int(np.ceil(farthest_mm / min(spacing_mm)))) or EMPTY_BOX
    part, inside = labels[box], region[box]
    wobble = smooth_field(part.shape, spacing_mm, NOISE_WAVELENGTH_MM, generator)
    to_inside, inner = distance_transform_edt(~inside, sampling=spacing_mm, return_indices=True)
    to_outside, outer = distance_transform_edt(inside, sampling=spacing_mm, return_indices=True)
    # The border runs between voxels, half a voxel from the nearest of either side.
    half = min(spacing_mm) / 2
    depth_mm = np.where(inside, to_outside - half, half - to_inside)
    is_inside = depth_mm + shift.mean_mm + shift.noise_mm * wobble > 0
    moved = np.where(is_inside & ~inside, part[tuple(inner)], part)
    labels = labels.copy()
    labels[box] = np.where(inside & ~is_inside, part[tuple(outer)], moved)
    return labels


def with_swap(
    labels: np.ndarray, swap: Swap, scheme: Scheme, generator: np.random.Generator
) -> np.ndarray:
    """Predict one connected part of a label as another, or leave the map, by chance."""
    happens, share = generator.random() < swap.probability, generator.uniform(*swap.share)
    count = round(share * np.count_nonzero(labels)) if happens else 0
    return with_part(labels, swap.label, swap.instead_of, count, scheme, generator)
