"""Score what a case becomes when predicted components vanish or change label, without its images.

Post-processing deletes and relabels components of single labels, the atoms of `case_table.py`. A
state is scored by arithmetic, but for HD95, whose distances are measured once for every group of
touching atoms and lesion that it meets. Equal to `lesionwise.score` on the changed images (tests
compare them).
"""

from collections.abc import Mapping

import numpy as np

from lab.metrics.border_tables import nsd
from lab.metrics.component_table import ComponentTable, cached, join_dilation
from lab.metrics.label_components import connected_groups
from lab.metrics.lesions import merged_numbers
from lab.metrics.lesionwise import Matches, ScoredRegion, score_matches
from lab.metrics.pair import Box, joint_box
from lab.metrics.surface_scores import (
    Measured,
    Shell,
    SurfaceScores,
    make_shell,
    measure,
    summarise,
)


def score_variant(table: ComponentTable, values: np.ndarray) -> dict[str, dict[str, float]]:
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
        if row.min_predicted_size is not None:
            divisor = table.pair.voxel_volume_mm3 if table.profile.min_size_is_mm3 else 1
            gone = found <= row.min_predicted_size / divisor
            clusters[name] = np.where(gone[clusters[name]], 0, clusters[name])
            found[gone] = 0
    if table.profile.merge_with:
        merged = merged_numbers(sizes, _contacts(table, clusters), table.profile.merge_with)
        clusters |= {name: numbers[clusters[name]] for name, numbers in merged.items()}
    return {
        name: dict(cached(table, (name, found.tobytes()), _score_region, (name, found)))
        for name, found in clusters.items()
        if table.regions[name].row.reported
    }


def _score_region(table: ComponentTable, name: str, clusters: np.ndarray) -> dict[str, float]:
    region = table.regions[name]
    n = int(clusters.max()) + 1
    members = (clusters[:, None] == np.arange(n)).astype(float)  # exact up to 2^53 voxels
    matched, overlap = (a @ members for a in (region.met, region.overlap))
    matched[:, 0] = overlap[:, 0] = 0
    voxels = table.atoms.voxels @ members
    voxels[0] = 0
    matches = Matches(matched > 0, overlap, voxels, region.lesions.voxels)

    def surface(lesion: int, parts: np.ndarray) -> SurfaceScores:
        atoms = np.flatnonzero(np.isin(clusters, parts))
        if table.candidates is not None:
            return cached(
                table, ("nsd", name, lesion, atoms.tobytes()), _nsd, (name, lesion, atoms)
            )
        return cached(
            table, ("surface", name, lesion, atoms.tobytes()), _surface, (name, lesion, atoms)
        )

    scores = score_matches(matches, region.is_scored, (table.profile, table.penalty_mm), surface)
    if table.candidates is not None:
        del scores["hd95"]
    return scores


def _nsd(table: ComponentTable, name: str, lesion: int, atoms: np.ndarray) -> SurfaceScores:
    if table.candidates is None or name not in table.rims:
        return np.nan, 0.0, 0.0
    inside = np.zeros(table.atoms.voxels.size, bool)
    inside[atoms] = True
    low, high = nsd(table.candidates, table.rims[name], lesion, inside)
    return np.nan, low, high


def _surface(table: ComponentTable, name: str, lesion: int, atoms: np.ndarray) -> SurfaceScores:
    """Score the surface of atoms against a lesion, measured part by part.

    The largest part is measured alone; of the others the lesion only asks where they may be nearer.
    """
    parts = _apart(atoms, table.atoms.touching)
    parts.sort(key=lambda part: -int(table.atoms.voxels[part].sum()))
    main = parts[0].tobytes()
    measured = [
        cached(table, ("measured", name, lesion, main), _measured, (name, lesion, parts[0]))
    ]
    measured += [
        cached(
            table,
            ("measured", name, lesion, part.tobytes(), main),
            _measured,
            (name, lesion, part, measured[0]),
        )
        for part in parts[1:]
    ]
    lesion_shell = cached(table, ("lesion", name, lesion), _lesion_shell, (name, lesion))
    return summarise(measured, lesion_shell)


def _measured(
    table: ComponentTable, name: str, lesion: int, part: np.ndarray, beside: Measured | None = None
) -> Measured:
    ours = cached(table, ("atoms", part.tobytes()), _atoms_shell, (part,))
    theirs = cached(table, ("lesion", name, lesion), _lesion_shell, (name, lesion))
    return measure(ours, theirs, table.profile.nsd, beside)


def _apart(atoms: np.ndarray, touching: np.ndarray) -> list[np.ndarray]:
    """Split atoms into groups that do not touch each other."""
    inside = np.zeros(1 + int(atoms.max()), bool)
    inside[atoms] = True
    groups = connected_groups(inside, touching[(touching < inside.size).all(1)])[atoms]
    return [atoms[groups == group] for group in np.unique(groups)]


def _atoms_shell(table: ComponentTable, part: np.ndarray) -> Shell:
    box: Box | None = None
    for atom in part:
        box = joint_box(box, table.atoms.boxes[atom - 1])
    return _shell(table, np.isin(table.atoms.ids[box], part), box)


def _lesion_shell(table: ComponentTable, name: str, lesion: int) -> Shell:
    region = table.regions[name]
    box = region.boxes[lesion - 1]
    return _shell(table, region.lesions.ids[box] == lesion, box)


def _shell(table: ComponentTable, mask: np.ndarray, box: Box | None) -> Shell:
    assert box is not None  # the mask holds voxels
    corner = [int(side.start) for side in box]
    return make_shell(mask, corner, table.pair.spacing_mm[::-1], table.profile.nsd)


def _clusters(table: ComponentTable, row: ScoredRegion, values: np.ndarray) -> np.ndarray:
    """Number the predicted lesions of a region: (atom,), 0 for atoms outside it."""
    inside = np.isin(values, row.region.values)
    inside[0] = False
    dilation = join_dilation(row)
    groups = connected_groups(inside, table.atoms.joins[dilation])
    # In the order in which a scan meets the dilated groups.
    first = np.full(values.size, np.iinfo(np.int64).max)
    np.minimum.at(first, groups[inside], table.atoms.first[dilation][inside])
    present = np.unique(groups[inside])
    numbers = np.zeros(values.size, int)
    numbers[present[np.argsort(first[present])]] = np.arange(1, present.size + 1)
    return np.where(inside, numbers[groups], 0)


def _contacts(
    table: ComponentTable, clusters: Mapping[str, np.ndarray]
) -> dict[tuple[str, str], set[tuple[int, int]]]:
    """Return the touching pairs of lesion numbers of each tissue and its partners."""
    found = {}
    for name, others in table.profile.merge_with.items():
        for other in others:
            first, second = table.atoms.contacts.T
            pairs = np.stack([clusters[name][first], clusters[other][second]], axis=1)
            pairs = np.unique(pairs[(pairs > 0).all(1)], axis=0)
            found[name, other] = {(int(a), int(b)) for a, b in pairs}
    return found
