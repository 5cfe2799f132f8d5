"""Rules applied to the components of a case instead of its images.

An atom is a 26-connected component of one label as the ensemble predicted it. The rules searched
here remove or relabel whole components of labels or regions, and each of those is a union of atoms
at any stage, so the state of a case is one label value an atom. Equal to `apply_rules` on the image
(a test compares them).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from challenge.scheme import Scheme
from lab.metrics.label_components import connected_groups
from postprocess.rule_base import BACKGROUND, SURROUNDING, Rule
from postprocess.rule_kinds import check_searchable
from postprocess.rules_by_size import RelabelMinor, RemoveSmall


@dataclass(frozen=True)
class CaseComponents:
    """The atoms of one case; arrays by atom, where [0] is the background."""

    values: np.ndarray  # (atom,) uint8 label value
    voxels: np.ndarray  # (atom,) int64, 0 for the background
    touching: np.ndarray  # (n, 2) 26-adjacent atoms
    # (m, 3): a removable atom, a flat voxel at a face of it, and the atom there (0: none).
    beside: np.ndarray
    voxel_volume_mm3: float


def find_parts(
    ids: np.ndarray,
    values: np.ndarray,
    touching: np.ndarray,
    voxel_volume_mm3: float,
    removable_mm3: float,
) -> CaseComponents:
    """Note what the rules ask about atoms.

    Args:
        ids: atom of each voxel (z, y, x), 0 outside; at an edge only where the image has one.
        values: label value (atom,) of each.
        touching: (n, 2) atoms at 26-adjacent voxels, in both orders.
        voxel_volume_mm3: volume of one voxel.
        removable_mm3: no rule removes a piece of this volume or more.
    """
    voxels = np.bincount(ids.ravel(), minlength=values.size)
    voxels[0] = 0
    removable = voxels * voxel_volume_mm3 < removable_mm3
    removable[0] = False
    return CaseComponents(values, voxels, touching, _beside(ids, removable), voxel_volume_mm3)


def values_after(parts: CaseComponents, rules: Sequence[Rule], scheme: Scheme) -> np.ndarray:
    """Return the label value (atom,) of each atom after rules on sizes and shares.

    Where the scheme forbids an empty answer the largest piece of tumour from before comes back.

    Raises:
        RuleError: a rule is of a kind, or has a key, that the search does not know.
    """
    for rule in rules:
        check_searchable(rule)
    values = parts.values.copy()
    for rule in rules:
        if isinstance(rule, RemoveSmall):
            values = removed_small(parts, values, rule, scheme)
    foreground = int(parts.voxels[values > 0].sum())
    for rule in rules:
        if isinstance(rule, RelabelMinor):
            values = relabelled_minor(parts, values, foreground, rule, scheme)
    return never_empty(parts, values, scheme)


def pieces(
    parts: CaseComponents, values: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Group atoms into components of the label values `wanted` (256,) bool.

    Returns:
        The component (atom,) of each atom, 0 outside, and the voxels (component,) of each.
    """
    inside = wanted[values]
    inside[0] = False
    least = connected_groups(inside, parts.touching)
    first = inside & (least == np.arange(values.size))
    numbers = np.where(inside, np.cumsum(first)[least], 0)
    voxels = np.bincount(numbers, weights=parts.voxels, minlength=1).astype(np.int64)
    voxels[0] = 0
    return numbers, voxels


def removed_small(
    parts: CaseComponents, values: np.ndarray, rule: RemoveSmall, scheme: Scheme
) -> np.ndarray:
    """Return the values after one remove-small."""
    numbers, voxels = pieces(parts, values, wanted_by(rule, scheme))
    small = rule.too_small(voxels, parts.voxel_volume_mm3)
    small[0] = False
    gone = np.where(small[numbers], numbers, 0)
    if not gone.any():
        return values
    becomes = _becomes(parts, values, gone, rule, scheme)
    return np.where(gone > 0, becomes[gone], values).astype(np.uint8)


def relabelled_minor(
    parts: CaseComponents, values: np.ndarray, foreground: int, rule: RelabelMinor, scheme: Scheme
) -> np.ndarray:
    """Return the values after one relabel-minor of the whole case; `foreground` in voxels."""
    inside = wanted_by(rule, scheme)[values]
    count = int(parts.voxels[inside].sum())
    if foreground == 0 or not count / foreground < rule.min_share:
        return values
    return np.where(inside, np.uint8(scheme.labels[rule.becomes]), values).astype(np.uint8)


def never_empty(parts: CaseComponents, values: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Bring the largest piece of tumour back, where nothing is left and the scheme forbids that."""
    wanted = np.zeros(256, bool)
    wanted[[scheme.labels[name] for name in scheme.regions[scheme.tumour]]] = True
    if not scheme.when_empty or wanted[values[1:]].any() or not wanted[parts.values[1:]].any():
        return values
    numbers, voxels = pieces(parts, parts.values, wanted)
    return np.where(numbers == 1 + int(voxels[1:].argmax()), parts.values, values).astype(np.uint8)


def wanted_by(rule: Rule, scheme: Scheme) -> np.ndarray:
    """Return which label values (256,) a rule looks at."""
    wanted = np.zeros(256, bool)
    wanted[[scheme.labels[name] for name in rule.names(scheme)]] = True
    return wanted


def _becomes(
    parts: CaseComponents, values: np.ndarray, gone: np.ndarray, rule: RemoveSmall, scheme: Scheme
) -> np.ndarray:
    """Return the value (component,) that each component in `gone` (atom,) takes."""
    n = int(gone.max()) + 1
    if rule.becomes != SURROUNDING:
        value = {BACKGROUND: 0, **scheme.labels}[rule.becomes]
        return np.full(n, value, np.uint8)
    atom, voxel, other = parts.beside.T
    outside = (gone[atom] > 0) & (gone[other] != gone[atom])
    # A voxel in a corner of the piece touches it with several faces, or atoms, and counts once.
    pairs = np.unique(np.stack([gone[atom], voxel, other])[:, outside], axis=1)
    counts = np.zeros((n, 256), np.int64)
    np.add.at(counts, (pairs[0], values[pairs[2]]), 1)
    counts[counts[:, 0] > 0] = 0
    return counts.argmax(1).astype(np.uint8)


def _beside(ids: np.ndarray, removable: np.ndarray) -> np.ndarray:
    """List, for each removable atom, the voxels at its faces that are not its own."""
    flat = np.arange(ids.size, dtype=np.int64).reshape(ids.shape)
    asked, found = removable[ids], []
    for axis in range(ids.ndim):
        first = tuple(slice(None, -1) if i == axis else slice(None) for i in range(ids.ndim))
        second = tuple(slice(1, None) if i == axis else slice(None) for i in range(ids.ndim))
        for own, other in ((first, second), (second, first)):
            at = asked[own] & (ids[own] != ids[other])
            found.append(np.stack([ids[own][at], flat[other][at], ids[other][at]], axis=1))
    return np.unique(np.concatenate(found), axis=0)
