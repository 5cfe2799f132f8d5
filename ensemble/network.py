"""nnU-Net plans + checkpoint -> network: the one seam to nnU-Net's architectures.

Networks are built from the plans alone, without nnU-Net's search for the trainer class, and
checkpoints are opened as tensors and strings only, so that no foreign code ever runs.
"""

import pickle
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from challenge.git_lfs import NOT_FETCHED, is_pointer
from challenge.refusal import Refusal
from ensemble.architectures import construct, fill_rotary_embeddings
from ensemble.plans import Plan


class CheckpointError(Refusal):
    """A checkpoint holds more than tensors and plain values, or not the network of its plans."""


# What torch raises at a file that is no checkpoint, or half of one.
UNREADABLE = (
    *(pickle.UnpicklingError, struct.error, EOFError, OSError, RuntimeError, AssertionError),
    *(ValueError, KeyError, TypeError, IndexError, AttributeError),
)


def build_network(plan: Plan, channels_in: int, channels_out: int) -> nn.Module:
    """Build the network of a plan, without deep supervision and without memory for its weights.

    Raises:
        PlansError: it cannot be built, see `construct`.
    """
    return construct(plan, channels_in, channels_out)


def load_network(network: nn.Module, checkpoint: Path) -> nn.Module:
    """Fill a network from a checkpoint.

    Raises:
        CheckpointError: the file holds more than tensors and plain values, or not this network.
    """
    content = open_checkpoint(checkpoint)
    try:
        fill_network(network, content["network_weights"])
    except CheckpointError as error:
        raise CheckpointError(f"{checkpoint}: {error}") from error
    return network.requires_grad_(False)


def checkpoint_mirror_axes(checkpoint: Path) -> tuple[int, ...]:
    """Return the axes that a network was mirrored along in training; its weights stay on disk.

    Axes are the network's, 0 the first spatial one.

    Raises:
        CheckpointError: the file holds more than tensors and plain values.
    """
    content = open_checkpoint(checkpoint, only_mapped=True)
    return tuple(content.get("inference_allowed_mirroring_axes") or ())


def fill_network(network: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Set the weights of a network, in single precision and in place.

    Raises:
        CheckpointError: other tensors than the network's; the message says which.
    """
    tensors = {plain_key(key): single(value) for key, value in weights.items()}
    try:
        network.load_state_dict(tensors, strict=True, assign=True)
    except RuntimeError as error:
        reason = differing_tensors(network, tensors, "plans.json")
        raise CheckpointError(f"not the network of plans.json ({reason})") from error
    fill_rotary_embeddings(network)
    if empty := [name for name, value in network.named_buffers() if value.is_meta]:
        raise CheckpointError(f"no checkpoint holds {empty[0]}, and it cannot be computed")


def open_checkpoint(path: Path, only_mapped: bool = False) -> dict[str, Any]:
    """Open a checkpoint on the CPU with `weights_only=True`.

    Args:
        path: of the file.
        only_mapped: tensors are read from the file when they are used.

    Raises:
        CheckpointError: not a checkpoint, or it holds more than tensors and plain values.
    """
    content = read_plain(path, only_mapped)
    weights = content.get("network_weights") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not weights:
        raise CheckpointError(f"{path}: holds no network_weights")
    if odd := [key for key, value in weights.items() if not isinstance(value, torch.Tensor)]:
        raise CheckpointError(f"{path}: network_weights {odd[0]!r} is no tensor")
    return dict(content)


def read_plain(path: Path, only_mapped: bool = False) -> Any:
    """Return what a file of `torch.save` holds, on the CPU, opened with `weights_only=True`.

    Raises:
        CheckpointError: not such a file, or it holds more than tensors and plain values.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=only_mapped)
    except UNREADABLE as error:
        reason = NOT_FETCHED if path.is_file() and is_pointer(path) else _reason(error)
        raise CheckpointError(f"{path}: cannot be opened as plain tensors ({reason})") from error


def plain_key(key: str) -> str:
    """Return a weight's name without what DDP and torch.compile put before it, in any order."""
    while (shorter := key.removeprefix("module.").removeprefix("_orig_mod.")) != key:
        key = shorter
    return key


def single(value: torch.Tensor) -> torch.Tensor:
    """Return a tensor in single precision, where it holds fractions."""
    return value.float() if value.is_floating_point() else value


def differing_tensors(
    network: nn.Module, weights: Mapping[str, torch.Tensor], described_by: str
) -> str:
    """Return how weights differ from a network's, by name and size.

    Args:
        network: as it was described.
        weights: of a checkpoint.
        described_by: the file that describes the network.
    """
    planned = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    loaded = {key: tuple(value.shape) for key, value in weights.items()}
    lacking, more = sorted(planned.keys() - loaded.keys()), sorted(loaded.keys() - planned.keys())
    sizes = [key for key in planned if key in loaded and planned[key] != loaded[key]]
    reasons = []
    if any(key.endswith("running_mean") for key in more):
        batch_norm = "it holds the running means of a batch norm"
        reasons.append(f"{batch_norm}, which {described_by} does not name")
    if lacking:
        reasons.append(f"it lacks {len(lacking)} tensors, {lacking[0]} first")
    if more:
        reasons.append(f"it has {len(more)} tensors more, {more[0]} first")
    if sizes:
        key = sizes[0]
        reasons.append(
            f"{len(sizes)} tensors differ in size, {key} first: {loaded[key]} where "
            f"{described_by} says {planned[key]}"
        )
    return "; ".join(reasons) or "its tensors cannot be taken"


def _reason(error: Exception) -> str:
    """Return why torch did not open a file, without its advice to open it unsafely."""
    text = " ".join(str(error).split())
    if foreign := re.search(r"GLOBAL (\S+) was not an allowed global", text):
        return f"it holds {foreign[1]}, and only code of its own could read that"
    if inner := re.search(r"WeightsUnpickler error: (.*?)( Check the documentation|$)", text):
        text = inner[1]
    return text[:200] or type(error).__name__
