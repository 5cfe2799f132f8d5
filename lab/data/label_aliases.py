"""Which value of a team's dataset.json carries which of the challenge's labels."""

from collections.abc import Mapping
from typing import Any

from challenge.refusal import Refusal
from challenge.scheme import Scheme
from ensemble.dataset import label_values, values_of

# What teams call labels and regions in dataset.json, as `_plain` writes it; seen in public ones.
_NECROTIC = ("necrosis", "necrotic", "necrotictumor", "necroticcore", "necrotictumorcore")
_NOT_ENHANCING = ("nonenhancing", "nonenhancingtumor", "nonenhancingcore", "nonenhancingtumorcore")
_BOTH = ("ncrnet", "ncrnetc", "ncrornetc", "necroticnonenhancingtumor", "nonenhancingandnecrosis")
_EDEMA = ("ed", "edema", "peritumoraledema")
ALIASES = {
    "NETC": ("netc", "ncr", "net", "nonenhnecrosis", *_NECROTIC, *_NOT_ENHANCING, *_BOTH),
    "SNFH": ("snfh", "surroundingflairhyperintensity", "peritumoraledemasnf", *_EDEMA),
    "ED": _EDEMA,
    "ET": ("et", "enhancing", "enhancingtumor", "enhancingtissue", "enhtumor"),
    "RC": ("rc", "resectioncavity", "cavity"),
    "CC": ("cc", "cysticcomponent", "cyst"),
    "WT": ("wt", "wholetumor", "whole"),
    "TC": ("tc", "tumorcore", "core"),
    "tumour": ("tumor", "lesion", "pdac", "cancer"),
    "pancreas": ("pancreas",),
}


PREPARED = "prepared_from"  # the key of dataset.json by which one that `prepare` wrote is known


class LabelsError(Refusal):
    """The names in dataset.json do not say which value is which label."""


def training_values_by_name(dataset: Mapping[str, Any], scheme: Scheme) -> dict[str, int]:
    """Find the training value of each of the scheme's labels, from the names in dataset.json.

    A label is recognised by the set of named labels and regions that it belongs to, so region
    training (WT, TC, ET) implies 1 = NETC without naming it.

    Raises:
        LabelsError: some value is not recognised; the user must say with --labels.
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
    expected = {label: tuple(label in names for _, names in known) for label in scheme.labels}
    value_of = {
        label: matching[0]
        for label, wanted in expected.items()
        if any(wanted)
        and len(matching := [value for value in values if signature[value] == wanted]) == 1
    }
    if sorted(value_of.values()) != values:
        raise LabelsError(
            f"dataset.json labels {dict(dataset['labels'])} do not say which value is which of "
            f"{', '.join(scheme.labels)}; say so with --labels NAME=VALUE,..."
        )
    return value_of


def agreed_labels(dataset: Mapping[str, Any], scheme: Scheme) -> dict[str, int]:
    """Return the training value of each label, where the names can be trusted.

    Raises:
        LabelsError: they cannot; the user must say with --labels.
    """
    value_of = training_values_by_name(dataset, scheme)
    if are_trusted(dataset, value_of, scheme):
        return value_of
    label_of = {value: label for label, value in scheme.labels.items()}
    readings = [_written(value_of)]
    if all(value in label_of for value in value_of.values()):
        readings.append(_written({label_of[value]: value for value in value_of.values()}))
    raise LabelsError(
        f"dataset.json names {readings[0]}, where {scheme.name} has {_written(scheme.labels)}; say "
        f"which of them the training labels hold: --labels {' or --labels '.join(readings)}"
    )


def are_trusted(dataset: Mapping[str, Any], value_of: Mapping[str, int], scheme: Scheme) -> bool:
    """Return whether names in dataset.json mean what they say.

    They do where `prepare` wrote them, where they agree with the challenge's values, and where
    they number its labels 1, 2, 3, ... in the order of values that have gaps, as nnU-Net demands.
    Other names may be a team's order, or the wrong names of the challenge's: a published report
    lists ET first of labels whose first is NETC. Nothing in the folder says which of the two it is.
    """
    challenge_values = {label: scheme.labels[label] for label in value_of}
    return PREPARED in dataset or value_of in (challenge_values, _without_gaps(scheme))


def _without_gaps(scheme: Scheme) -> dict[str, int]:
    """Return the challenge's labels numbered 1, 2, 3, ... in the order of their values."""
    ordered = sorted(scheme.labels, key=lambda label: scheme.labels[label])
    return {label: number for number, label in enumerate(ordered, 1)}


def _written(names: Mapping[str, int]) -> str:
    ordered = sorted(names.items(), key=lambda pair: pair[1])
    return ",".join(f"{name}={value}" for name, value in ordered)


def _recognised(name: str, scheme: Scheme) -> str | None:
    plain, names = _plain(name), [*scheme.labels, *scheme.regions]
    return next((n for n in names if plain == _plain(n) or plain in ALIASES.get(n, ())), None)


def _plain(name: str) -> str:
    """Return a name in lower case, in American spelling, letters and digits alone."""
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    return plain.replace("tumour", "tumor").replace("oedema", "edema")
