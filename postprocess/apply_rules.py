"""Rules as data, and how they apply to a label map (z, y, x).

A rule is a JSON object with a `kind`; each kind is one small class and one row of KINDS.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from challenge.scheme import Scheme

from .enclosing import enclosing_labels
from .rule_base import BACKGROUND, BEFORE, ENCLOSING, Probability, Rule, RuleError, View
from .rules_by_probability import AddProbable, DropDoubtful
from .rules_by_size import KeepLargest, KeepOne, RelabelMinor, RemoveSmall

__all__ = [
    "BACKGROUND",
    "KINDS",
    "AddProbable",
    "Applied",
    "DropDoubtful",
    "KeepLargest",
    "KeepOne",
    "RelabelMinor",
    "RemoveSmall",
    "Rule",
    "RuleError",
    "apply_rules",
    "row_from",
    "rule_from",
]

# In the order in which kinds apply: every rule of one kind, in table order, before the next kind.
# What is probable comes first: sizes and shares are those of the labels that the thresholds give.
KINDS: Mapping[str, type[Rule]] = {
    "drop-doubtful": DropDoubtful,
    "add-probable": AddProbable,
    "remove-small": RemoveSmall,
    "keep-largest": KeepLargest,
    "relabel-minor": RelabelMinor,
    "keep-one": KeepOne,
}


@dataclass(frozen=True)
class Applied:
    """Labels (z, y, x) after the rules, and which rules changed how many voxels.

    A rule that could not be applied is told too: no voxels, and why it was skipped.
    """

    labels: np.ndarray
    fired: list[dict[str, Any]]


def apply_rules(
    labels: np.ndarray,
    rules: Sequence[Rule],
    scheme: Scheme,
    voxel_volume_mm3: float,
    probability: Probability | None = None,
) -> Applied:
    """Apply rules to a label map (z, y, x) in `scheme`'s values; the input stays as it is.

    The foreground that shares refer to is every labelled voxel (also a resection cavity or the
    pancreas), counted once when relabel-minor begins; label counts are of the map as it then is.

    Args:
        labels: the label map.
        rules: in table order; see KINDS for the order of their kinds.
        scheme: what the values of `labels` mean.
        voxel_volume_mm3: volume of one voxel.
        probability: label names -> (z, y, x); a rule that needs it is skipped without it.
    """
    before, labels = labels, labels.copy()
    fired = []
    for kind in KINDS.values():
        view = View(labels, before, labels > 0, scheme, voxel_volume_mm3, probability)
        for rule in _of_kind(rules, kind):
            if reason := _why_not(rule, view):
                fired.append({**row_from(rule), "voxels": 0, "skipped": reason})
            elif changed := _change(rule, view):
                fired.append({**row_from(rule), "voxels": changed})
    return Applied(labels, fired)


def _of_kind(rules: Sequence[Rule], kind: type[Rule]) -> Iterator[Rule]:
    """Yield the rules of a kind in table order.

    Voxels that keep-one gives back may be the last of what they had become, so each of these
    rules gets its turn again; what is given back stays, so this many turns are enough.
    """
    chosen = [rule for rule in rules if isinstance(rule, kind)]
    for _ in range(len(chosen) if kind is KeepOne else 1):
        yield from chosen


def _why_not(rule: Rule, view: View) -> str | None:
    """Return why a rule cannot be applied to this case, or None."""
    if not rule.needs_probability:
        return None
    if view.probability is None:
        return "no probabilities"
    try:
        view.probability(rule.names(view.scheme))
    except ValueError as error:  # a head of regions cannot tell every set of labels
        return f"no probabilities: {error}"
    return None


def _change(rule: Rule, view: View) -> int:
    """Paint what a rule finds into `view.labels`, and return how many voxels are others now."""
    found = rule.find(view)
    if not found.any():
        return 0
    old = view.labels[found]
    if rule.becomes == ENCLOSING:
        view.labels[found] = enclosing_labels(view.labels, found, rule.connectivity)
    elif rule.becomes == BEFORE:
        view.labels[found] = view.before[found]
    else:
        view.labels[found] = {BACKGROUND: 0, **view.scheme.labels}[rule.becomes]
    return int(np.count_nonzero(view.labels[found] != old))


def rule_from(row: Mapping[str, Any], scheme: Scheme) -> Rule:
    """Turn one JSON object into a rule; null is as good as a key left out.

    Raises:
        RuleError: unknown kind, key or name, or a number that makes no sense.
    """
    kind = row.get("kind") if isinstance(row, Mapping) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise RuleError(f"not a rule of a known kind ({', '.join(KINDS)}): {row!r}")
    given = {key: value for key, value in row.items() if key != "kind" and value is not None}
    known = [field.name for field in fields(KINDS[kind]) if field.init]
    if unknown := [key for key in row if key not in ("kind", *known)]:
        raise RuleError(f"{kind}: {unknown[0]!r} is not one of its keys, {', '.join(known)}")
    if missing := [key for key in KINDS[kind].NEEDS if key not in given]:
        raise RuleError(f"{kind}: {missing[0]} is missing")
    if ("label" in given) == ("region" in given):
        raise RuleError(f"{kind} needs exactly one of label and region: {row!r}")
    rule = KINDS[kind](**given)
    rule.check(scheme)
    return rule


def row_from(rule: Rule) -> dict[str, Any]:
    """Turn a rule into the JSON object that `rule_from` reads; only `becomes` is always told."""
    kind = next(name for name, cls in KINDS.items() if isinstance(rule, cls))
    told = {
        field.name: getattr(rule, field.name)
        for field in fields(rule)
        if field.init and (field.name == "becomes" or getattr(rule, field.name) != field.default)
    }
    return {"kind": kind, **told}
