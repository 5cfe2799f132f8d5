"""Tiny networks with random weights, of every kind that plans.json may name."""

from collections.abc import Mapping
from typing import Any

import tiny
from torch import nn

from ensemble.network import build_network
from ensemble.plans import read_plan

BATCH_NORM = {"norm_op": "torch.nn.modules.batchnorm.BatchNorm3d"}
BOTTLENECK = {
    "block": "dynamic_network_architectures.building_blocks.residual.BottleneckD",
    "bottleneck_channels": [4, 4, 4],
}


def plans(kind: str, **arguments: Any) -> dict[str, Any]:
    """Return plans.json of a network; `arguments` go to its class."""
    whole = tiny.plans(network=kind)
    taken = whole["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]
    taken.update(arguments)
    if kind == "ResidualUNet":
        taken["n_blocks_per_stage"] = taken.pop("n_conv_per_stage")
    return whole


NETWORKS: Mapping[str, dict[str, Any]] = {
    "plain": plans("PlainConvUNet"),
    "residual": plans("ResidualEncoderUNet"),
    "gated": plans("AttentionUNet"),
    "residual-both": plans("ResidualUNet"),
    "bottleneck": plans("ResidualEncoderUNet", **BOTTLENECK),
    "batch-norm": plans("PlainConvUNet", **BATCH_NORM),
    "activation-first": plans("PlainConvUNet", nonlin_first=True),
    "other-activation": plans("PlainConvUNet", nonlin="torch.nn.PReLU", nonlin_kwargs={}),
}


def network(name: str) -> nn.Module:
    """Build a network of NETWORKS for four channels and five classes."""
    built = build_network(read_plan(NETWORKS[name], "3d_fullres"), 4, 5)
    built.load_state_dict(tiny.random_weights(built, seed=1), assign=True)
    return built.requires_grad_(False).eval()
