"""What goes into and comes out of a source's networks, in the challenge's names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from challenge.channels import sequence_of
from challenge.scheme import Head, Scheme
from ensemble.dataset import channel_names, channel_order, label_values, read_head
from lab.data.label_aliases import LabelsError, agreed_labels, training_values_by_name
from lab.packing.label_options import parse_channels, parse_labels
from lab.packing.painted_regions import contradictions, order_without_any
from lab.packing.trained_folder import PackError, TrainedFolder


@dataclass(frozen=True)
class Channels:
    """Input and output channels of a source's networks."""

    sequences: tuple[str, ...]  # of the input
    labels: Mapping[str, int]  # name -> value in the training labels
    head: Head  # of the output


def channels_of(folder: TrainedFolder, scheme: Scheme, labels: str, channels: str) -> Channels:
    """Read dataset.json, or what the user says instead; print how it was understood.

    Args:
        folder: whose dataset.json.
        scheme: the challenge whose names are used.
        labels: what --labels says, or nothing.
        channels: what --channels says, or nothing.

    Raises:
        Refusal: labels or channels that are unclear or not the challenge's.
    """
    values = label_values(folder.dataset)
    names = parse_labels(labels, values, scheme) if labels else None
    if names is None:
        names = agreed_labels(folder.dataset, scheme)
    else:
        _print_contradiction(folder, scheme, names)
    head = read_head(folder.dataset, {value: name for name, value in names.items()})
    _print_contradictory_regions(folder, head, names)
    if channels:
        sequences = tuple(parse_channels(channels, scheme))
    else:
        sequences = channel_order(folder.dataset, scheme)
        _check_single(folder, scheme)
    words = ", ".join(f"{value} {name}" for name, value in sorted(names.items(), key=_by_value))
    print(f"{folder.name}: labels {words}; channels {', '.join(sequences)}")
    return Channels(sequences, names, head)


def named_dataset(
    dataset: Mapping[str, Any], channels: Channels, is_renamed: bool
) -> dict[str, Any]:
    """Return dataset.json for the packed model, its channels named as the user says."""
    if not is_renamed:
        return dict(dataset)
    others = {key: value for key, value in dataset.items() if key != "modality"}
    return others | {"channel_names": {str(i): s for i, s in enumerate(channels.sequences)}}


def _by_value(pair: tuple[str, int]) -> int:
    return pair[1]


def _print_contradiction(folder: TrainedFolder, scheme: Scheme, names: Mapping[str, int]) -> None:
    try:
        named = training_values_by_name(folder.dataset, scheme)
    except LabelsError:
        return
    if named != names:
        print(f"{folder.name}: dataset.json names {named}; taken as --labels says")


def _print_contradictory_regions(
    folder: TrainedFolder, head: Head, names: Mapping[str, int]
) -> None:
    if not (faults := list(contradictions(head))):
        return
    order = order_without_any(head, names)
    advice = f"; {order} would contradict no region" if order else ""
    now = folder.dataset["regions_class_order"]
    print(
        f"{folder.name}: dataset.json: regions_class_order {now}: {'; '.join(faults)}; painted so, "
        f"as in nnU-Net{advice}"
    )


def _check_single(folder: TrainedFolder, scheme: Scheme) -> None:
    """Refuse one channel whose name says another contrast than the challenge's."""
    names, wanted = channel_names(folder.dataset), scheme.sequences[0]
    if len(names) != 1:
        return
    known = sequence_of(names[0], scheme)
    if known and known[:2] != wanted[:2]:
        raise PackError(
            f"{folder.name}/dataset.json: channel {names[0]!r} is not {wanted} of {scheme.name}; "
            f"if it is, say --channels {wanted}"
        )
