"""Apply rules to a label map (z, y, x)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from challenge.scheme import Scheme

from .components import SpacingMm, surrounding_labels
from .rule_base import (
    BACKGROUND,
    BEFORE,
    ONLY_LABELS,
    SURROUNDING,
    EnsembleMaps,
    Rule,
    RuleView,
)
from .rule_kinds import by_kind, row_from
from .rules_by_size import KeepOne


@dataclass(frozen=True)
class RulesResult:
    """Labels (z, y, x) after the rules, and the rules that changed voxels, as JSON objects.

    `voxels` says how many changed. A rule that could not be applied is listed too: no voxels, and
    `skipped` says why.
    """

    labels: np.ndarray
    applied: list[dict[str, Any]]


def apply_rules(
    labels: np.ndarray,
    rules: Sequence[Rule],
    scheme: Scheme,
    spacing_mm: SpacingMm,
    maps: EnsembleMaps = ONLY_LABELS,
) -> RulesResult:
    """Apply rules to a label map (z, y, x) in `scheme`'s values; the input stays as it is.

    The foreground that shares refer to is every labelled voxel (also a resection cavity or the
    pancreas), counted once when relabel-minor starts; label counts are of the map as it then is.

    Args:
        labels: the label map.
        rules: in table order; see `rule_kinds` for the order of their kinds.
        scheme: what the values of `labels` mean.
        spacing_mm: of the voxels (z, y, x).
        maps: what else is known; a rule is skipped without what it requires.
    """
    before, labels = labels, labels.copy()
    applied = []
    for same_kind in by_kind(rules):
        foreground = labels > 0
        view = RuleView(labels, before, foreground, scheme, spacing_mm, **vars(maps))
        for rule in _repeated(same_kind):
            if reason := _why_skipped(rule, view):
                applied.append({**row_from(rule), "voxels": 0, "skipped": reason})
            elif changed := _change(rule, view):
                applied.append({**row_from(rule), "voxels": changed})
    return RulesResult(labels, applied)


def _repeated(rules: Sequence[Rule]) -> Sequence[Rule]:
    """Return rules of one kind as often as they apply: once, but for keep-one.

    Voxels that keep-one gives back may be the last of what they had become, so each of these
    rules gets its turn again; what is given back stays, so this many turns are enough.
    """
    return list(rules) * (len(rules) if isinstance(rules[0], KeepOne) else 1)


def _why_skipped(rule: Rule, view: RuleView) -> str | None:
    """Return why a rule cannot be applied to this case, or None."""
    needed = rule.required_inputs()
    if "votes" in needed and view.votes is None:
        return "no votes of members"
    if "probabilities" not in needed:
        return None
    if view.probability is None:
        return "no probabilities"
    try:
        for names in rule.compared(view.scheme):
            view.probability(names)
    except ValueError as error:  # a head of regions cannot tell every set of labels
        return f"no probabilities: {error}"
    return None


def _change(rule: Rule, view: RuleView) -> int:
    """Change what a rule selects in `view.labels`, and return how many voxels differ now."""
    selected = rule.select(view)
    if not selected.any():
        return 0
    old = view.labels[selected]
    if rule.becomes == SURROUNDING:
        _surround(selected, rule, view)
    elif rule.becomes == BEFORE:
        view.labels[selected] = view.before[selected]
        if not isinstance(rule, KeepOne):
            _surround(selected & view.mask(rule.names(view.scheme)), rule, view)
    else:
        view.labels[selected] = {BACKGROUND: 0, **view.scheme.labels}[rule.becomes]
    return int(np.count_nonzero(view.labels[selected] != old))


def _surround(selected: np.ndarray, rule: Rule, view: RuleView) -> None:
    """Give the components of a mask (z, y, x) the label around each."""
    if selected.any():
        view.labels[selected] = surrounding_labels(view.labels, selected, rule.connectivity)
