"""Networks that plans.json may name: class name -> where it stands and what it takes.

Nothing is imported because a file names it. The classes are those of
dynamic_network_architectures 0.4.4 that map volumes to logits, and ours.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ensemble.plans import OPERATION_KEYS, Plan, PlansError
from ensemble.torchvision_operations import import_torchvision

UNETS = "dynamic_network_architectures.architectures.unet"
PRIMUS = "dynamic_network_architectures.architectures.primus"


@dataclass(frozen=True)
class Architecture:
    """Where a class of networks stands, and how it calls what is not in its `arch_kwargs`."""

    module: str
    classes: str = "num_classes"  # argument: how many channels come out
    is_supervised: bool = True  # takes `deep_supervision`
    has_fixed_patch: bool = False  # takes `input_shape`, and no tile of another size
    takes_slices: bool = False  # may be 2-D, by its `conv_op`
    multiple: int = 0  # of which sides of a tile are; 0: of the product of its `strides`


_UNET = Architecture(UNETS, takes_slices=True)
_PRIMUS = Architecture(PRIMUS, is_supervised=False, has_fixed_patch=True)
_SIZED_PRIMUS = Architecture(PRIMUS, "output_channels", is_supervised=False, has_fixed_patch=True)
ARCHITECTURES: Mapping[str, Architecture] = {
    "AttentionUNet": Architecture("ensemble.attention", takes_slices=True),
    "MedNeXt": Architecture("ensemble.mednext", multiple=16),
    "PlainConvUNet": _UNET,
    "ResidualEncoderUNet": _UNET,
    "ResidualUNet": _UNET,
    "Primus": _PRIMUS,
    "PrimusV2": _PRIMUS,
    "PrimusV3": _PRIMUS,
    **{f"Primus{kind}{size}": _SIZED_PRIMUS for kind in ("", "V2", "V3") for size in "SBML"},
}
# The operations that plans.json may name.
OPERATIONS: Mapping[str, type[nn.Module]] = {
    operation.__name__: operation
    for operation in (
        *(nn.Conv2d, nn.Conv3d, nn.Dropout, nn.Dropout2d, nn.Dropout3d),
        *(nn.InstanceNorm2d, nn.InstanceNorm3d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm),
        *(nn.LeakyReLU, nn.ReLU, nn.ReLU6, nn.GELU, nn.ELU, nn.SELU, nn.SiLU, nn.Mish, nn.PReLU),
    )
}
# What classes raise at arguments that they cannot take.
UNBUILDABLE = (
    *(TypeError, ValueError, AssertionError, IndexError, RuntimeError),
    *(ArithmeticError, ImportError),
)
# Facts by which timm's rotary embedding is built anew.
ROTARY_FACTS = (
    *("dim", "max_res", "temperature", "in_pixels", "linear_bands"),
    *("feat_shape", "ref_feat_shape", "grid_offset", "grid_indexing"),
)


def construct(plan: Plan, channels_in: int, channels_out: int) -> nn.Module:
    """Build the network of a plan on the meta device: without values, without deep supervision.

    Raises:
        PlansError: plans.json names a class or an operation that is not known here, arguments that
            the class does not take, or a patch that it cannot be built for.
    """
    if plan.network not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise PlansError(f"plans.json: network {plan.network!r} is not one of {known}")
    row = ARCHITECTURES[plan.network]
    arguments = {key: _resolved(key, value) for key, value in plan.arguments.items()}
    _check_dimensions(plan, row, arguments)
    sizes: dict[str, Any] = {"input_channels": channels_in, row.classes: channels_out}
    if row.is_supervised:
        sizes["deep_supervision"] = False
    if row.has_fixed_patch:
        _check_patch(plan)
        sizes["input_shape"] = plan.patch
    try:
        build = _class_of(row, plan.network)
        with torch.device("meta"):
            network = build(**{**arguments, **sizes})
    except UNBUILDABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PlansError(f"plans.json: {plan.network} cannot be built ({reason})") from error
    return network.eval()


def has_fixed_patch(plan: Plan) -> bool:
    """Return whether a plan's network takes tiles of the plan's patch alone."""
    row = ARCHITECTURES.get(plan.network)
    return row is not None and row.has_fixed_patch


def multiples_of(plan: Plan) -> tuple[int, ...]:
    """Return what the sides of a tile (z, y, x) must be multiples of.

    Of a network that takes its patch alone, as exported programs do, that is the patch.
    """
    row = ARCHITECTURES.get(plan.network)
    if row is None or row.has_fixed_patch:
        return plan.patch
    if row.multiple:
        return (row.multiple,) * 3
    sides = len(plan.patch) - plan.sees_slices
    strides = np.prod([np.broadcast_to(stride, sides) for stride in plan.arguments["strides"]], 0)
    return (*((1,) if plan.sees_slices else ()), *strides.tolist())


def fill_rotary_embeddings(network: nn.Module) -> None:
    """Compute the rotary embeddings of a network, which no checkpoint holds, on the CPU."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child).__name__ == "RotaryEmbeddingCat":
                facts = {fact: getattr(child, fact) for fact in ROTARY_FACTS}
                with torch.device("cpu"):
                    setattr(parent, name, type(child)(**facts))


def _class_of(row: Architecture, name: str) -> type[nn.Module]:
    if row.module == PRIMUS:
        import_torchvision()
    network_class: type[nn.Module] = getattr(importlib.import_module(row.module), name)
    return network_class


def _check_dimensions(plan: Plan, row: Architecture, arguments: Mapping[str, Any]) -> None:
    """Refuse a network of volumes for slices, or the other way round.

    Raises:
        PlansError: the message names the network, and its convolution where that decides it.
    """
    kind = "2-D" if plan.sees_slices else "3-D"
    if plan.sees_slices and not row.takes_slices:
        raise PlansError(f"plans.json: {plan.network} is 3-D, {plan.configuration} is 2-D")
    convolution, other = (nn.Conv2d, nn.Conv3d) if plan.sees_slices else (nn.Conv3d, nn.Conv2d)
    if arguments.get("conv_op") is other:
        raise PlansError(
            f"plans.json: conv_op {other.__name__} of {plan.network}, but {plan.configuration} is "
            f"{kind}: {convolution.__name__}"
        )


def _check_patch(plan: Plan) -> None:
    """Refuse a patch that the tokens of a transformer do not fill.

    Raises:
        PlansError: the message names the patch and what its sides must be multiples of.
    """
    token, patch = plan.arguments.get("patch_embed_size"), "x".join(map(str, plan.patch))
    is_size = isinstance(token, list | tuple) and len(token) == 3
    if not is_size or not all(isinstance(side, int) and side > 0 for side in token or ()):
        raise PlansError(f"plans.json: patch_embed_size {token!r} is not three sizes")
    if any(side % by for side, by in zip(plan.patch, token or (), strict=True)):
        sides = "x".join(map(str, token or ()))
        raise PlansError(
            f"plans.json: patch_size {patch}: {plan.network} takes sides that are multiples of "
            f"{sides}"
        )
    shape = plan.arguments.get("input_shape", plan.patch)
    if list(shape) != list(plan.patch):
        raise PlansError(f"plans.json: input_shape {shape} of {plan.network} is not patch {patch}")


def _resolved(key: str, value: Any) -> Any:
    """Turn a dotted operation name into its class; other values stay as they are."""
    if key not in OPERATION_KEYS or value is None:
        return value
    home, _, name = str(value).rpartition(".")
    if key == "block":
        from dynamic_network_architectures.building_blocks.residual import BasicBlockD, BottleneckD

        blocks = {block.__name__: block for block in (BasicBlockD, BottleneckD)}
        if name in blocks and home.startswith("dynamic_network_architectures."):
            return blocks[name]
        raise PlansError(f"plans.json: block {value!r} is not one of {sorted(blocks)}")
    if name not in OPERATIONS or not f"{home}.".startswith("torch.nn."):
        raise PlansError(f"plans.json: {key} {value!r} is not one of {sorted(OPERATIONS)}")
    return OPERATIONS[name]
