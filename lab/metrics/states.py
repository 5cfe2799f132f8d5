"""Score what a case becomes when predicted components vanish or change label, without its images.

Post-processing deletes and relabels components of single labels. Such a component is an atom: every
region, lesion and contact of any state of the case is a union of atoms. One table a case, built
once, holds what the lesion-wise scorers of 2023 to 2025 ask about atoms; a state is then scored by
arithmetic, but for surface distances, which are measured once for every group of touching atoms and
lesion that it meets. Equal to `lesionwise.score` on the changed images (a test compares them).
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.ndimage import find_objects
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lab.metrics.atoms import Atoms, cut_into_atoms
from lab.metrics.lesions import Lesions, find_lesions, merge_touching, merged_numbers
from lab.metrics.lesionwise import (
    Matches,
    Profile,
    ScoredRegion,
    score_matches,
    volumes_mm3,
)
from lab.metrics.pair import Box, Pair, crop, joint_box
from lab.metrics.shells import Measured, Shell, SurfaceScores, make_shell, measure, summarise

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
class CaseTable:
    """One prediction cut into atoms, and its reference."""

    pair: Pair
    profile: Profile
    penalty_mm: float
    atoms: Atoms
    regions: Mapping[str, RegionTable]
    cache: Cache = field(default_factory=dict)


def build_table(pair: Pair, profile: Profile) -> CaseTable:
    """Cut a prediction into atoms and note what the scorer will ask; label maps must be uint8."""
    penalty_mm = profile.penalty_mm if profile.penalty_mm is not None else pair.diagonal_voxels
    pair = crop(pair, max(row.dilation for row in profile.regions.values()))
    atoms = cut_into_atoms(pair.prediction, {_joined_by(row) for row in profile.regions.values()})
    regions = _region_tables(pair, profile, atoms)
    return CaseTable(pair, profile, penalty_mm, atoms, regions)


def score_state(table: CaseTable, values: np.ndarray) -> dict[str, dict[str, float]]:
    """Return region -> metric -> value when atom i carries the label values[i]; 0 removes it."""
    clusters = {
        name: _clusters(table, region.row, values) for name, region in table.regions.items()
    }
    sizes = {
        name: np.bincount(c, weights=table.atoms.voxels).astype(int) for name, c in clusters.items()
    }
    for name, found in sizes.items():
        found[0] = 0
        row = table.regions[name].row
        if row.floor is not None:
            divisor = table.pair.voxel_volume_mm3 if table.profile.floor_is_mm3 else 1
            gone = found <= row.floor / divisor
            clusters[name] = np.where(gone[clusters[name]], 0, clusters[name])
            found[gone] = 0
    if table.profile.partners:
        merged = merged_numbers(sizes, _contacts(table, clusters), table.profile.partners)
        clusters |= {name: numbers[clusters[name]] for name, numbers in merged.items()}
    return {
        name: dict(_once(table, (name, found.tobytes()), _score_region, (name, found)))
        for name, found in clusters.items()
        if table.regions[name].row.reported
    }


def _score_region(table: CaseTable, name: str, clusters: np.ndarray) -> dict[str, float]:
    region = table.regions[name]
    n = int(clusters.max()) + 1
    members = coo_array(
        (np.ones(clusters.size, int), (np.arange(clusters.size), clusters)), (clusters.size, n)
    ).tocsr()
    matched, overlap = (np.asarray(a @ members) for a in (region.met.astype(int), region.overlap))
    matched[:, 0] = overlap[:, 0] = 0
    voxels = table.atoms.voxels @ members
    voxels[0] = 0
    matches = Matches(matched > 0, overlap, voxels, region.lesions.voxels)

    def surface(lesion: int, parts: np.ndarray) -> SurfaceScores:
        atoms = np.flatnonzero(np.isin(clusters, parts))
        return _once(
            table, ("surface", name, lesion, atoms.tobytes()), _surface, (name, lesion, atoms)
        )

    return score_matches(matches, region.is_scored, (table.profile, table.penalty_mm), surface)


def _once(table: CaseTable, key: Hashable, make: Callable[..., Any], arguments: Any) -> Any:
    """Return what `make` gives for a key, made at most once a table."""
    if key not in table.cache:
        table.cache[key] = make(table, *arguments)
    return table.cache[key]


def _surface(table: CaseTable, name: str, lesion: int, atoms: np.ndarray) -> SurfaceScores:
    """Score the surface of atoms against a lesion, measured part by part.

    The largest part is measured alone; of the others the lesion only asks where they may be nearer.
    """
    parts = _apart(atoms, table.atoms.touching)
    parts.sort(key=lambda part: -int(table.atoms.voxels[part].sum()))
    main = parts[0].tobytes()
    measured = [_once(table, ("measured", name, lesion, main), _measured, (name, lesion, parts[0]))]
    measured += [
        _once(
            table,
            ("measured", name, lesion, part.tobytes(), main),
            _measured,
            (name, lesion, part, measured[0]),
        )
        for part in parts[1:]
    ]
    lesion_shell = _once(table, ("lesion", name, lesion), _lesion_shell, (name, lesion))
    return summarise(measured, lesion_shell)


def _measured(
    table: CaseTable, name: str, lesion: int, part: np.ndarray, beside: Measured | None = None
) -> Measured:
    ours = _once(table, ("atoms", part.tobytes()), _atoms_shell, (part,))
    theirs = _once(table, ("lesion", name, lesion), _lesion_shell, (name, lesion))
    return measure(ours, theirs, table.profile.nsd, beside)


def _apart(atoms: np.ndarray, touching: np.ndarray) -> list[np.ndarray]:
    """Split atoms into groups that do not touch each other."""
    inside = touching[np.isin(touching, atoms).all(1)]
    places = np.searchsorted(atoms, inside)
    graph = coo_array((np.ones(len(places)), (places[:, 0], places[:, 1])), (atoms.size,) * 2)
    n, groups = connected_components(graph, directed=False)
    return [atoms[groups == group] for group in range(n)]


def _atoms_shell(table: CaseTable, part: np.ndarray) -> Shell:
    box: Box | None = None
    for atom in part:
        box = joint_box(box, table.atoms.boxes[atom - 1])
    return _shell(table, np.isin(table.atoms.ids[box], part), box)


def _lesion_shell(table: CaseTable, name: str, lesion: int) -> Shell:
    region = table.regions[name]
    box = region.boxes[lesion - 1]
    return _shell(table, region.lesions.ids[box] == lesion, box)


def _shell(table: CaseTable, mask: np.ndarray, box: Box | None) -> Shell:
    assert box is not None  # the mask holds voxels
    corner = [int(side.start) for side in box]
    return make_shell(mask, corner, table.pair.spacing_mm[::-1], table.profile.nsd)


def _joined_by(row: ScoredRegion) -> int:
    """Return the dilation that joins predicted pieces; 0 where the scorer joins none."""
    return 0 if row.floor is None else row.dilation


def _clusters(table: CaseTable, row: ScoredRegion, values: np.ndarray) -> np.ndarray:
    """Number the predicted lesions of a region: (atom,), 0 for atoms outside it."""
    inside = np.isin(values, row.region.values)
    inside[0] = False
    dilation = _joined_by(row)
    edges = table.atoms.joins[dilation]
    edges = edges[inside[edges].all(1)]
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (values.size,) * 2)
    _, groups = connected_components(graph, directed=False)
    # In the order in which a scan meets the dilated groups.
    first = np.full(values.size, np.iinfo(np.int64).max)
    np.minimum.at(first, groups[inside], table.atoms.first[dilation][inside])
    present = np.unique(groups[inside])
    numbers = np.zeros(values.size, int)
    numbers[present[np.argsort(first[present])]] = np.arange(1, present.size + 1)
    return np.where(inside, numbers[groups], 0)


def _contacts(
    table: CaseTable, clusters: Mapping[str, np.ndarray]
) -> dict[tuple[str, str], set[tuple[int, int]]]:
    """Return the touching pairs of lesion numbers of each tissue and its partners."""
    found = {}
    for name, others in table.profile.partners.items():
        for other in others:
            first, second = table.atoms.contacts.T
            pairs = np.stack([clusters[name][first], clusters[other][second]], axis=1)
            pairs = np.unique(pairs[(pairs > 0).all(1)], axis=0)
            found[name, other] = {(int(a), int(b)) for a, b in pairs}
    return found


def _region_tables(pair: Pair, profile: Profile, atoms: Atoms) -> dict[str, RegionTable]:
    references = {
        name: find_lesions(row.region.mask(pair.reference), row.dilation)
        for name, row in profile.regions.items()
    }
    tissues = sorted({n for name, others in profile.partners.items() for n in (name, *others)})
    if tissues:
        references |= merge_touching({n: references[n] for n in tissues}, profile.partners)
    places = np.flatnonzero(atoms.ids)
    at = (places, atoms.ids.ravel()[places].astype(np.int64))
    return {
        name: RegionTable(
            row=profile.regions[name],
            lesions=lesions,
            boxes=tuple(find_objects(lesions.ids)),
            is_scored=volumes_mm3(lesions.voxels, pair) > profile.regions[name].larger_than_mm3,
            met=_count_pairs(lesions.reach, at, (lesions.voxels.size, atoms.voxels.size)) > 0,
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
