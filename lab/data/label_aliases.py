"""Which value of a team's dataset.json carries which of the challenge's labels."""

from collections.abc import Mapping
from typing import Any

from challenge.refusal import Refusal
from challenge.scheme import Scheme
from ensemble.dataset import label_values, values_of

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


class LabelsError(Refusal):
    """The names in dataset.json do not tell which value is which label."""


def label_names(dataset: Mapping[str, Any], scheme: Scheme) -> dict[str, int]:
    """Find out which value carries which of the scheme's labels, from the names in dataset.json.

    A label is recognised by the set of named labels and regions that it belongs to, so region
    training (WT, TC, ET) tells 1 = NETC without naming it.

    Raises:
        LabelsError: some value cannot be told; the user must say with --labels.
        PlansError: labels that nnU-Net refuses too.
    """
    values = label_values(dataset)
    known: list[tuple[set[int], tuple[str, ...]]] = []  # values of an entry, labels it stands for
    for name, value in dataset["labels"].items():
        entry = set(values_of(value))
        if match := _recognised(name, scheme):
            is_label = len(entry) == 1 and match in scheme.labels
            known.append((entry, (match,) if is_label else scheme.regions.get(match, (match,))))
    signature = {value: tuple(value in entry for entry, _ in known) for value in values}
    meant = {label: tuple(label in names for _, names in known) for label in scheme.labels}
    named = {
        label: matching[0]
        for label, wanted in meant.items()
        if any(wanted)
        and len(matching := [value for value in values if signature[value] == wanted]) == 1
    }
    if sorted(named.values()) != values:
        raise LabelsError(
            f"dataset.json labels {dict(dataset['labels'])} do not tell which value is which of "
            f"{', '.join(scheme.labels)}; say so with --labels NAME=VALUE,..."
        )
    return named


def agreed_labels(dataset: Mapping[str, Any], scheme: Scheme) -> dict[str, int]:
    """Return `label_names` where they agree with the challenge's own numbering.

    Names that stand at other values may be a team's own order, or the wrong names of the
    challenge's: a published report lists ET first of labels whose first is NETC. Nothing in the
    folder tells one from the other.

    Raises:
        LabelsError: they do not agree; the user must say with --labels.
    """
    named = label_names(dataset, scheme)
    if all(scheme.labels[name] == value for name, value in named.items()):
        return named
    at = {value: name for name, value in scheme.labels.items()}
    ways = [_written(named)]
    if all(value in at for value in named.values()):
        ways.append(_written({at[value]: value for value in named.values()}))
    raise LabelsError(
        f"dataset.json names {ways[0]}, where {scheme.name} has {_written(scheme.labels)}; say "
        f"which of them the training labels hold: --labels {' or --labels '.join(ways)}"
    )


def _written(names: Mapping[str, int]) -> str:
    ordered = sorted(names.items(), key=lambda pair: pair[1])
    return ",".join(f"{name}={value}" for name, value in ordered)


def _recognised(name: str, scheme: Scheme) -> str | None:
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    names = [*scheme.labels, *scheme.regions]
    return next((n for n in names if plain == n.lower() or plain in ALIASES.get(n, ())), None)
