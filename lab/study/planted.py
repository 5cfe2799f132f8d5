"""Cohorts in which the best post-processing is known, because it was planted.

Each planted cluster has its own kind of tumour, which radiomic features can tell apart, and its own
systematic errors, which its own rules repair. Cases are small (48 voxels a side of 2 mm), so
thousands are cheap. Case `i` of a seed is the same bit for bit however many cases are made. Arrays
are (z, y, x).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from challenge.case import Case
from challenge.scheme import SCHEMES, Scheme
from lab.phantom.fields import Grid, ellipsoid, full
from lab.study.components import (
    Islands,
    distance_from,
    with_islands,
    with_part,
    without_small_components,
)
from lab.study.confidence import Confidence, pseudo_folds, pseudo_probabilities
from lab.study.corruption import Corruption, corrupt, smooth_field
from lab.study.planted_images import CHANNEL, Look, mri_images
from postprocess.components import find_components

SHAPE = (48, 48, 48)
SPACING_MM = (2.0, 2.0, 2.0)
HEAD_SHARE = 0.46  # of the field of view: half axis of the head


@dataclass(frozen=True)
class Nodule:
    """A connected part of one label inside another, by its share of all labelled voxels."""

    label: str
    inside: str
    share: tuple[float, float]
    probability: float = 1.0


@dataclass(frozen=True)
class Tumour:
    """One kind of tumour; ranges are drawn from uniformly."""

    radius_mm: tuple[float, float]
    # Labels from outside to inside, each from a depth in mm below the radius (negative: beyond).
    layers: tuple[tuple[str, float], ...]
    roughness: float  # of the border, relative to the radius
    stretch: float  # largest log ratio of an axis to the mean
    nodules: tuple[Nodule, ...] = ()
    satellites: tuple[Islands, ...] = ()  # components beside it, placed as islands are
    # Share of satellites that are no tumour: images and prediction show them as they do the others.
    false_share: float = 0.0
    least_voxels: int = 60  # of any component but satellites


@dataclass(frozen=True)
class PlantedCluster:
    """One kind of tumour, its corruption, and the rules that are best for it."""

    name: str
    tumour: Tumour
    look: Look
    corruption: Corruption
    # label -> minimum sizes in voxels (`<` removes) from one above the largest island to the least
    # true component that can be; all of them are equally good.
    best_voxels: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    # (label, becomes) -> shares between which a cut-off repairs every swap and nothing else.
    best_share: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    confidence: Confidence = field(default_factory=Confidence)


@dataclass(frozen=True)
class PlantedCohort:
    """What each case is made from; case i belongs to cluster i modulo their number."""

    clusters: tuple[PlantedCluster, ...]
    seed: int
    shape: tuple[int, int, int] = SHAPE  # (z, y, x)
    scheme: Scheme = SCHEMES["brats-gli"]


@dataclass(frozen=True)
class PlantedCase:
    """One case with all that is known about it; label maps uint8 (z, y, x)."""

    case: Case
    prediction: np.ndarray
    reference: np.ndarray
    probabilities: np.ndarray  # (channel, z, y, x) float32; arg-max is the prediction
    folds: np.ndarray  # (fold, z, y, x) uint8
    cluster: int


def planted_cohort(
    n_cases: int,
    clusters: Sequence[PlantedCluster],
    seed: int,
    shape: tuple[int, int, int] = SHAPE,
    scheme: Scheme = SCHEMES["brats-gli"],
) -> Iterator[PlantedCase]:
    """Return the cases of a cohort, each made when its turn comes.

    Raises:
        ValueError: a cluster has a label that the scheme lacks, or the scheme has other
            sequences than the BraTS ones.
    """
    check_scheme(clusters, scheme)
    cohort = PlantedCohort(tuple(clusters), seed, shape, scheme)
    return (planted_case(number, cohort) for number in range(n_cases))


def planted_case(number: int, cohort: PlantedCohort) -> PlantedCase:
    """Make one case of a cohort."""
    kind = number % len(cohort.clusters)
    cluster, scheme = cohort.clusters[kind], cohort.scheme
    generator = np.random.default_rng([cohort.seed, number])
    head_mm = head_depth(cohort.shape)
    visible, reference = tumour_labels(cluster.tumour, head_mm, scheme, generator)
    images = mri_images(visible, head_mm, cluster.look, scheme, SPACING_MM, generator)
    prediction = corrupt(visible, cluster.corruption, scheme, SPACING_MM, generator, head_mm > 0)
    pair = (prediction, reference)
    return PlantedCase(
        Case(f"planted-{number:05d}", images, SPACING_MM),
        *pair,
        pseudo_probabilities(*pair, cluster.confidence, scheme, generator, SPACING_MM),
        pseudo_folds(*pair, cluster.confidence, SPACING_MM, generator),
        kind,
    )


def check_scheme(clusters: Sequence[PlantedCluster], scheme: Scheme) -> None:
    """Raise ValueError where a cluster cannot be planted in a scheme."""
    unknown = [sequence for sequence in scheme.sequences if sequence not in CHANNEL]
    if unknown:
        raise ValueError(f"{scheme.name}: no signals for sequence {unknown[0]!r}")
    for cluster in clusters:
        for label in _labels_of(cluster):
            if label not in scheme.labels:
                raise ValueError(f"cluster {cluster.name}: {scheme.name} has no label {label!r}")


def head_depth(shape: tuple[int, int, int]) -> np.ndarray:
    """Return the depth in mm (z, y, x) below the surface of the head; negative outside."""
    radii = tuple(HEAD_SHARE * n * mm for n, mm in zip(shape, SPACING_MM, strict=True))
    points = full(Grid.centred(shape, SPACING_MM, (0.0, 0.0, 0.0)).axes())
    return ellipsoid(points, (0.0, 0.0, 0.0), radii)


def tumour_labels(
    tumour: Tumour, head_mm: np.ndarray, scheme: Scheme, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one tumour; two label maps (z, y, x) inside the head: what is seen, and the reference.

    They differ by satellites that are no tumour.
    """
    depth_mm = _tumour_depth(tumour, head_mm.shape, generator)
    labels = np.zeros(head_mm.shape, np.uint8)
    for name, from_mm in tumour.layers:
        labels[(depth_mm > from_mm) & (head_mm > 2)] = scheme.labels[name]
    labels = without_small_components(labels, tumour.least_voxels)
    for nodule in tumour.nodules:
        happens, share = generator.random() < nodule.probability, generator.uniform(*nodule.share)
        count = round(share * np.count_nonzero(labels)) if happens else 0
        labels = with_part(labels, nodule.label, nodule.inside, count, scheme, generator)
    labels = without_small_components(labels, tumour.least_voxels)
    if not tumour.satellites:
        return labels, labels
    distance_mm = distance_from(labels > 0, SPACING_MM)
    room = head_mm > 2
    visible = with_islands(labels, tumour.satellites, scheme, room, distance_mm, generator)
    if not tumour.false_share:
        return visible, visible
    satellites = find_components((visible > 0) & (labels == 0))
    is_false = generator.random(satellites.voxels.size) < tumour.false_share
    return visible, np.where(satellites.where(is_false), 0, visible)


def _labels_of(cluster: PlantedCluster) -> Iterator[str]:
    yield from (name for name, _ in cluster.tumour.layers)
    for nodule in cluster.tumour.nodules:
        yield from (nodule.label, nodule.inside)
    yield from (i.label for i in (*cluster.tumour.satellites, *cluster.corruption.islands))
    for swap in cluster.corruption.swaps:
        yield from (swap.label, swap.instead_of)


def _tumour_depth(
    tumour: Tumour, shape: tuple[int, ...], generator: np.random.Generator
) -> np.ndarray:
    """Return the depth in mm below the tumour's radius, somewhere in the head."""
    axes = Grid.centred((shape[0], shape[1], shape[2]), SPACING_MM, (0.0, 0.0, 0.0)).axes()
    radius = np.float32(generator.uniform(*tumour.radius_mm))
    direction = generator.standard_normal(3)
    direction *= generator.uniform(0.15, 0.4) / np.linalg.norm(direction)
    centre = direction * [HEAD_SHARE * n * mm for n, mm in zip(shape, SPACING_MM, strict=True)]
    factors = np.exp(generator.uniform(-tumour.stretch, tumour.stretch, 3))
    factors /= factors.prod() ** (1 / 3)
    distance = np.sqrt(
        sum(
            ((a - np.float32(c)) * np.float32(f)) ** 2
            for a, c, f in zip(axes, centre, factors, strict=True)
        )
    )
    coarse, fine = (smooth_field(shape, SPACING_MM, mm, generator) for mm in (26.0, 12.0))
    rough = np.float32(tumour.roughness) * (coarse + np.float32(0.4) * fine)
    return radius * (1 + rough) - distance
