"""HOPE-Segmenter's tables of thresholds, as rules and back.

Each file is task -> cluster_<k> -> label_<n> -> {th}, the fewest voxels that a 26-connected
component needs to stay, or {th, redefine_to}, the share of the tumour below which a label becomes
another. A threshold of 0 never applies and is no rule.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from challenge.refusal import Refusal
from challenge.scheme import Scheme
from postprocess.rule_base import BACKGROUND, Rule
from postprocess.rule_kinds import row_from, rule_from
from postprocess.rules_by_size import RelabelMinor, RemoveSmall

RulesByCluster = dict[str, list[Rule]]
Table = dict[str, dict[str, dict[str, float]]]  # cluster -> label_<n> -> entry

EXPRESSIBLE = {
    RemoveSmall: {"kind", "label", "becomes", "min_voxels"},
    RelabelMinor: {"kind", "label", "becomes", "min_share"},
}


def rules_from_hope(content: Any, scheme: Scheme, task: str | None = None) -> RulesByCluster:
    """Turn one file's content into rules by cluster.

    Args:
        content: what the JSON file holds.
        scheme: whose values the label numbers are.
        task: which table to read; None where there is only one.

    Raises:
        Refusal: the content is no such table; the message names the cluster and the label.
    """
    tables = _object(content, "a table")
    name = task or (next(iter(tables)) if len(tables) == 1 else "")
    if name not in tables:
        raise Refusal(f"task {task!r} is not one of {', '.join(tables)}")
    rules: RulesByCluster = {}
    for cluster, labels in _object(tables[name], name).items():
        entries = _object(labels, cluster).items()
        parsed = [_rule(key, entry, f"{cluster} {key}", scheme) for key, entry in entries]
        rules[cluster] = [rule for rule in parsed if rule is not None]
    return rules


def merged(parts: Sequence[RulesByCluster]) -> RulesByCluster:
    """Merge the rules of several files, in their order.

    Raises:
        Refusal: two rules of one kind look at the same label of a cluster.
    """
    rules: RulesByCluster = {}
    for part in parts:
        for cluster, more in part.items():
            rules.setdefault(cluster, []).extend(more)
    for cluster, of_cluster in rules.items():
        _check_once(cluster, of_cluster)
    return rules


def hope_from_rules(rules: Mapping[str, Sequence[Rule]], scheme: Scheme) -> tuple[Table, Table]:
    """Turn rules by cluster into the table of sizes and the table of shares.

    Sizes list every label, with 0 for those without a rule; shares list the rules in their order,
    which matters.

    Raises:
        Refusal: a rule says something that the tables cannot; the message names it.
    """
    sizes: Table = {}
    shares: Table = {}
    for cluster, of_cluster in rules.items():
        _check_once(cluster, of_cluster)
        sizes[cluster] = {f"label_{value}": {"th": 0} for value in scheme.labels.values()}
        shares[cluster] = {}
        for rule in of_cluster:
            _check_expressible(cluster, rule, scheme)
            key = f"label_{scheme.labels[rule.label]}"
            if isinstance(rule, RemoveSmall):
                sizes[cluster][key] = {"th": rule.min_voxels or 0}
            elif isinstance(rule, RelabelMinor):
                target = scheme.labels[rule.becomes]
                shares[cluster][key] = {"th": rule.min_share, "redefine_to": target}
    return sizes, shares


def label_name(value: Any, scheme: Scheme) -> str:
    """Return the name of a label value, or raise Refusal."""
    names = {value: name for name, value in scheme.labels.items()}
    if isinstance(value, bool) or not isinstance(value, int) or value not in names:
        raise Refusal(f"label {value!r} is not one of {scheme.name}'s, {dict(scheme.labels)}")
    return names[value]


def _rule(key: str, entry: Any, where: str, scheme: Scheme) -> Rule | None:
    try:
        return rule_from(row, scheme) if (row := _row(key, entry, scheme)) else None
    except ValueError as error:
        raise Refusal(f"{where}: {error}") from error


def _row(key: str, entry: Any, scheme: Scheme) -> dict[str, Any] | None:
    number = re.fullmatch(r"label_(\d+)", key)
    if not number:
        raise Refusal(f"{key!r} is not of the form label_<n>")
    if unknown := sorted(set(_object(entry, key)) - {"th", "redefine_to"}):
        raise Refusal(f"unknown keys {unknown}")
    if "th" not in entry:
        raise Refusal("th is missing")
    label, minimum = label_name(int(number[1]), scheme), entry["th"]
    if minimum == 0:
        return None
    if "redefine_to" in entry:
        target = label_name(entry["redefine_to"], scheme)
        return {"kind": "relabel-minor", "label": label, "becomes": target, "min_share": minimum}
    if isinstance(minimum, float) and minimum.is_integer():
        minimum = int(minimum)
    return {"kind": "remove-small", "label": label, "min_voxels": minimum}


def _check_once(cluster: str, rules: Sequence[Rule]) -> None:
    seen = set()
    for rule in rules:
        if (subject := (type(rule), rule.label, rule.region)) in seen:
            raise Refusal(f"{cluster}: a second {row_from(rule)['kind']} of {rule.label}")
        seen.add(subject)


def _check_expressible(cluster: str, rule: Rule, scheme: Scheme) -> None:
    row = row_from(rule)
    keys = EXPRESSIBLE.get(type(rule))
    if keys is None:
        raise Refusal(f"{cluster}: a HOPE table has no {row['kind']}")
    if beyond := sorted(set(row) - keys):
        raise Refusal(f"{cluster}: a HOPE table has no {', '.join(beyond)}: {row}")
    possible = (BACKGROUND,) if isinstance(rule, RemoveSmall) else tuple(scheme.labels)
    if rule.becomes not in possible:
        raise Refusal(f"{cluster}: in a HOPE table it cannot become {rule.becomes!r}: {row}")


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refusal(f"{where}: {value!r} should be an object")
    return value
