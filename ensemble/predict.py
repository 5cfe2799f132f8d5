"""A case through every member: averaged, and the members' votes counted."""

import logging
import time
from dataclasses import dataclass

import numpy as np
import torch

from challenge.case import Case
from challenge.scheme import Head, Scheme, labels_from
from ensemble.manifest import Member, Model
from ensemble.network import build_network, load_network
from ensemble.preprocess import prepare, restore
from ensemble.sliding_window import predict_logits

log = logging.getLogger("podium")


@dataclass(frozen=True)
class Prediction:
    """What the ensemble says of a case, on the case's own grid."""

    probabilities: np.ndarray  # (channel, z, y, x) float32
    votes: np.ndarray | None = None  # (z, y, x) float32, share of members that see tumour


def predict(
    case: Case, model: Model, device: torch.device, count_votes: bool = False
) -> Prediction:
    """Return the ensemble's probabilities and, if asked for, its members' votes for tumour.

    The channels mean what `model.head` says. Members are loaded one at a time; each counts once,
    with its manifest weight over the sum of weights.
    """
    share = 1 / sum(member.weight for member in model.members)
    mean: np.ndarray | None = None
    ballot: Ballot | None = None
    for member in model.members:
        began = time.perf_counter()
        probabilities = predict_member(case, member, model, device)
        probabilities = to_head(probabilities, member.head, model.head)
        if count_votes:
            ballot = ballot or Ballot(probabilities.shape[1:])
            labels = labels_from(probabilities, model.head, model.scheme)
            ballot.add(labels, model.scheme)
        probabilities *= np.float32(member.weight * share)
        mean = probabilities if mean is None else np.add(mean, probabilities, out=mean)
        log.info("case=%s member=%s seconds=%.1f",
                 case.id, member.name, time.perf_counter() - began)  # fmt: skip
    if mean is None:
        raise ValueError(f"model {model.name} has no members")
    return Prediction(mean, ballot.shares() if ballot else None)


class Ballot:
    """Counts in which voxels members see tumour, whatever their weights, in place."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._votes = np.zeros(shape, np.float32)
        self._members = 0

    def add(self, labels: np.ndarray, scheme: Scheme) -> None:
        """Count one member's labels (z, y, x)."""
        self._votes[scheme.mask(labels, scheme.tumour)] += 1
        self._members += 1

    def shares(self) -> np.ndarray:
        """Return the share of members that see tumour (z, y, x), float32."""
        return self._votes / np.float32(self._members)


def predict_member(case: Case, member: Member, model: Model, device: torch.device) -> np.ndarray:
    """Return one member's probabilities (channel, z, y, x) in its own head."""
    prepared = prepare(case, member.sequences, member.plan)
    network = build_network(member.plan, len(member.sequences), len(member.head.channels))
    network, mirror_axes = load_network(network, member.checkpoint)
    axes = mirror_axes if model.mirroring else ()
    window = (prepared.data, member.plan.patch, model.step, axes)
    try:
        logits = predict_logits(network.to(device), *window)
    except torch.OutOfMemoryError:
        # Slow beats dead: the platform gives no second chance.
        log.warning("case=%s does not fit the GPU's memory; going on on the CPU", case.id)
        logits = predict_logits(network.to("cpu"), *window)
    return restore(logits, prepared, member.plan, member.head)


def to_head(probabilities: np.ndarray, own: Head, target: Head) -> np.ndarray:
    """Bring probabilities (channel, z, y, x) from a member's head to the ensemble's."""
    if own == target:
        return np.ascontiguousarray(probabilities)
    if own.kind != "softmax" or target.kind != "regions":
        raise ValueError(f"{own} cannot be brought to {target}")
    of = {names[0]: i for i, names in enumerate(own.channels) if names}
    return np.stack(
        [probabilities[[of[name] for name in region]].sum(0) for region in target.channels]
    )
