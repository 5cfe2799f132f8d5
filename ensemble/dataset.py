"""nnU-Net's dataset.json as plain facts: what a member's input and output channels are.

In every spelling that nnU-Net 2.8.1 reads: nnunetv2's `utilities/label_handling` for labels,
`determine_num_input_channels` for channels (`modality` is how nnU-Net wrote them at first).
"""

from collections.abc import Mapping
from typing import Any

from challenge.scheme import Head, Scheme
from ensemble.plans import PlansError

# What teams call the BraTS sequences in dataset.json, lower case, letters and digits alone.
SYNONYMS = {
    "t1n": ("t1n", "t1", "t1w", "t1native", "t1pre"),
    "t1c": ("t1c", "t1ce", "t1gd", "t1wce", "t1post", "t1km"),
    "t2w": ("t2w", "t2"),
    "t2f": ("t2f", "flair", "t2flair", "t2wflair"),
}
SEQUENCE_OF = {name: sequence for sequence, names in SYNONYMS.items() for name in names}


def read_head(dataset: Mapping[str, Any], names: Mapping[int, str]) -> Head:
    """Read what a member's output channels mean.

    A label written as a list of two values or more makes nnU-Net train regions; channels then
    follow the order of dataset.json, and `regions_class_order` says which label
    each one paints. `names` holds the name of each label value.

    Raises:
        PlansError: labels that nnU-Net refuses too, are not consecutive, or have no name.
    """
    labels = _declared_labels(dataset)
    if not any(_is_region(value) and len(value) > 1 for value in labels.values()):
        values = label_values(dataset)
        if values != list(range(1, len(values) + 1)):
            raise PlansError(f"dataset.json: labels {values} are not consecutive from 1")
        softmax = [_name(value, names) for value in values]
        return Head("softmax", ((), *((name,) for name in softmax)), ("", *softmax))
    regions = [values_of(value) for value in labels.values() if not _is_background(value)]
    order = dataset.get("regions_class_order")
    paints = [values_of(value)[0] for value in order] if isinstance(order, list) else order
    if paints is None or len(paints) != len(regions):
        raise PlansError(f"dataset.json: {len(regions)} regions but regions_class_order {paints}")
    channels = tuple(tuple(_name(value, names) for value in region) for region in regions)
    return Head("regions", channels, tuple(_name(value, names) for value in paints))


def label_values(dataset: Mapping[str, Any]) -> list[int]:
    """Return the values that a member may give, ascending, without background and `ignore`.

    Raises:
        PlansError: labels that nnU-Net 2.8.1 refuses too.
    """
    declared = _declared_labels(dataset)
    values = sorted({value for entry in declared.values() for value in values_of(entry)} - {0})
    ignored = dataset["labels"].get("ignore")
    if ignored is not None and ignored != max(values, default=0) + 1:
        raise PlansError(f"dataset.json: ignore label {ignored!r} is not the highest value")
    return values


def channel_names(dataset: Mapping[str, Any]) -> list[str]:
    """Return the names of a member's input channels, in order.

    Raises:
        PlansError: neither `channel_names` nor `modality`, or both and of different number.
    """
    lists = [dataset[key] for key in ("channel_names", "modality") if key in dataset]
    if not lists or len({len(each) for each in lists}) > 1:
        counts = " and ".join(str(len(each)) for each in lists) or "no"
        raise PlansError(f"dataset.json: {counts} channel_names; name them with --channels")
    channels = lists[0]  # the names that nnU-Net's planner reads where it finds both
    if isinstance(channels, list):
        return [str(name) for name in channels]
    try:
        return [str(channels[key]) for key in sorted(channels, key=int)]
    except (ValueError, TypeError, AttributeError) as error:
        raise PlansError(f"dataset.json: channels {channels} are not numbered") from error


def channel_order(dataset: Mapping[str, Any], scheme: Scheme) -> tuple[str, ...]:
    """Return the sequences that a member's input channels are, in its order.

    Raises:
        PlansError: the channels are not the scheme's sequences, or have no names.
    """
    names = channel_names(dataset)
    order = tuple(sequence_of(name, scheme) or name for name in names)
    if len(names) == len(scheme.sequences) == 1:
        return scheme.sequences
    if sorted(order) != sorted(scheme.sequences):
        raise PlansError(
            f"dataset.json: channels {names} are not {list(scheme.sequences)}; "
            "name them when packing (--channels)"
        )
    return order


def sequence_of(name: str, scheme: Scheme) -> str | None:
    """Return the sequence that a team's name means, of the scheme first; None if unknown."""
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    return plain if plain in scheme.sequences else SEQUENCE_OF.get(plain)


def values_of(label: Any) -> list[int]:
    """Return the values that an entry of `labels` stands for: a number, its text, or a list."""
    try:
        return [int(value) for value in label] if _is_region(label) else [int(label)]
    except (ValueError, TypeError) as error:
        raise PlansError(f"dataset.json: label value {label!r} is not a whole number") from error


def _declared_labels(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return name -> value or values of all labels but `ignore`, background included."""
    labels = dataset.get("labels")
    if not isinstance(labels, Mapping) or not labels:
        raise PlansError(f"dataset.json: labels {labels!r} are not an object of names")
    if "background" not in labels:
        swapped = {str(value): int(key) for key, value in labels.items() if str(key).isdigit()}
        advice = f"; write them as nnU-Net 2 does, {swapped}" if len(swapped) == len(labels) else ""
        raise PlansError(f"dataset.json: labels {dict(labels)} name no background{advice}")
    background = labels["background"]
    if _is_region(background) or values_of(background) != [0]:
        raise PlansError(f"dataset.json: background {background!r} is not 0")
    return {name: value for name, value in labels.items() if name != "ignore"}


def _is_region(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _is_background(value: Any) -> bool:
    # Of a region's head nnU-Net drops the number 0 alone, not the text "0".
    return set(value) == {0} if _is_region(value) else bool(value == 0)


def _name(value: int, names: Mapping[int, str]) -> str:
    if value not in names:
        raise PlansError(f"dataset.json: label {value} has no name (known: {dict(names)})")
    return names[value]
