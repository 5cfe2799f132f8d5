"""nnU-Net plans + checkpoint -> network: the one seam to nnU-Net's architectures.

Networks are built from the plans alone, without nnU-Net's search for the trainer class, and
checkpoints are opened as tensors and strings only, so that no foreign code ever runs.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from challenge.refusal import Refusal
from ensemble.plans import Plan, PlansError


class CheckpointError(Refusal):
    """A checkpoint holds more than tensors and plain values, or not the network of its plans."""


# The names that plans.json may speak of. Nothing else is imported on a file's word.
OPERATIONS: Mapping[str, type[nn.Module]] = {
    operation.__name__: operation
    for operation in (
        nn.Conv2d, nn.Conv3d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.BatchNorm2d,
        nn.BatchNorm3d, nn.Dropout2d, nn.Dropout3d, nn.LeakyReLU, nn.ReLU, nn.GELU,
    )
}  # fmt: skip


def build_network(plan: Plan, channels_in: int, channels_out: int) -> nn.Module:
    """Build the network of a plan, without deep supervision and without memory for its weights."""
    from dynamic_network_architectures.architectures import unet

    from ensemble.attention import AttentionUNet

    classes = {
        "AttentionUNet": AttentionUNet,
        "PlainConvUNet": unet.PlainConvUNet,
        "ResidualEncoderUNet": unet.ResidualEncoderUNet,
    }
    if plan.network not in classes:
        raise PlansError(f"plans.json: network {plan.network!r} is not one of {sorted(classes)}")
    arguments = {key: _resolved(key, value) for key, value in plan.arguments.items()}
    # On the meta device nothing is initialised: the checkpoint brings every value.
    with torch.device("meta"):
        network: nn.Module = classes[plan.network](
            input_channels=channels_in,
            num_classes=channels_out,
            deep_supervision=False,
            **arguments,
        )
    return network.eval()


def load_network(network: nn.Module, checkpoint: Path) -> tuple[nn.Module, tuple[int, ...]]:
    """Fill a network from a checkpoint; return it with the axes it may be mirrored along.

    Raises:
        CheckpointError: the file holds more than tensors and plain values, or not this network.
    """
    content = open_checkpoint(checkpoint)
    weights = {
        key.removeprefix("module.").removeprefix("_orig_mod."): _single(value)
        for key, value in content["network_weights"].items()
    }
    try:
        network.load_state_dict(weights, strict=True, assign=True)
    except RuntimeError as error:
        raise CheckpointError(f"{checkpoint}: not the network of plans.json ({error})") from error
    axes = content.get("inference_allowed_mirroring_axes")
    return network.requires_grad_(False), tuple(axes or ())


def open_checkpoint(path: Path) -> dict[str, Any]:
    """Open a slim checkpoint on the CPU with `weights_only=True`."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: cannot be opened as plain tensors ({reason})") from error
    if not isinstance(content, dict) or "network_weights" not in content:
        raise CheckpointError(f"{path}: holds no network_weights")
    return content


def _single(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.is_floating_point() else value


def _resolved(key: str, value: Any) -> Any:
    """Turn a dotted operation name into its class, others as they are."""
    if key not in ("conv_op", "norm_op", "dropout_op", "nonlin") or value is None:
        return value
    name = value.rsplit(".", 1)[-1]
    if name not in OPERATIONS:
        raise PlansError(f"plans.json: {key} {value!r} is not one of {sorted(OPERATIONS)}")
    return OPERATIONS[name]
