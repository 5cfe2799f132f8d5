"""Checkpoints as training writes them, opened without running anything; what is kept of them."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy._core.multiarray as np_multiarray
import torch


def slim_checkpoint(content: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what inference reads, in half precision, with shared tensors stored once."""
    halves: dict[int, torch.Tensor] = {}
    weights = {}
    for key, value in content["network_weights"].items():
        # nnU-Net lists each encoder tensor four times over, sharing one storage.
        half = halves.setdefault(value.data_ptr(), _half(value))
        weights[key.removeprefix("module.").removeprefix("_orig_mod.")] = half
    axes = content.get("inference_allowed_mirroring_axes")
    return {
        "network_weights": weights,
        # The stock trainer's name, so that stock nnU-Net opens it; the true one is in the manifest.
        "trainer_name": "nnUNetTrainer",
        "init_args": {"configuration": content["init_args"]["configuration"]},
        "inference_allowed_mirroring_axes": tuple(axes) if axes else None,
    }


def _half(value: torch.Tensor) -> torch.Tensor:
    half = value.half() if value.is_floating_point() else value
    return half.clone() if torch.isfinite(half).all() else value.clone()


def read_training_checkpoint(path: Path) -> dict[str, Any]:
    """Open a checkpoint as training wrote it, allowing plain numpy numbers and no other code."""
    numbers: list[Any] = [np_multiarray.scalar, np.dtype, np.ndarray, np_multiarray._reconstruct]
    kinds = [type(np.dtype(name)) for name in ("float64", "float32", "int64", "int32", "bool")]
    try:
        with torch.serialization.safe_globals([*numbers, *kinds]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError) as error:
        raise SystemExit(f"{path}: cannot be opened as numbers and tensors ({error})") from error
    return dict(content)
