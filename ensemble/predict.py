"""A case through every member, averaged."""

import logging
import time

import numpy as np
import torch

from challenge.case import Case
from challenge.scheme import Head
from ensemble.manifest import Member, Model
from ensemble.network import build_network, load_network
from ensemble.preprocess import prepare, restore
from ensemble.sliding_window import predict_logits

log = logging.getLogger("podium")


def predict(case: Case, model: Model, device: torch.device) -> np.ndarray:
    """Return the ensemble's probabilities (channel, z, y, x), float32, on the case's own grid.

    The channels mean what `model.head` says. Members are loaded one at a time; each counts once,
    with its manifest weight over the sum of weights.
    """
    share = 1 / sum(member.weight for member in model.members)
    mean: np.ndarray | None = None
    for member in model.members:
        began = time.perf_counter()
        probabilities = predict_member(case, member, model, device)
        probabilities = to_head(probabilities, member.head, model.head)
        probabilities *= np.float32(member.weight * share)
        mean = probabilities if mean is None else np.add(mean, probabilities, out=mean)
        log.info("case=%s member=%s seconds=%.1f",
                 case.id, member.name, time.perf_counter() - began)  # fmt: skip
    if mean is None:
        raise ValueError(f"model {model.name} has no members")
    return mean


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
