"""The variants of a case at the grid points of one parameter, each computed once."""

from collections.abc import Iterator, Sequence

import numpy as np

from challenge.scheme import Scheme
from lab.rule_search.case_components import CaseComponents
from lab.rule_search.component_rules import (
    group_components,
    relabel_minor,
    values_after,
    values_between,
)
from lab.rule_search.search_case import SearchCase, Variant, split_thresholds
from postprocess.rule_base import Rule
from postprocess.rules_by_component import ComponentRule
from postprocess.rules_by_size import RelabelMinor


def case_variants(
    case: SearchCase,
    rules: Sequence[Rule | None],
    around: tuple[Sequence[Rule], Sequence[Rule]],
    scheme: Scheme,
) -> Iterator[Variant]:
    """Yield the variant at each grid point; thresholds are among the rules before it, or none."""
    thresholds, before = split_thresholds(around[0])
    tabulated = case.after(thresholds)
    for values in grid_variants(tabulated.components, rules, (before, around[1]), scheme):
        yield Variant(tabulated.thresholds, values)


def grid_variants(
    case: CaseComponents,
    rules: Sequence[Rule | None],
    around: tuple[Sequence[Rule], Sequence[Rule]],
    scheme: Scheme,
) -> Iterator[np.ndarray]:
    """Yield the values (component,) at each grid point, between the rules before and after it.

    Rules that change the same components give the same variant, and only the first is applied.

    Args:
        case: whose components.
        rules: one a grid point, all of one kind on one label or region; None for no rule.
        around: the rules that apply before and after them.
        scheme: the challenge.
    """
    before, after = around
    variants: dict[bytes, np.ndarray] = {}
    for rule, changed in zip(rules, _changes(case, rules, before, scheme), strict=True):
        if changed not in variants:
            applied = (*before, *([rule] if rule else []), *after)
            variants[changed] = values_after(case, applied, scheme)
        yield variants[changed]


def _changes(
    case: CaseComponents, rules: Sequence[Rule | None], before: Sequence[Rule], scheme: Scheme
) -> Iterator[bytes]:
    """Yield what the rule at each grid point changes, after the rules `before`; b"" for nothing."""
    values, foreground = values_between(case, before, scheme)
    components = None
    for rule in rules:
        if isinstance(rule, ComponentRule):
            if components is None:
                components = group_components(case, values, rule.names(scheme), scheme)
            changes = components.changed_by(rule)
            yield changes.tobytes() if changes.any() else b""
        elif isinstance(rule, RelabelMinor):
            changed = relabel_minor(case, values, foreground, rule, scheme)
            yield b"" if changed is values else b"all"
        else:
            yield b""
