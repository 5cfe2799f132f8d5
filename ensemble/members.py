"""One network of an ensemble, as an entry of a manifest's members describes it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from challenge.orientation import check_axis_code
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Head, Scheme
from ensemble.dataset import channel_order, label_values, read_head
from ensemble.exported_member import MEMBER_FILE, PROGRAM_FILES, read_description
from ensemble.heads import can_become, common_head
from ensemble.member_weights import (
    WeightError,
    channel_names,
    channel_weights,
    is_zero,
    read_weight,
)
from ensemble.plans import Plan, PlansError, read_plan

MANIFEST = "MANIFEST.json"
TRAINED_ON = "training_case_sha256"  # of an entry's provenance
CPU_BACKENDS = ("", "torch")
PREVIOUS_STAGE, FEEDS_ONLY = "previous_stage", "feeds_only"  # of an entry of a cascade


class ManifestError(Refusal):
    """The weights are not what their manifest says; nothing is loaded."""


@dataclass(frozen=True)
class Member:
    """One network of the ensemble."""

    name: str
    checkpoint: Path
    weight: float  # where they differ by channel, the mean
    plan: Plan
    sequences: tuple[str, ...]  # input channels, in the member's order
    head: Head
    group: str = ""  # whose logits are averaged together, if the network is the same
    orientation: str | None = None  # axis code that images are brought into; None: as stored
    training_axes: tuple[str, ...] = ()  # axis codes of its training images, where recorded
    # (channel,) of the ensemble's head; (): `weight` for all of them
    channel_weights: tuple[float, ...] = ()
    small_weight: float | None = None  # in small cases, where the model has weights for those
    donor: str = ""  # the region that it is run for where the average has none; "": it is averaged
    trained_on: frozenset[str] | None = None  # `hash_cases` of its training; None: not recorded
    cpu_backend: str = ""  # one of CPU_BACKENDS, that runs it on a CPU; "": the default one
    previous_stage: str = ""  # group whose labels a cascade's second stage sees; "": no cascade
    stage_labels: tuple[str, ...] = ()  # these labels, in the order of its input channels
    feeds_only: bool = False  # run for the second stage of a cascade, and not averaged

    @property
    def is_averaged(self) -> bool:
        """Return whether the answer is a mean of it and others, on every case."""
        return self.weight > 0 and not self.donor and not self.feeds_only

    @property
    def channels_in(self) -> int:
        """Return the number of the network's input channels."""
        return len(self.sequences) + len(self.stage_labels)


def read_member(entry: Mapping[str, Any], manifest: Mapping[str, Any], folder: Path) -> Member:
    """Describe one entry of a manifest; weights by channel are those of `with_channel_weights`.

    Raises:
        Refusal: something of it cannot be followed.
    """
    home, scheme = PurePosixPath(entry["folder"]), SCHEMES[manifest["scheme"]]
    program = PROGRAM_FILES.get(entry.get("format", ""))
    if "format" in entry and program is None:
        known = ", ".join(PROGRAM_FILES)
        raise ManifestError(
            f"{folder / MANIFEST}: format {entry['format']!r} is not one of {known}"
        )
    is_exported = program is not None
    checkpoint = home / f"fold_{entry['fold']}" / (program or f"{entry['checkpoint']}.pth")
    described_by = (MEMBER_FILE,) if is_exported else ("plans.json", "dataset.json")
    unlisted = {str(checkpoint), *(str(home / name) for name in described_by)} - set(
        manifest["files"]
    )
    if unlisted:
        raise ManifestError(f"{folder / MANIFEST}: {', '.join(sorted(unlisted))} not in its files")
    content, *others = (_json(folder / home / name) for name in described_by)
    if is_exported:
        description = read_description(content, scheme, home.name)
        plan, sequences, head = description.plan, description.sequences, description.head
    else:
        plan, sequences, head = _read_trained(content, others[0], entry, scheme)
    weight = read_weight(entry["weight"], str(checkpoint))
    donor = _donor_region(entry, scheme)
    orientation = entry.get("orientation") or plan.orientation
    return Member(
        name=str(checkpoint),
        checkpoint=folder / checkpoint,
        weight=weight if isinstance(weight, float) else float(not is_zero(weight)),
        plan=plan,
        sequences=sequences,
        head=head,
        group=str(entry.get("group", "")),
        orientation=orientation and check_axis_code(orientation),
        training_axes=tuple(map(check_axis_code, entry.get("training_axes", ()))),
        donor=donor,
        trained_on=_trained_on(entry),
        cpu_backend=_cpu_backend(entry, folder),
        previous_stage=str(entry.get(PREVIOUS_STAGE, "")),
        stage_labels=() if plan.previous_stage is None else _stage_labels(entry, others[0]),
        feeds_only=entry.get(FEEDS_ONLY) is True,
    )


def _stage_labels(entry: Mapping[str, Any], dataset: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the foreground labels of a cascade by rising value, as nnU-Net orders their masks."""
    return tuple(str(entry["labels"][str(value)]) for value in label_values(dataset))


def _trained_on(entry: Mapping[str, Any]) -> frozenset[str] | None:
    hashes = (entry.get("provenance") or {}).get(TRAINED_ON)
    return None if hashes is None else frozenset(map(str, hashes))


def _cpu_backend(entry: Mapping[str, Any], folder: Path) -> str:
    name = entry.get("cpu_backend", "")
    if name not in CPU_BACKENDS:
        raise ManifestError(f"{folder / MANIFEST}: cpu_backend {name!r} is not torch")
    return str(name)


def _read_trained(
    plans: Mapping[str, Any], dataset: Mapping[str, Any], entry: Mapping[str, Any], scheme: Scheme
) -> tuple[Plan, tuple[str, ...], Head]:
    """Return what nnU-Net's files say of a member: its plan, sequences and head."""
    plan = read_plan(plans, entry["configuration"])
    sequences = channel_order(dataset, scheme)
    if len(sequences) != len(plan.normalisation):
        channels = f"{len(sequences)} channels, {len(plan.normalisation)} in plans"
        raise PlansError(f"{entry['folder']}: {channels}")
    names = {int(value): str(name) for value, name in entry["labels"].items()}
    return plan, sequences, read_head(dataset, names)


def with_channel_weights(
    members: Sequence[Member], entries: Sequence[Mapping[str, Any]], scheme: Scheme
) -> tuple[tuple[Member, ...], Head]:
    """Give members the weights of their entries; return them with the ensemble's head.

    Raises:
        HeadError: those that are averaged have no head in common, or a donor cannot be brought to
            it.
        WeightError: a weight that does not fit the head's channels, or a channel without any.
    """
    averaged = [member for member in members if member.is_averaged]
    if members and not averaged:
        raise WeightError("no member is averaged: each is a donor, or its weight is 0")
    head = common_head(averaged)
    weighted = []
    for member, entry in zip(members, entries, strict=True):
        if member.donor and not can_become(member.head, head):
            raise WeightError(f"donor {member.name}: its labels cannot become the ensemble's")
        weights = read_weight(entry["weight"], member.name)
        if isinstance(weights, Mapping) and not is_zero(weights):
            each = channel_weights(weights, head, scheme, member.name)
            member = replace(member, weight=sum(each) / len(each), channel_weights=each)
        weighted.append(member)
    for channel, name in enumerate(channel_names(head, scheme)):
        if not any(_weight_of(m, channel) for m in weighted if m.is_averaged):
            raise WeightError(f"no member has a weight for {name}")
    return tuple(weighted), head


def _weight_of(member: Member, channel: int) -> float:
    return member.channel_weights[channel] if member.channel_weights else member.weight


def _donor_region(entry: Mapping[str, Any], scheme: Scheme) -> str:
    """Return the region that an entry is a donor of, "" where it is averaged.

    Raises:
        WeightError: no region of the challenge, or one that takes an empty answer; or weights by
            channel, which a donor has no use for.
    """
    if "donor" not in entry:
        return ""
    region, who = entry["donor"], f"{entry['folder']}: donor"
    if fault := donor_fault(region, scheme):
        raise WeightError(f"{who} {fault}")
    if isinstance(entry["weight"], Mapping):
        raise WeightError(f"{who} of {region}: its weight is a number, among the donors of it")
    return str(region)


def donor_fault(region: Any, scheme: Scheme) -> str | None:
    """Say why a challenge has no use for a donor of a region, or None."""
    names = dict.fromkeys((*scheme.regions, *scheme.labels))
    if not isinstance(region, str) or region not in names:
        return f"of {region!r}: {scheme.name} has {', '.join(names)}"
    if not scheme.when_empty:
        return f"of {region}: {scheme.name} takes an empty answer, so that it would never be run"
    return None


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ManifestError(f"{path}: not JSON ({error})") from error
