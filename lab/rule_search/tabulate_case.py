"""One case of a search, tabulated: what a configuration asks of its label components."""

import math
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np

from challenge.scheme import Scheme
from lab.metrics.label_components import LabelComponents, find_label_components
from lab.metrics.pair import Pair, crop, crop_box
from lab.metrics.scorer import Scorer
from lab.metrics.variant_scorers import variant_scorer
from lab.metrics.voxel import confusion
from lab.rule_search.case_components import (
    CaseComponents,
    Names,
    highest_of,
    tabulate_components,
)
from lab.rule_search.close_pairs import find_close_pairs
from lab.rule_search.component_rules import RemovalLimits, removable_components
from lab.rule_search.config import LOWERING, SearchConfig
from lab.rule_search.lost_lesions import find_lesions
from lab.rule_search.low_thresholds import keep_for_thresholds
from lab.rule_search.search_case import SearchCase
from lab.rule_search.search_space import searched_masks, threshold_regions
from lab.rule_search.sparing import spares_of
from lab.rule_search.written_scorer import WrittenScorer, unwritten_values, without
from postprocess.rule_base import ONLY_LABELS, EnsembleMaps


def make_search_case(
    id: str,
    pair: Pair,
    scheme: Scheme,
    config: SearchConfig,
    scorer: Scorer,
    maps: EnsembleMaps = ONLY_LABELS,
) -> SearchCase:
    """Prepare a pair of label maps in the scheme's values, with what networks say of it.

    Args:
        id: of the case.
        pair: prediction and reference.
        scheme: the challenge.
        config: what is searched.
        scorer: how variants are scored.
        maps: probabilities and votes.
    """
    make = partial(_tabulate_case, id, scheme, config, scorer)
    case = make(pair, maps)
    if maps.probability is None or not set(LOWERING) & set(config.rule_types):
        return case
    lowest = min(config.thresholds[1:], default=1.0)
    tabulate = keep_for_thresholds(pair, maps, lowest, scheme, make, case)
    return replace(case, tabulate=tabulate)


def _tabulate_case(
    id: str,
    scheme: Scheme,
    config: SearchConfig,
    scorer: Scorer,
    pair: Pair,
    maps: EnsembleMaps,
) -> SearchCase:
    cropped, unwritten = crop(pair, 1), unwritten_values(scheme)
    labelled = find_label_components(cropped.prediction)
    components = label_components_of(labelled, pair, scheme, config, maps)
    reference = without(pair.reference, unwritten)
    scored = WrittenScorer(variant_scorer(scorer, replace(pair, reference=reference)), unwritten)
    confused = confusion(pair, list(scheme.labels.values()))
    lesions = find_lesions(cropped.reference, labelled.ids, scheme)
    return SearchCase(id, components, scored, confused, lesions)


def label_components_of(
    labelled: LabelComponents,
    pair: Pair,
    scheme: Scheme,
    config: SearchConfig,
    maps: EnsembleMaps,
) -> CaseComponents:
    """Tabulate what the rules of a configuration ask about the label components of a pair."""
    voxel_mm3, box = float(np.prod(pair.spacing_mm)), crop_box(pair, 1)
    ids, n, spares = labelled.ids, labelled.values.size, spares_of(config.grids)
    peaks, sums = dict[Names, np.ndarray](), dict[Names, np.ndarray]()
    if maps.probability is not None and spares & {"peak", "mean"}:
        for names in {
            *searched_masks(scheme, config).values(),
            *threshold_regions(scheme, config).values(),
        }:
            with suppress(ValueError):  # a head of regions cannot tell every set of labels
                of_names = maps.probability(names)[box]
                peaks[names] = highest_of(ids, of_names, n)
                if "mean" in spares:
                    sums[names] = np.bincount(ids.ravel(), of_names.ravel(), minlength=n)
    limits = removal_limits(config, voxel_mm3)
    components = tabulate_components(
        ids,
        labelled.values,
        labelled.touching,
        voxel_mm3,
        removable_components(labelled, voxel_mm3, limits, peaks, scheme),
        peaks,
    )
    farthest_mm = farthest_distance_mm(config)
    votes = maps.votes if "votes" in spares else None
    return replace(
        components,
        sums=sums,
        votes=highest_of(ids, votes[box], n) if votes is not None else None,
        close_pairs=find_close_pairs(ids, farthest_mm, pair.spacing_mm) if farthest_mm else None,
    )


def removal_limits(config: SearchConfig, voxel_mm3: float) -> RemovalLimits:
    """Return the highest thresholds that a configuration tries."""
    if spares_of(config.grids) - {"peak"}:
        return RemovalLimits(math.inf)
    pairs = np.array(config.grids.get("size or peak", [(0.0, 0.0)]))
    peaks = [*config.grids.get("peak", ()), pairs[:, 1].max()]
    largest = max(*config.sizes, pairs[:, 0].max())
    return RemovalLimits(largest * (voxel_mm3 if config.unit == "voxels" else 1.0), max(peaks))


def farthest_distance_mm(config: SearchConfig) -> float:
    """Return the largest distance that a configuration tries; 0 where it tries none."""
    far = {"distance", "distance to"}
    grids = [grid for rule_type, grid in config.grids.items() if spares_of([rule_type]) & far]
    points = [point for grid in grids for point in grid]
    return max((p[1] if isinstance(p, tuple) else p for p in points), default=0.0)
