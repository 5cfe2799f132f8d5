"""Which value of a team's dataset.json carries which of the challenge's labels."""

from collections.abc import Mapping
from typing import Any

from challenge.scheme import Scheme

# What teams call labels and regions in dataset.json, lower case, without punctuation.
ALIASES = {
    "NETC": ("netc", "ncr", "net", "necrosis", "necroticcore", "nonenhancingtumorcore"),
    "SNFH": ("snfh", "ed", "edema", "oedema", "peritumoraledema"),
    "ED": ("ed", "edema", "oedema", "peritumoraledema"),
    "ET": ("et", "enhancing", "enhancingtumor", "enhancingtumour"),
    "RC": ("rc", "resectioncavity", "cavity"),
    "CC": ("cc", "cysticcomponent", "cyst"),
    "WT": ("wt", "wholetumor", "wholetumour", "whole"),
    "TC": ("tc", "tumorcore", "tumourcore", "core"),
    "tumour": ("tumour", "tumor", "lesion", "pdac"),
    "pancreas": ("pancreas",),
}


def label_names(dataset: Mapping[str, Any], scheme: Scheme) -> dict[str, int]:
    """Find out which value carries which of the scheme's labels, from the names in dataset.json.

    A label is recognised by the set of named labels and regions that it belongs to, so region
    training (WT, TC, ET) tells 1 = NETC without naming it.

    Raises:
        SystemExit: some value cannot be told; the user must say with --labels.
    """
    known: list[tuple[set[int], tuple[str, ...]]] = []  # values of an entry, labels it stands for
    for name, value in dataset["labels"].items():
        entry = set(value) if isinstance(value, list) else {value}
        if match := _recognised(name, scheme):
            single = len(entry) == 1 and match in scheme.labels
            known.append((entry, (match,) if single else scheme.regions.get(match, (match,))))
    values = _values(dataset)
    own = {value: tuple(value in entry for entry, _ in known) for value in values}
    meant = {label: tuple(label in names for _, names in known) for label in scheme.labels}
    found = {
        label: matching[0]
        for label, signature in meant.items()
        if any(signature)
        and len(matching := [value for value in values if own[value] == signature]) == 1
    }
    if sorted(found.values()) != values:
        raise SystemExit(
            f"dataset.json labels {dict(dataset['labels'])} do not tell which value is which of "
            f"{', '.join(scheme.labels)}; say so with --labels NAME=VALUE,..."
        )
    return found


def _recognised(name: str, scheme: Scheme) -> str | None:
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    names = [*scheme.labels, *scheme.regions]
    return next((n for n in names if plain == n.lower() or plain in ALIASES.get(n, ())), None)


def _values(dataset: Mapping[str, Any]) -> list[int]:
    values: set[int] = set()
    for name, value in dataset["labels"].items():
        if name not in ("background", "ignore"):
            values |= {int(v) for v in (value if isinstance(value, list) else [value])}
    return sorted(values)
