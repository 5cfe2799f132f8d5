"""Checkpoints as training writes them, opened without running code, and cut to what is packed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ensemble.network import open_checkpoint, plain_key, read_plain
from lab.training.pickled_numbers import STANDINS


def slim_checkpoint(content: Mapping[str, Any], half: bool = False) -> dict[str, Any]:
    """Keep what inference reads, with shared tensors stored once.

    Args:
        content: of a checkpoint as training wrote it.
        half: round weights to half precision; one that is too large for it stays as it is.
    """
    stored: dict[tuple, torch.Tensor] = {}
    packed = _rounded if half else _exact
    weights = {}
    for key, value in content["network_weights"].items():
        # nnU-Net lists each encoder tensor four times over, sharing one storage.
        storage = (value.data_ptr(), value.shape, value.stride(), value.dtype)
        weights[plain_key(key)] = stored.setdefault(storage, packed(value))
    axes = content.get("inference_allowed_mirroring_axes")
    return {
        "network_weights": weights,
        # The stock trainer's name, so that stock nnU-Net opens it; the true one is in the manifest.
        "trainer_name": "nnUNetTrainer",
        "init_args": {"configuration": content["init_args"]["configuration"]},
        "inference_allowed_mirroring_axes": tuple(int(axis) for axis in axes) if axes else None,
    }


def _exact(value: torch.Tensor) -> torch.Tensor:
    # Stock nnU-Net's networks are float32, whatever the checkpoint holds.
    return value.float() if value.dtype == torch.float64 else value.clone()


def _rounded(value: torch.Tensor) -> torch.Tensor:
    half = value.half() if value.is_floating_point() else value
    return half.clone() if torch.isfinite(half).all() else _exact(value)


def read_training_checkpoint(path: Path) -> dict[str, Any]:
    """Open a checkpoint as training wrote it: tensors, plain values, numpy's numbers, no code.

    Raises:
        CheckpointError: it holds anything else, or no network's weights.
    """
    with torch.serialization.safe_globals(list(STANDINS)):
        return open_checkpoint(path)


def read_plain_training_file(path: Path) -> Any:
    """Return whatever a training saved in a file: tensors, plain values, numpy's numbers, no code.

    Raises:
        CheckpointError: it holds anything else.
    """
    with torch.serialization.safe_globals(list(STANDINS)):
        return read_plain(path)
