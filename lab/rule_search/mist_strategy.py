"""MIST's post-processing strategies (mist-medical/MIST), as rules and back.

A strategy is a list of steps {transform, apply_to_labels, per_label, kwargs}; older files call
per_label apply_sequentially. Its four transforms have a counterpart here. Two things differ in MIST
itself: where a mask has a single 26-connected component, its small-object removal looks at the
6-connected components of it, and of equally large components it keeps the last, not the first.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from challenge.refusal import Refusal
from challenge.scheme import Scheme
from lab.rule_search.hope_tables import label_name
from postprocess.fill_holes import FillHoles
from postprocess.rule_base import BACKGROUND, FOREGROUND, Rule
from postprocess.rule_kinds import RULE_KINDS, kind_of, row_from, rule_from
from postprocess.rules_by_size import KeepLargest, RemoveSmall

REMOVE, REPLACE = "remove_small_objects", "replace_small_objects_with_label"
LARGEST, FILL = "get_top_k_connected_components", "fill_holes_with_label"
# transform -> its kwargs and their defaults
TRANSFORMS: Mapping[str, Mapping[str, Any]] = {
    REMOVE: {"small_object_threshold": 64},
    REPLACE: {"small_object_threshold": 64, "replacement_label": 0},
    LARGEST: {
        "top_k_connected_components": 1,
        "apply_morphological_cleaning": False,
        "morphological_cleaning_iterations": 2,
    },
    FILL: {"fill_holes_label": 0},
}
ALL_LABELS = [-1]


def rules_from_mist(steps: Any, scheme: Scheme) -> list[Rule]:
    """Turn a strategy into rules.

    Raises:
        Refusal: a step is malformed, or there is no rule that does the same; the message names
            the step and the value.
    """
    if not isinstance(steps, list):
        raise Refusal("a strategy is a list of steps")
    rules: list[Rule] = []
    for i, step in enumerate(steps):
        try:
            rows = _rows(step, scheme)
            rules += [rule_from(row, scheme) for row in rows if row.get("min_voxels") != 0]
        except ValueError as error:
            raise Refusal(f"step {i}: {error}") from error
    ranks = [_rank(rule) for rule in rules]
    if ranks != sorted(ranks):
        order = ", ".join(kind.name for kind in RULE_KINDS)
        raise Refusal(f"steps in another order than that in which rules apply: {order}")
    return rules


def mist_from_rules(rules: Sequence[Rule], scheme: Scheme) -> list[dict[str, Any]]:
    """Turn rules into a strategy, in the order in which they apply.

    Raises:
        Refusal: a rule says something that a strategy cannot; the message names it.
    """
    steps = [_step(rule, scheme) for rule in sorted(rules, key=_rank)]
    return [step for step in steps if step["kwargs"].get("small_object_threshold") != 0]


def _rank(rule: Rule) -> int:
    return RULE_KINDS.index(kind_of(rule))


def _rows(step: Any, scheme: Scheme) -> list[dict[str, Any]]:
    transform, kwargs = _transform(step)
    per_label = step.get("per_label", step.get("apply_sequentially"))
    if not isinstance(per_label, bool):
        raise Refusal(f"per_label: {per_label!r} is neither true nor false")
    subjects = _subjects(step.get("apply_to_labels"), per_label, scheme)
    if transform == LARGEST:
        if kwargs["apply_morphological_cleaning"]:
            raise Refusal("apply_morphological_cleaning: no rule erodes")
        row = {"kind": "keep-largest", "k": kwargs["top_k_connected_components"]}
        return [row | subject for subject in subjects]
    if transform == FILL:
        if len(subjects) > 1:
            raise Refusal(
                f"{FILL}: MIST looks for the holes of all labels of a step before it fills any, a "
                "rule after the one before it; give each label a step"
            )
        becomes = _new_label(kwargs["fill_holes_label"], scheme)
        return [{"kind": "fill-holes", "becomes": becomes, **subjects[0]}]
    becomes = BACKGROUND
    if transform == REPLACE:
        if not per_label:
            raise Refusal(f"{REPLACE} needs per_label true")
        becomes = _new_label(kwargs["replacement_label"], scheme)
    row = {
        "kind": "remove-small",
        "min_voxels": kwargs["small_object_threshold"],
        "becomes": becomes,
    }
    return [row | subject for subject in subjects if subject != {"label": becomes}]


def _new_label(value: Any, scheme: Scheme) -> str:
    """Return what voxels become: a label by its value, or, for 0, the background."""
    return BACKGROUND if value == 0 else label_name(value, scheme)


def _transform(step: Any) -> tuple[str, dict[str, Any]]:
    """Return a step's transform and its kwargs with their defaults."""
    if not isinstance(step, dict) or not isinstance(transform := step.get("transform"), str):
        raise Refusal(f"{step!r} has no transform")
    if transform not in TRANSFORMS:
        raise Refusal(f"{transform}: unknown transform")
    kwargs = step.get("kwargs", {})
    if not isinstance(kwargs, dict):
        raise Refusal(f"kwargs: {kwargs!r} should be an object")
    if unknown := sorted(set(kwargs) - set(TRANSFORMS[transform])):
        raise Refusal(f"{transform}: unknown kwargs {unknown}")
    return transform, {**TRANSFORMS[transform], **kwargs}


def _subjects(values: Any, per_label: bool, scheme: Scheme) -> list[dict[str, str]]:
    """Return the label or region of each rule of a step: labels one by one, or together."""
    if not isinstance(values, list) or not values:
        raise Refusal(f"apply_to_labels: {values!r} is not a list of labels")
    if values == ALL_LABELS and per_label:
        raise Refusal("apply_to_labels: of [-1] one by one, MIST finds no voxel")
    all_names = list(scheme.labels)
    names = all_names if values == ALL_LABELS else [label_name(v, scheme) for v in values]
    if per_label or len(names) == 1:
        return [{"label": name} for name in names]
    for region, members in scheme.regions.items():
        if set(members) == set(names):
            return [{"region": region}]
    if set(names) == set(all_names):
        return [{"region": FOREGROUND}]
    raise Refusal(f"apply_to_labels: {values} together are no region of {scheme.name}")


def _step(rule: Rule, scheme: Scheme) -> dict[str, Any]:
    row, values = row_from(rule), {BACKGROUND: 0, **scheme.labels}
    kwargs: dict[str, Any]
    becomes = row.get("becomes", BACKGROUND)
    if isinstance(rule, RemoveSmall):
        transform, key = REMOVE, "min_voxels"
        kwargs = {"small_object_threshold": rule.min_voxels}
        possible = (BACKGROUND, *(scheme.labels if rule.label else ()))
    elif isinstance(rule, KeepLargest):
        transform, key, possible = LARGEST, "k", (BACKGROUND,)
        kwargs = {"top_k_connected_components": rule.k}
    elif isinstance(rule, FillHoles):
        transform, key, possible = FILL, "becomes", tuple(values)
        kwargs = {"fill_holes_label": values[becomes]}
    else:
        raise Refusal(f"a MIST strategy has no {row['kind']}")
    if beyond := sorted(set(row) - {"kind", "label", "region", "becomes", key}):
        raise Refusal(f"a MIST strategy has no {', '.join(beyond)}: {row}")
    if becomes not in possible:
        raise Refusal(f"in a MIST strategy it cannot become {becomes!r}: {row}")
    if transform == REMOVE and becomes != BACKGROUND:
        transform, kwargs = REPLACE, {**kwargs, "replacement_label": values[becomes]}
    return {
        "transform": transform,
        "apply_to_labels": [scheme.labels[name] for name in rule.names(scheme)],
        "per_label": bool(rule.label),
        "kwargs": kwargs,
    }
