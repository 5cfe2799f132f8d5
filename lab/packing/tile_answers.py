"""A network's answers to one tile: stock, as trained, as packed, by default; how far they differ.

as_trained   stock and ours, nothing rounded: is it the same network?
rounding     ours as trained and ours as packed, in half precision
backend      ours as packed, by torch and by default
as_packed    the first and the last, all of it
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import expit

from challenge.refusal import Refusal
from challenge.scheme import Head, Scheme, labels_from
from ensemble.backends import REFERENCE, usable
from ensemble.manifest import Member
from lab.packing.random_tile import deviations_apart, logits_of
from lab.packing.stock_prediction import STOCK


class ProofError(Refusal):
    """What was packed does not say what stock nnU-Net says."""


@dataclass(frozen=True)
class Limit:
    """How far apart two answers may lie, and what it means if they lie further."""

    deviations: float  # of logits, in standard deviations of the first answer
    least_agreement: float  # share of voxels that are decided alike
    beyond: str


# Measured on the networks that ship (2026-11-28): stock and ours differ by up to 1.0e-5 deviations,
# torch and OpenVINO by 3e-4 (`cpu_backend` has that limit), weights before and after rounding by
# 1e-2 (9e-5 of the voxels). The least that a wrong network differs by is 3e-3 (epsilon 1e-3), where
# 5e-6 of the voxels tell; with a leaky slope of 0.02 it is 0.1, and 99.94 % of the voxels still
# agree. So logits are judged too.
LIMITS: Mapping[str, Limit] = {
    "as_trained": Limit(
        1e-3,
        0.999,
        f"our network is not {STOCK}'s: the same weights give another answer (was it trained with "
        "another activation or norm than plans.json has?)",
    ),
    "rounding": Limit(0.1, 0.99, "its weights give another answer in half precision"),
}


@dataclass(frozen=True)
class Answer:
    """A network's answer to a tile."""

    logits: np.ndarray  # (channel, z, y, x)
    labels: np.ndarray  # (z, y, x) uint8, in the scheme's values


def decisions(logits: np.ndarray, head: Head, scheme: Scheme) -> np.ndarray:
    """Turn logits (channel, z, y, x) into labels (z, y, x) in the scheme's values."""
    return labels_from(expit(logits) if head.kind == "regions" else logits, head, scheme)


def difference(first: Answer, second: Answer) -> dict[str, Any]:
    """Return how far the second answer lies from the first."""
    apart = float(np.abs(first.logits - second.logits).max())
    deviations = deviations_apart(first.logits, second.logits)
    differing = int((first.labels != second.labels).sum())
    return {
        "voxels": first.labels.size,
        "differing": differing,
        "agreement": 1 - differing / first.labels.size,
        "logits": float(f"{apart:.3g}"),
        "logits_in_deviations": float(f"{deviations:.3g}"),
    }


def default_backend() -> str:
    """Return the backend that runs members on a CPU unless something else is recorded."""
    return next(backend.name for backend in usable(torch.device("cpu")) if backend.exact)


def our_answers(
    tile: torch.Tensor, member: Member, trained: Path, scheme: Scheme
) -> dict[str, Answer]:
    runs = {
        "trained": (replace(member, checkpoint=trained), REFERENCE),
        "packed": (member, REFERENCE),
        "default": (member, default_backend()),
    }
    answers = {}
    for name, (which, backend) in runs.items():
        try:
            logits = logits_of(which, tile, backend)
        except RuntimeError as error:  # sides that do not halve, more memory than there is
            shape, why = "x".join(map(str, tile.shape[1:])), str(error).splitlines()[0]
            raise ProofError(f"{member.name}: does not run on a tile of {shape} ({why})") from error
        answers[name] = Answer(logits, decisions(logits, member.head, scheme))
    return answers


def differences(answers: Mapping[str, Answer]) -> Iterator[tuple[str, dict[str, Any]]]:
    pairs = {
        "as_trained": ("stock", "trained"),
        "rounding": ("trained", "packed"),
        "backend": ("packed", "default"),
        "as_packed": ("stock", "default"),
    }
    for name, (first, second) in pairs.items():
        if first in answers:
            yield name, difference(answers[first], answers[second])


def is_beyond(limit: Limit, apart: Mapping[str, Any]) -> bool:
    """Return whether two answers lie further apart than they may, or are no numbers."""
    deviations, agreement = apart["logits_in_deviations"], apart["agreement"]
    return not (deviations <= limit.deviations and agreement >= limit.least_agreement)


def refuse_beyond(limit: Limit, apart: Mapping[str, Any], member: Member) -> None:
    if is_beyond(limit, apart):
        raise ProofError(
            f"{member.name}: {limit.beyond}: {apart['differing']:,} of {apart['voxels']:,} voxels "
            "of a random tile are decided otherwise, logits differ by "
            f"{apart['logits_in_deviations']:.2g} of their deviation, {limit.deviations:g} allowed"
        )
