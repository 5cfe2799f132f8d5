"""What a lesion-wise scorer reads of a case, computed once and small: a few MB instead of volumes.

Every region, lesion and contact of any variant of the prediction is a union of its label
components, so `variant_scores.py` scores a variant by arithmetic on this table.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lab.metrics.border_tables import (
    BorderCandidates,
    BorderTable,
    build_border_table,
    find_border_candidates,
)
from lab.metrics.label_components import (
    LabelComponents,
    Neighbours,
    find_label_components,
    find_neighbours,
)
from lab.metrics.lesions import Lesions, find_lesions, merge_touching
from lab.metrics.lesionwise import LesionRules, Profile, ScoredRegion, lesion_rules, volumes_mm3
from lab.metrics.pair import Pair, crop
from lab.metrics.surface_cells import SurfaceCells, find_surface_cells

Cache = dict[Hashable, Any]  # what was computed once for a set of components


@dataclass(frozen=True)
class RegionTable:
    """A reference region's lesions, and what each label component has of them."""

    row: ScoredRegion
    lesion_voxels: np.ndarray  # (lesion,), [0] is 0
    is_scored: np.ndarray  # (lesion,) bool
    met: np.ndarray  # (lesion, component) bool: the dilated lesion meets the component
    overlap: np.ndarray  # (lesion, component) voxels
    border: BorderTable | None = None  # None where the scorer reports no NSD of the region
    cells: SurfaceCells | None = None  # of the lesions, (x, y, z); None: HD95 is not asked for


@dataclass(frozen=True)
class ComponentTable:
    """One prediction's label components by number, [0] the background, and its reference."""

    rules: LesionRules
    voxel_volume_mm3: float
    values: np.ndarray  # (component,) label value
    voxels: np.ndarray  # (component,), 0 for background
    neighbours: Neighbours
    candidates: BorderCandidates
    regions: Mapping[str, RegionTable]
    spacing_xyz_mm: tuple[float, ...]
    cells: SurfaceCells | None = None  # of the components, (x, y, z); None: no HD95
    cache: Cache = field(default_factory=dict)


def build_component_table(pair: Pair, profile: Profile, hd95: bool = False) -> ComponentTable:
    """Build the table of a pair of uint8 label maps, with what HD95 needs where it is asked for."""
    rules = lesion_rules(pair, profile)
    pair = crop(pair, max(row.dilation for row in profile.regions.values()))
    components = find_label_components(pair.prediction)
    candidates, indices = find_border_candidates(components.ids)
    regions = {}
    for name, lesions in _reference_lesions(pair, profile).items():
        row, border = profile.regions[name], None
        if profile.nsd and row.reported:
            n = lesions.voxels.size
            border = build_border_table(lesions.ids, n, indices, pair.spacing_mm[::-1])
        regions[name] = _region_table(row, lesions, components, volumes_mm3(lesions.voxels, pair))
        cells = find_surface_cells(lesions.ids.T) if hd95 and row.reported else None
        regions[name] = replace(regions[name], border=border, cells=cells)
    dilations = {join_dilation(row) for row in profile.regions.values()}
    return ComponentTable(
        rules=rules,
        voxel_volume_mm3=pair.voxel_volume_mm3,
        values=components.values,
        voxels=components.voxels,
        neighbours=find_neighbours(components, dilations),
        candidates=candidates,
        regions=regions,
        spacing_xyz_mm=pair.spacing_mm[::-1],
        cells=find_surface_cells(components.ids.T) if hd95 else None,
    )


def cached(table: ComponentTable, key: Hashable, make: Callable[..., Any], arguments: Any) -> Any:
    """Return what `make` returns for a key, called at most once a table."""
    if key not in table.cache:
        table.cache[key] = make(table, *arguments)
    return table.cache[key]


def join_dilation(row: ScoredRegion) -> int:
    """Return the dilation that joins predicted components; 0 where the scorer joins none."""
    return 0 if row.min_predicted_size is None else row.dilation


def _reference_lesions(pair: Pair, profile: Profile) -> dict[str, Lesions]:
    references = {
        name: find_lesions(row.region.mask(pair.reference), row.dilation)
        for name, row in profile.regions.items()
    }
    tissues = sorted({n for name, others in profile.merge_with.items() for n in (name, *others)})
    if tissues:
        references |= merge_touching({n: references[n] for n in tissues}, profile.merge_with)
    return references


def _region_table(
    row: ScoredRegion, lesions: Lesions, components: LabelComponents, volumes_mm3: np.ndarray
) -> RegionTable:
    return RegionTable(
        row=row,
        lesion_voxels=lesions.voxels,
        is_scored=volumes_mm3 > row.larger_than_mm3,
        met=_count_pairs(lesions.dilated_ids, lesions.voxels.size, components) > 0,
        overlap=_count_pairs(lesions.ids, lesions.voxels.size, components),
    )


def _count_pairs(lesions: np.ndarray, numbers: int, components: LabelComponents) -> np.ndarray:
    """Count voxels by (lesion, component); lesion 0 stays empty."""
    ids, width = components.ids.ravel(), components.voxels.size
    labelled = np.flatnonzero(ids)
    codes = lesions.ravel()[labelled].astype(np.int64) * width + ids[labelled]
    counts = np.bincount(codes, minlength=numbers * width).reshape(numbers, width)
    counts[0] = 0
    return counts
