"""A case cut into atoms, and everything that a lesion-wise scorer asks about them, noted once.

A component of a single label is an atom: every region, lesion and contact of any state of the case
is a union of atoms. What `states.py` makes of it is arithmetic.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.ndimage import find_objects

from lab.metrics.border_tables import (
    BorderCandidates,
    BorderTable,
    build_border_table,
    find_border_candidates,
)
from lab.metrics.label_components import LabelComponents, find_label_components
from lab.metrics.lesions import Lesions, find_lesions, merge_touching
from lab.metrics.lesionwise import Profile, ScoredRegion, volumes_mm3
from lab.metrics.pair import Box, Pair, crop

Cache = dict[Hashable, Any]  # what was computed once for a set of atoms


@dataclass(frozen=True)
class RegionTable:
    """A reference region's lesions, and what each atom has of them."""

    row: ScoredRegion
    lesions: Lesions
    boxes: tuple[Box | None, ...]
    is_scored: np.ndarray  # (lesion,) bool
    met: np.ndarray  # (lesion, atom) bool: the dilated lesion meets the atom
    overlap: np.ndarray  # (lesion, atom) voxels


@dataclass(frozen=True)
class ComponentTable:
    """One prediction cut into atoms, and its reference."""

    pair: Pair
    profile: Profile
    penalty_mm: float
    atoms: LabelComponents
    regions: Mapping[str, RegionTable]
    # Where HD95 is left out: border voxels instead of all volumes, a few MB a case.
    candidates: BorderCandidates | None = None
    rims: Mapping[str, BorderTable] = field(default_factory=dict)
    cache: Cache = field(default_factory=dict)


def build_component_table(pair: Pair, profile: Profile, hd95: bool = True) -> ComponentTable:
    """Cut a prediction into atoms and note what the scorer will ask; label maps must be uint8.

    Without `hd95` states have all other scores, many times faster, and no volume is kept.
    """
    penalty_mm = profile.penalty_mm if profile.penalty_mm is not None else pair.diagonal_voxels
    pair = crop(pair, max(row.dilation for row in profile.regions.values()))
    atoms = find_label_components(
        pair.prediction, {join_dilation(row) for row in profile.regions.values()}
    )
    regions = _region_tables(pair, profile, atoms)
    table = ComponentTable(pair, profile, penalty_mm, atoms, regions)
    return table if hd95 else _with_rims(table)


def _with_rims(table: ComponentTable) -> ComponentTable:
    """Return a table with border voxels in the place of everything of the image's size."""
    candidates = find_border_candidates(table.atoms.ids)
    nothing = np.empty((0, 0, 0), np.uint8)
    rims, regions = {}, {}
    for name, region in table.regions.items():
        if region.row.reported and table.profile.nsd:
            n = region.lesions.voxels.size
            spacing = table.pair.spacing_mm[::-1]
            rims[name] = build_border_table(region.lesions.ids, n, candidates, spacing)
        lesions = replace(region.lesions, ids=nothing, dilated_ids=nothing)
        regions[name] = replace(region, lesions=lesions, boxes=())
    candidates = replace(candidates, places=np.empty((0, 3), np.int16))
    return replace(
        table,
        pair=replace(table.pair, prediction=nothing, reference=nothing),
        atoms=replace(table.atoms, ids=nothing, boxes=()),
        regions=regions,
        candidates=candidates,
        rims=rims,
    )


def cached(table: ComponentTable, key: Hashable, make: Callable[..., Any], arguments: Any) -> Any:
    """Return what `make` gives for a key, made at most once a table."""
    if key not in table.cache:
        table.cache[key] = make(table, *arguments)
    return table.cache[key]


def join_dilation(row: ScoredRegion) -> int:
    """Return the dilation that joins predicted pieces; 0 where the scorer joins none."""
    return 0 if row.min_predicted_size is None else row.dilation


def _region_tables(pair: Pair, profile: Profile, atoms: LabelComponents) -> dict[str, RegionTable]:
    references = {
        name: find_lesions(row.region.mask(pair.reference), row.dilation)
        for name, row in profile.regions.items()
    }
    tissues = sorted({n for name, others in profile.merge_with.items() for n in (name, *others)})
    if tissues:
        references |= merge_touching({n: references[n] for n in tissues}, profile.merge_with)
    places = np.flatnonzero(atoms.ids)
    at = (places, atoms.ids.ravel()[places].astype(np.int64))
    return {
        name: RegionTable(
            row=profile.regions[name],
            lesions=lesions,
            boxes=tuple(find_objects(lesions.ids)),
            is_scored=volumes_mm3(lesions.voxels, pair) > profile.regions[name].larger_than_mm3,
            met=_count_pairs(lesions.dilated_ids, at, (lesions.voxels.size, atoms.voxels.size)) > 0,
            overlap=_count_pairs(lesions.ids, at, (lesions.voxels.size, atoms.voxels.size)),
        )
        for name, lesions in references.items()
    }


def _count_pairs(
    lesions: np.ndarray, at: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]
) -> np.ndarray:
    """Count voxels by (lesion, atom); `at` are the flat places of atoms and what lies there."""
    places, atoms = at
    codes = lesions.ravel()[places].astype(np.int64) * shape[1] + atoms
    counts = np.bincount(codes, minlength=shape[0] * shape[1]).reshape(shape)
    counts[0] = 0
    return counts
