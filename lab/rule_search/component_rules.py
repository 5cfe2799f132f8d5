"""Rules applied to the label components of a case instead of its images.

A label component is a 26-connected component of one label as the ensemble predicted it. The rules
searched here remove or relabel whole components of labels or regions, each of which is a union of
label components at any stage, so a variant of a case is one label value a label component. Equal
to `apply_rules` on the image (a test compares them).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from challenge.scheme import Scheme
from lab.metrics.label_components import LabelComponents
from lab.rule_search.case_components import CaseComponents
from lab.rule_search.component_groups import group_components, selected_values
from postprocess.rule_base import BACKGROUND, SURROUNDING, Rule, RuleError
from postprocess.rule_kinds import by_kind, check_searchable, row_from
from postprocess.rules_by_component import ComponentRule
from postprocess.rules_by_size import RelabelMinor


@dataclass(frozen=True)
class RemovalLimits:
    """No rule removes a component that has this volume and whose peaks reach this probability."""

    mm3: float
    peak: float = 0.0


def values_after(case: CaseComponents, rules: Sequence[Rule], scheme: Scheme) -> np.ndarray:
    """Return the label value (component,) of each label component after rules.

    Where the scheme forbids an empty answer the largest component of the tumour comes back.

    Raises:
        RuleError: a rule is of a kind, or has a key, that the search does not know, or it needs
            probabilities that the case lacks.
    """
    values, _ = values_between(case, rules, scheme)
    return restore_largest_tumour(case, values, scheme)


def values_between(
    case: CaseComponents, rules: Sequence[Rule], scheme: Scheme
) -> tuple[np.ndarray, int]:
    """Return the values (component,) after some rules, and the foreground that shares refer to.

    The foreground is in voxels, counted when relabel-minor starts, or would start.
    """
    for rule in rules:
        check_searchable(rule)
    values, foreground = case.values.copy(), None
    for same_kind in by_kind(rules):
        for rule in same_kind:
            if isinstance(rule, ComponentRule):
                values = remove_components(case, values, rule, scheme)
            elif isinstance(rule, RelabelMinor):
                if foreground is None:
                    foreground = _foreground(case, values)
                values = relabel_minor(case, values, foreground, rule, scheme)
            else:
                raise RuleError(f"{row_from(rule)}: changes which components there are")
    return values, _foreground(case, values) if foreground is None else foreground


def removable_components(
    labelled: LabelComponents,
    voxel_volume_mm3: float,
    limits: RemovalLimits,
    peaks: Mapping[tuple[str, ...], np.ndarray],
    scheme: Scheme,
) -> np.ndarray:
    """Return which label components (component,) some rule within the limits may remove.

    What rules are about holds a component by the label that it has; only a component that was
    removed has another one.
    """
    removable = labelled.voxels * voxel_volume_mm3 < limits.mm3
    for names, of_component in peaks.items():
        low = of_component < of_component.dtype.type(limits.peak)
        removable |= low & selected_values(names, scheme)[labelled.values]
    removable[0] = False
    return removable


def remove_components(
    case: CaseComponents, values: np.ndarray, rule: ComponentRule, scheme: Scheme
) -> np.ndarray:
    """Return the values (component,) after one rule that changes whole components."""
    components = group_components(case, values, rule.names(scheme), scheme)
    changes = components.changed_by(rule)
    if not changes.any():
        return values
    removed = np.where(changes[components.groups], components.groups, 0)
    becomes = new_values(case, values, removed, rule.becomes, scheme)
    return np.where(removed > 0, becomes[removed], values).astype(np.uint8)


def relabel_minor(
    case: CaseComponents, values: np.ndarray, foreground: int, rule: RelabelMinor, scheme: Scheme
) -> np.ndarray:
    """Return the values (component,) after one relabel-minor; `foreground` in voxels.

    Where the rule does not apply it is the same array, not a copy.
    """
    inside = selected_values(rule.names(scheme), scheme)[values]
    count = int(case.voxels[inside].sum())
    if foreground == 0 or not count / foreground < rule.min_share:
        return values
    return np.where(inside, np.uint8(scheme.labels[rule.becomes]), values).astype(np.uint8)


def restore_largest_tumour(case: CaseComponents, values: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Bring the largest tumour component back where none is left and the scheme forbids that."""
    names = scheme.regions[scheme.tumour]
    tumour = selected_values(names, scheme)
    if not scheme.when_empty or tumour[values[1:]].any() or not tumour[case.values[1:]].any():
        return values
    before = group_components(case, case.values, names, scheme)
    largest = before.groups == 1 + int(before.voxels[1:].argmax())
    return np.where(largest, case.values, values).astype(np.uint8)


def _foreground(case: CaseComponents, values: np.ndarray) -> int:
    return int(case.voxels[values > 0].sum())


def new_values(
    case: CaseComponents,
    values: np.ndarray,
    removed: np.ndarray,
    becomes: str,
    scheme: Scheme,
) -> np.ndarray:
    """Return the value (group,) that each group in `removed` (component,) takes.

    `becomes` is a label, background, or surrounding.
    """
    n = int(removed.max()) + 1
    if becomes != SURROUNDING:
        value = {BACKGROUND: 0, **scheme.labels}[becomes]
        return np.full(n, value, np.uint8)
    component, voxel, neighbour = case.face_neighbours.T
    outside = (removed[component] > 0) & (removed[neighbour] != removed[component])
    groups, voxel, neighbour = removed[component[outside]], voxel[outside], neighbour[outside]
    # A voxel in a corner of the group touches it with several faces, and counts once.
    _, first = np.unique(groups * (voxel.max(initial=0) + 1) + voxel, return_index=True)
    counts = np.zeros((n, 256), np.int64)
    np.add.at(counts, (groups[first], values[neighbour[first]]), 1)
    counts[counts[:, 0] > 0] = 0
    return counts.argmax(1).astype(np.uint8)
