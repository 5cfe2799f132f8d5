"""nnU-Net's dataset.json as plain facts: what a member's input and output channels are.

In every spelling that nnU-Net 2.8.1 reads: nnunetv2's `utilities/label_handling` for labels,
`determine_num_input_channels` for channels (`modality` is how nnU-Net wrote them at first).
"""

from collections.abc import Mapping
from typing import Any

from challenge.channels import ChannelsError, numbered_names, sequence_of
from challenge.scheme import Head, Scheme
from ensemble.plans import PlansError


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
    try:
        return numbered_names(dataset)
    except ChannelsError as error:
        raise PlansError(f"dataset.json: {error}; name them with --channels") from error


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
