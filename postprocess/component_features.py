"""Describe every component of a label or region by the features of `component_feature_table`.

Arrays are (z, y, x). Every feature is finite, in mm where it is a length, and the same whatever the
axis order of the arrays.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from challenge.scheme import probability_of

from .component_feature_table import Per, component_features, sources_of
from .component_images import Head, image_features, place_features
from .component_shapes import Voxels, shape_features, touching_features
from .components import (
    Components,
    SpacingMm,
    as_one,
    border,
    find_components,
    largest_component,
)
from .features import FeatureError
from .refine_input import RefineInput
from .ventricles import FLUID_QUANTILES


@dataclass(frozen=True)
class ComponentRows:
    """The components of a label or region, and a row of features for each."""

    components: Components
    rows: np.ndarray  # (component, feature) float64; row 0 is of component 1


def describe_components(
    refine_input: RefineInput,
    labels: tuple[str, ...],
    names: Iterable[str],
    per: Per = "component",
) -> ComponentRows:
    """Describe the 26-connected components of some labels together, or all of them as one.

    Args:
        refine_input: the case before any rule.
        labels: names; the components are those of their union.
        names: of the features, in the order of the columns.
        per: component, or case: all voxels of the labels count as one component.

    Raises:
        FeatureError: what a feature is made from is missing.
    """
    names, scheme = tuple(names), refine_input.scheme
    values_of = [scheme.labels[label] for label in labels]
    mask = np.isin(refine_input.labels, values_of)
    components = find_components(mask) if per == "component" else as_one(mask)
    sources = sources_of(names, scheme)
    check_sources(refine_input, labels, sources)
    if components.voxels.size == 1:
        return ComponentRows(components, np.empty((0, len(names))))
    voxels, spacing_mm = Voxels.of(components), refine_input.case.spacing_mm
    table = shape_features(components, spacing_mm)
    table |= touching_features(components, refine_input.labels, spacing_mm)
    table["from_main_mm"] = _from_main_mm(refine_input, components)
    if "probability" in sources:
        table |= _probability_features(refine_input, labels, voxels)
    if "votes" in sources:
        table |= _votes_features(refine_input, voxels)
    if "images" in sources:
        head = Head.of(refine_input.case)
        table |= place_features(head, voxels)
        table |= image_features(head, voxels, components)
    if "ventricles" in sources:
        table["from_ventricles_mm"] = _away_mm(refine_input.ventricles, components, spacing_mm)
    return ComponentRows(components, np.stack([table[name] for name in names], axis=1))


def check_sources(
    refine_input: RefineInput, labels: tuple[str, ...], sources: Iterable[str]
) -> None:
    """Raise FeatureError where a case lacks what features are made from."""
    head = refine_input.head
    for source in sorted(sources):
        if source == "votes" and refine_input.votes is None:
            raise FeatureError("no votes of members to describe")
        if source == "probability":
            if refine_input.probabilities is None or head is None:
                raise FeatureError("no probabilities to describe")
            try:
                probability_of(refine_input.probabilities[:, :0], head, labels)
            except ValueError as error:
                raise FeatureError(str(error)) from error
        if source in ("images", "ventricles"):
            _check_images(refine_input, source)


def _check_images(refine_input: RefineInput, source: str) -> None:
    available = refine_input.available_images.keys()
    missing = sorted(set(refine_input.scheme.sequences) - available)
    if source == "images" and missing:
        raise FeatureError(f"no image of sequence {', '.join(missing)}")
    if source == "ventricles" and not FLUID_QUANTILES.keys() & available:
        raise FeatureError(f"no image of any of {', '.join(FLUID_QUANTILES)} for ventricles")


def available_names(refine_input: RefineInput, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the features that a case has all it takes for, in table order."""
    rows = component_features(refine_input.scheme)
    possible = set()
    for source in {row.source for row in rows}:
        try:
            check_sources(refine_input, labels, [source])
        except FeatureError:
            continue
        possible.add(source)
    return tuple(row.name for row in rows if row.source in possible)


def _from_main_mm(refine_input: RefineInput, components: Components) -> np.ndarray:
    """Return how far each component (component,) is from the tumour's largest one.

    0 for parts of it, the diagonal of the volume where there is none.
    """
    scheme, spacing_mm = refine_input.scheme, refine_input.case.spacing_mm
    tumour = scheme.mask(refine_input.labels, scheme.tumour)
    main = largest_component(tumour) if tumour.any() else tumour
    away_mm = _away_mm(main, components, spacing_mm)
    parts = np.unique(components.ids[main])
    away_mm[parts[parts > 0] - 1] = 0
    return away_mm


def _away_mm(mask: np.ndarray, components: Components, spacing_mm: SpacingMm) -> np.ndarray:
    """Return how far each component (component,) is from the nearest voxel of a mask (z, y, x).

    Between centres of voxels at borders; the diagonal of the volume where the mask is empty.
    """
    from scipy.spatial import cKDTree  # takes a fifth of a second to load

    count, mm = components.voxels.size, np.array(spacing_mm)
    if not mask.any():
        return np.full(count - 1, np.linalg.norm(np.array(mask.shape) * mm))
    least = np.full(count, np.inf)
    at = np.argwhere(border(components.ids > 0))
    ids = components.ids[tuple(at.T)]
    away_mm, _ = cKDTree(np.argwhere(border(mask)) * mm).query(at * mm)
    np.minimum.at(least, ids, away_mm)
    return least[1:]


def _probability_features(
    refine_input: RefineInput, labels: tuple[str, ...], voxels: Voxels
) -> dict[str, np.ndarray]:
    assert refine_input.probabilities is not None and refine_input.head is not None
    of_voxels = np.stack([channel[voxels.at] for channel in refine_input.probabilities])
    p = probability_of(of_voxels, refine_input.head, labels).astype(np.float64).clip(0, 1)
    return {
        "probability_mean": voxels.mean(p),
        "probability_peak": voxels.extreme(p, np.maximum),
        "probability_least": voxels.extreme(p, np.minimum),
    }


def _votes_features(refine_input: RefineInput, voxels: Voxels) -> dict[str, np.ndarray]:
    assert refine_input.votes is not None
    votes = refine_input.votes[voxels.at].astype(np.float64).clip(0, 1)
    return {"votes_mean": voxels.mean(votes), "votes_peak": voxels.extreme(votes, np.maximum)}
