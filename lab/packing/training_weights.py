"""The weights of a training script's checkpoint, whatever they are wrapped in.

Trainers save a `state_dict` bare, or under a key beside epoch and optimizer; DDP, torch.compile and
Lightning put a prefix before its names. Which of these were taken off is said.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ensemble.network import CheckpointError, differing_tensors, single
from lab.training.checkpoints import read_plain_training_file

# Keys that trainers save weights under: Lightning, MONAI's CheckpointSaver and bundles, others.
WRAPPINGS = ("state_dict", "model_state_dict", "model", "net", "network", "network_weights")
PREFIXES = ("module.", "_orig_mod.", "network.", "net.", "model.", "_model.")


@dataclass(frozen=True)
class TrainingWeights:
    """Weights by the network's names."""

    tensors: Mapping[str, torch.Tensor]
    unwrapped: tuple[str, ...]  # what was taken off, in words


def read_weights(path: Path, names: Collection[str]) -> TrainingWeights:
    """Open a checkpoint without running code and unwrap its weights.

    Args:
        path: of the checkpoint.
        names: of the network's tensors.

    Raises:
        CheckpointError: it holds more than tensors and plain values, no weights, or several.
    """
    content, keys = read_plain_training_file(path), []
    while not _is_state_dict(content):
        present = [key for key in WRAPPINGS if isinstance(content, Mapping) and key in content]
        if len(present) != 1:
            raise CheckpointError(f"{path}: {_no_weights(content, present)}")
        keys.append(f"the key {present[0]!r}")
        content = content[present[0]]
    prefix = _best_prefix(content, names)
    inside = {
        key.removeprefix(prefix): value for key, value in content.items() if key.startswith(prefix)
    }
    words = [*keys, *([f"the prefix {prefix!r}"] if prefix else [])]
    if outside := [key for key in content if not key.startswith(prefix)]:
        words.append(f"{len(outside)} tensors that are not the network's, {outside[0]} first")
    return TrainingWeights({key: single(value) for key, value in inside.items()}, tuple(words))


def fill(network: nn.Module, weights: TrainingWeights, path: Path, described_by: str) -> None:
    """Set the weights of a network, every tensor of both.

    Raises:
        CheckpointError: the message names what is lacking, more, or of another size.
    """
    try:
        network.load_state_dict(weights.tensors, strict=True)
    except RuntimeError as error:
        reason = differing_tensors(network, weights.tensors, described_by)
        raise CheckpointError(f"{path}: not the network of {described_by} ({reason})") from error
    network.float()


def _is_state_dict(content: Any) -> bool:
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(value, torch.Tensor) for value in content.values())
    )


def _no_weights(content: Any, present: list[str]) -> str:
    if present:
        return f"holds weights under {' and '.join(present)}; save the one that is meant"
    keys = list(content) if isinstance(content, Mapping) else []
    there = f"has {', '.join(map(str, keys[:8]))}" if keys else f"is a {type(content).__name__}"
    return f"holds no state_dict, bare or under {', '.join(WRAPPINGS)}; it {there}"


def _best_prefix(weights: Mapping[str, torch.Tensor], names: Collection[str]) -> str:
    """Return the prefix before which the most of the network's names stand, the shortest first."""
    prefixes = dict.fromkeys(prefix for key in weights for prefix in _prefixes(key))
    return max(
        sorted(prefixes, key=len),
        key=lambda prefix: sum(prefix + name in weights for name in names),
    )


def _prefixes(key: str) -> Iterator[str]:
    prefix: str | None = ""
    while prefix is not None:
        yield prefix
        longer = (prefix + each for each in PREFIXES if key.startswith(prefix + each))
        prefix = next(longer, None)
