"""Rules applied to the label components of a case instead of its images.

A label component is a 26-connected component of one label as the ensemble predicted it. The rules
searched here remove or relabel whole components of labels or regions, each of which is a union of
label components at any stage, so a variant of a case is one label value a label component. Equal
to `apply_rules` on the image (a test compares them).
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
    """The label components of one case; arrays by their number, where [0] is the background."""

    values: np.ndarray  # (component,) uint8 label value as predicted
    voxels: np.ndarray  # (component,) int64, 0 for the background
    touching: np.ndarray  # (n, 2) 26-adjacent components
    # (m, 3): a removable component, a flat voxel at a face of it, and the component there (0: none)
    face_neighbours: np.ndarray
    voxel_volume_mm3: float


def tabulate_components(
    ids: np.ndarray,
    values: np.ndarray,
    touching: np.ndarray,
    voxel_volume_mm3: float,
    removable_mm3: float,
) -> CaseComponents:
    """Collect what the rules ask about label components.

    Args:
        ids: label component of each voxel (z, y, x), 0 outside; at an edge only where the image
            has one.
        values: label value (component,) of each.
        touching: (n, 2) components at 26-adjacent voxels, in both orders.
        voxel_volume_mm3: volume of one voxel.
        removable_mm3: no rule removes a component of this volume or more.
    """
    voxels = np.bincount(ids.ravel(), minlength=values.size)
    voxels[0] = 0
    removable = voxels * voxel_volume_mm3 < removable_mm3
    removable[0] = False
    neighbours = _face_neighbours(ids, removable)
    return CaseComponents(values, voxels, touching, neighbours, voxel_volume_mm3)


def values_after(case: CaseComponents, rules: Sequence[Rule], scheme: Scheme) -> np.ndarray:
    """Return the label value (component,) of each label component after rules.

    Where the scheme forbids an empty answer the largest component of the tumour comes back.

    Raises:
        RuleError: a rule is of a kind, or has a key, that the search does not know.
    """
    for rule in rules:
        check_searchable(rule)
    values = case.values.copy()
    for rule in rules:
        if isinstance(rule, RemoveSmall):
            values = remove_small(case, values, rule, scheme)
    foreground = int(case.voxels[values > 0].sum())
    for rule in rules:
        if isinstance(rule, RelabelMinor):
            values = relabel_minor(case, values, foreground, rule, scheme)
    return restore_largest_tumour(case, values, scheme)


def group_components(
    case: CaseComponents, values: np.ndarray, selected: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Join label components to the components of a set of labels, `selected` (256,) bool.

    Returns:
        The group (component,) of each label component, 0 outside, and the voxels (group,) of each.
    """
    inside = selected[values]
    inside[0] = False
    lowest = connected_groups(inside, case.touching)
    is_first = inside & (lowest == np.arange(values.size))
    groups = np.where(inside, np.cumsum(is_first)[lowest], 0)
    voxels = np.bincount(groups, weights=case.voxels, minlength=1).astype(np.int64)
    voxels[0] = 0
    return groups, voxels


def remove_small(
    case: CaseComponents, values: np.ndarray, rule: RemoveSmall, scheme: Scheme
) -> np.ndarray:
    """Return the values (component,) after one remove-small."""
    groups, voxels = group_components(case, values, selected_values(rule, scheme))
    small = rule.too_small(voxels, case.voxel_volume_mm3)
    small[0] = False
    removed = np.where(small[groups], groups, 0)
    if not removed.any():
        return values
    becomes = _new_values(case, values, removed, rule, scheme)
    return np.where(removed > 0, becomes[removed], values).astype(np.uint8)


def relabel_minor(
    case: CaseComponents, values: np.ndarray, foreground: int, rule: RelabelMinor, scheme: Scheme
) -> np.ndarray:
    """Return the values (component,) after one relabel-minor; `foreground` in voxels.

    Where the rule does not apply it is the same array, not a copy.
    """
    inside = selected_values(rule, scheme)[values]
    count = int(case.voxels[inside].sum())
    if foreground == 0 or not count / foreground < rule.min_share:
        return values
    return np.where(inside, np.uint8(scheme.labels[rule.becomes]), values).astype(np.uint8)


def restore_largest_tumour(case: CaseComponents, values: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Bring the largest tumour component back where none is left and the scheme forbids that."""
    tumour = np.zeros(256, bool)
    tumour[[scheme.labels[name] for name in scheme.regions[scheme.tumour]]] = True
    if not scheme.when_empty or tumour[values[1:]].any() or not tumour[case.values[1:]].any():
        return values
    groups, voxels = group_components(case, case.values, tumour)
    return np.where(groups == 1 + int(voxels[1:].argmax()), case.values, values).astype(np.uint8)


def selected_values(rule: Rule, scheme: Scheme) -> np.ndarray:
    """Return which label values (256,) bool a rule is about."""
    selected = np.zeros(256, bool)
    selected[[scheme.labels[name] for name in rule.names(scheme)]] = True
    return selected


def _new_values(
    case: CaseComponents,
    values: np.ndarray,
    removed: np.ndarray,
    rule: RemoveSmall,
    scheme: Scheme,
) -> np.ndarray:
    """Return the value (group,) that each group in `removed` (component,) takes."""
    n = int(removed.max()) + 1
    if rule.becomes != SURROUNDING:
        value = {BACKGROUND: 0, **scheme.labels}[rule.becomes]
        return np.full(n, value, np.uint8)
    component, voxel, neighbour = case.face_neighbours.T
    outside = (removed[component] > 0) & (removed[neighbour] != removed[component])
    # A voxel in a corner of the group touches it with several faces, and counts once.
    faces = np.stack([removed[component], voxel, neighbour])[:, outside]
    groups, _, neighbours = np.unique(faces, axis=1)
    counts = np.zeros((n, 256), np.int64)
    np.add.at(counts, (groups, values[neighbours]), 1)
    counts[counts[:, 0] > 0] = 0
    return counts.argmax(1).astype(np.uint8)


def _face_neighbours(ids: np.ndarray, removable: np.ndarray) -> np.ndarray:
    """List, for each removable component, the voxels at its faces that are outside of it."""
    flat = np.arange(ids.size, dtype=np.int64).reshape(ids.shape)
    is_removable, faces = removable[ids], []
    for axis in range(ids.ndim):
        first = tuple(slice(None, -1) if i == axis else slice(None) for i in range(ids.ndim))
        second = tuple(slice(1, None) if i == axis else slice(None) for i in range(ids.ndim))
        for inner, outer in ((first, second), (second, first)):
            at = is_removable[inner] & (ids[inner] != ids[outer])
            faces.append(np.stack([ids[inner][at], flat[outer][at], ids[outer][at]], axis=1))
    return np.unique(np.concatenate(faces), axis=0)
