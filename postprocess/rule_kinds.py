"""The table of rule kinds, and rules as JSON objects.

How to add a rule:

1. Write one frozen dataclass derived from `Rule` in `rules_by_size.py`, `rules_by_probability.py`
   or a new module beside them. Its fields are the JSON keys; list in `REQUIRED` those without a
   default; `check` raises RuleError for a value that makes no sense; `required_inputs` names what
   it needs beside labels, without which it is skipped; `select` returns the bool mask (z, y, x) of
   the voxels that change. `RuleView` says what it may look at: labels, spacing in mm,
   probabilities, votes. A rule that removes components for one more reason is a row of
   `component_predicates.PREDICATES` instead, and no kind.
2. Add one row to `RULE_KINDS`; its position is when rules of this kind apply. `searchable` names
   the keys that `python -m lab search` can try (none: the search refuses the kind by name). That is
   all: artefacts, `python -m postprocess` and the container know the rule now.
3. List its keys in `test/postprocess/test_every_kind.py` (a test fails until you do), and test it
   on cubes whose voxels can be counted by hand, also with anisotropic spacing.
4. To let the search try it, apply it to components in `lab/rule_search/component_rules.py`, and add
   its threshold to `lab/rule_search/search_space.py`.

`test/postprocess/test_new_rule.py` takes these steps with a made-up distance rule.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from challenge.scheme import Scheme

from .component_predicates import PREDICATES
from .fill_holes import FillHoles
from .rule_base import BEFORE, Rule, RuleError
from .rules_by_component import RemoveComponent
from .rules_by_probability import AddForDice, AddMoreProbable, AddProbable, DropDoubtful
from .rules_by_size import KeepLargest, KeepOne, RelabelMinor, RemoveSmall


@dataclass(frozen=True)
class RuleKind:
    """One kind of rule."""

    name: str  # `kind` in JSON
    rule: type[Rule]
    searchable: frozenset[str] = frozenset()  # keys that the rule search understands


# In the order in which kinds apply: every rule of one kind, in table order, before the next kind.
# What is probable comes first: sizes and shares are those of the labels that the thresholds give.
RULE_KINDS: Sequence[RuleKind] = (
    RuleKind("drop-doubtful", DropDoubtful),
    RuleKind(
        "add-more-probable",
        AddMoreProbable,
        searchable=frozenset({"label", "region", "becomes", "than"}),
    ),
    RuleKind(
        "add-probable",
        AddProbable,
        searchable=frozenset({"label", "region", "becomes", "min_probability"}),
    ),
    RuleKind("add-for-dice", AddForDice, searchable=frozenset({"label", "becomes"})),
    RuleKind(
        "remove-component",
        RemoveComponent,
        searchable=frozenset(row.name for row in PREDICATES)
        | {"label", "region", "becomes", "unless_any", "unless_all"},
    ),
    RuleKind(
        "remove-small",
        RemoveSmall,
        searchable=frozenset({"label", "region", "becomes", "min_voxels", "min_volume_mm3"})
        | {"min_mean_probability", "unless_holds", "holds_share"},
    ),
    RuleKind("keep-largest", KeepLargest),
    RuleKind("fill-holes", FillHoles),
    RuleKind(
        "relabel-minor", RelabelMinor, searchable=frozenset({"label", "becomes", "min_share"})
    ),
    RuleKind("keep-one", KeepOne),
)


def by_kind(rules: Sequence[Rule]) -> Iterator[tuple[Rule, ...]]:
    """Yield the rules of each kind that has any, in the order in which kinds apply."""
    for kind in RULE_KINDS:
        if same := tuple(rule for rule in rules if isinstance(rule, kind.rule)):
            yield same


def kind_of(rule: Rule) -> RuleKind:
    """Return the row of a rule's kind."""
    return next(kind for kind in RULE_KINDS if isinstance(rule, kind.rule))


@lru_cache(maxsize=4096)  # a search asks about the same rules at every variant
def check_searchable(rule: Rule) -> None:
    """Raise RuleError where the rule search does not know a rule's kind, or a key of it."""
    row = row_from(rule)
    known = kind_of(rule).searchable
    if not known:
        names = ", ".join(kind.name for kind in RULE_KINDS if kind.searchable)
        raise RuleError(f"{row['kind']}: not a kind that the rule search knows ({names}): {row}")
    keys = {*row, *(key for value in row.values() if isinstance(value, Mapping) for key in value)}
    if unknown := sorted(keys - {"kind"} - known):
        raise RuleError(f"{row['kind']}: the rule search does not know {unknown[0]}: {row}")
    if rule.becomes == BEFORE:
        raise RuleError(f"{row['kind']}: the rule search does not know becomes before: {row}")


def rule_from(row: Mapping[str, Any], scheme: Scheme) -> Rule:
    """Turn one JSON object into a rule; null is as good as a key left out.

    Raises:
        RuleError: unknown kind, key or name, or a number that makes no sense.
    """
    name = row.get("kind") if isinstance(row, Mapping) else None
    kind = next((kind for kind in RULE_KINDS if kind.name == name), None)
    if kind is None:
        known_kinds = ", ".join(kind.name for kind in RULE_KINDS)
        raise RuleError(f"not a rule of a known kind ({known_kinds}): {row!r}")
    values = {key: value for key, value in row.items() if key != "kind" and value is not None}
    known = [key.name for key in fields(kind.rule) if key.init]
    if unknown := [key for key in row if key not in ("kind", *known)]:
        raise RuleError(f"{name}: {unknown[0]!r} is not one of its keys, {', '.join(known)}")
    if missing := [key for key in kind.rule.REQUIRED if key not in values]:
        raise RuleError(f"{name}: {missing[0]} is missing")
    if ("label" in values) == ("region" in values):
        raise RuleError(f"{name} needs exactly one of label and region: {row!r}")
    rule = kind.rule(**values)
    rule.check(scheme)
    return rule


def row_from(rule: Rule) -> dict[str, Any]:
    """Turn a rule into the JSON object that `rule_from` reads, without defaults but `becomes`."""
    values = {
        key.name: getattr(rule, key.name)
        for key in fields(rule)
        if key.init and (key.name == "becomes" or getattr(rule, key.name) != key.default)
    }
    return {"kind": kind_of(rule).name, **values}
