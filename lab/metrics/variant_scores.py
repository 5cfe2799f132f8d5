"""Score what a case becomes when predicted components vanish or change label, without its images.

A variant gives each label component of the prediction a label value, 0 where it is removed, as
post-processing does. Its scores follow by arithmetic from the component table, all but those of
whole masks. HD95 takes a search for nearest surfels and is left out unless the table was built for
it. Equal to `lesionwise.score` on the changed images (tests compare them).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lab.metrics.border_tables import nsd
from lab.metrics.component_table import (
    ComponentTable,
    build_component_table,
    cached,
    join_dilation,
)
from lab.metrics.label_components import connected_groups
from lab.metrics.lesions import merged_numbers
from lab.metrics.lesionwise import Matches, Profile, ScoredRegion, score_matches
from lab.metrics.pair import Pair
from lab.metrics.surface import distances, robust_hausdorff_mm
from lab.metrics.surface_cells import surfels_of
from lab.metrics.surface_scores import SurfaceScores


class VariantScorer(Protocol):
    """Scores one case in any variant of its prediction."""

    def score(self, values: np.ndarray) -> Mapping[str, Mapping[str, float]]:
        """Return region -> metric -> value when component i carries the label values[i]."""


@dataclass(frozen=True)
class TableScorer:
    """The lesion-wise scorers of 2023 to 2025, without whole-mask scores."""

    table: ComponentTable

    def score(self, values: np.ndarray) -> Mapping[str, Mapping[str, float]]:
        """Return region -> metric -> value when component i carries the label values[i]."""
        return score_variant(self.table, values)


def table_scorer(pair: Pair, profile: Profile, hd95: bool = False) -> TableScorer:
    """Return the fast scorer of a pair of uint8 label maps, perhaps with HD95."""
    return TableScorer(build_component_table(pair, profile, hd95))


def score_variant(table: ComponentTable, values: np.ndarray) -> dict[str, dict[str, float]]:
    """Return region -> metric -> value when component i carries the label values[i]; 0 removes."""
    clusters = {
        name: _clusters(table, region.row, values) for name, region in table.regions.items()
    }
    sizes = {name: np.bincount(c, weights=table.voxels).astype(int) for name, c in clusters.items()}
    profile = table.rules.profile
    for name, size in sizes.items():
        size[0] = 0
        row = table.regions[name].row
        if row.min_predicted_size is not None:
            divisor = table.voxel_volume_mm3 if profile.min_size_is_mm3 else 1
            too_small = size <= row.min_predicted_size / divisor
            clusters[name] = np.where(too_small[clusters[name]], 0, clusters[name])
            size[too_small] = 0
    if profile.merge_with:
        merged = merged_numbers(sizes, _contacts(table, clusters), profile.merge_with)
        clusters |= {name: numbers[clusters[name]] for name, numbers in merged.items()}
    return {
        name: dict(cached(table, (name, numbers.tobytes()), _score_region, (name, numbers)))
        for name, numbers in clusters.items()
        if table.regions[name].row.reported
    }


def _score_region(table: ComponentTable, name: str, clusters: np.ndarray) -> dict[str, float]:
    region = table.regions[name]
    n = int(clusters.max()) + 1
    members = (clusters[:, None] == np.arange(n)).astype(float)  # exact up to 2^53 voxels
    matched, overlap = (a @ members for a in (region.met, region.overlap))
    matched[:, 0] = overlap[:, 0] = 0
    voxels = table.voxels @ members
    voxels[0] = 0
    matches = Matches(matched > 0, overlap, voxels, region.lesion_voxels)

    def surface(lesion: int, parts: np.ndarray) -> SurfaceScores:
        inside = np.isin(clusters, parts)
        key = ("surface", name, lesion, inside.tobytes())
        return cached(table, key, _surface_scores, (name, lesion, inside))

    scores = score_matches(matches, region.is_scored, table.rules, surface)
    if table.cells is None:
        del scores["hd95"]
    return scores


def _surface_scores(
    table: ComponentTable, name: str, lesion: int, inside: np.ndarray
) -> SurfaceScores:
    """Score a lesion against the union of components `inside`; HD95 is NaN without its cells."""
    region = table.regions[name]
    low, high = 0.0, 0.0
    if region.border is not None:
        low, high = nsd(table.candidates, region.border, lesion, inside)
    if table.cells is None or region.cells is None:
        return np.nan, low, high
    is_lesion = np.arange(region.lesion_voxels.size) == lesion
    ours = surfels_of(table.cells, inside, table.spacing_xyz_mm)
    theirs = surfels_of(region.cells, is_lesion, table.spacing_xyz_mm)
    between = distances(ours.cells, theirs.cells, table.spacing_xyz_mm)
    return robust_hausdorff_mm(ours, theirs, between), low, high


def _clusters(table: ComponentTable, row: ScoredRegion, values: np.ndarray) -> np.ndarray:
    """Number the predicted lesions of a region: (component,), 0 for components outside it."""
    inside = np.isin(values, row.region.values)
    inside[0] = False
    dilation = join_dilation(row)
    groups = connected_groups(inside, table.neighbours.joins[dilation])
    # In the order in which a scan meets the dilated groups.
    first = np.full(values.size, np.iinfo(np.int64).max)
    np.minimum.at(first, groups[inside], table.neighbours.first[dilation][inside])
    present = np.unique(groups[inside])
    numbers = np.zeros(values.size, int)
    numbers[present[np.argsort(first[present])]] = np.arange(1, present.size + 1)
    return np.where(inside, numbers[groups], 0)


def _contacts(
    table: ComponentTable, clusters: Mapping[str, np.ndarray]
) -> dict[tuple[str, str], set[tuple[int, int]]]:
    """Return the touching pairs of lesion numbers of each tissue and those it merges with."""
    first, second = table.neighbours.contacts.T
    contacts = {}
    for name, others in table.rules.profile.merge_with.items():
        for other in others:
            pairs = np.stack([clusters[name][first], clusters[other][second]], axis=1)
            pairs = np.unique(pairs[(pairs > 0).all(1)], axis=0)
            contacts[name, other] = {(int(a), int(b)) for a, b in pairs}
    return contacts
