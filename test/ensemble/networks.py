"""Tiny networks with random weights, of every kind that plans.json may name."""

from collections.abc import Mapping
from typing import Any

import tiny
from torch import nn

from ensemble.network import build_network, fill_network
from ensemble.plans import read_plan

BATCH_NORM = {"norm_op": "torch.nn.modules.batchnorm.BatchNorm3d"}
NO_NORM = {"norm_op": None, "norm_op_kwargs": None}
# torch's class takes the number of channels second, where the networks give them first: so it
# builds with as many groups as channels, and with as many channels in every stage.
GROUP_NORM = {
    "norm_op": "torch.nn.GroupNorm",
    "norm_op_kwargs": {"num_channels": 8, "eps": 1e-5},
    "features_per_stage": [8, 8, 8],
}
DROPOUT = {"dropout_op": "torch.nn.Dropout3d", "dropout_op_kwargs": {"p": 0.5}}
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
    "stem": plans("ResidualEncoderUNet", stem_channels=4),
    "batch-norm": plans("PlainConvUNet", **BATCH_NORM),
    "residual-batch-norm": plans("ResidualEncoderUNet", **BATCH_NORM),
    "no-norm": plans("PlainConvUNet", **NO_NORM),
    "group-norm": plans("PlainConvUNet", **GROUP_NORM),
    "dropout": plans("PlainConvUNet", **DROPOUT),
    "activation-first": plans("PlainConvUNet", nonlin_first=True),
    "other-activation": plans("PlainConvUNet", nonlin="torch.nn.PReLU", nonlin_kwargs={}),
    "primus": tiny.primus_plans("Primus"),
    "primus-v2": tiny.primus_plans("PrimusV2"),
    "primus-v3": tiny.primus_plans("PrimusV3"),
}
# Beside NETWORKS, whose tests take tiles of 16 x 16 x 24: these halve a tile four times.
DEEP = {
    "mednext": tiny.mednext_plans(),
    "mednext-5": tiny.mednext_plans(kernel_size=5, supervised=False),
}
TRANSFORMERS = ("primus", "primus-v2", "primus-v3")


def network(name: str) -> nn.Module:
    """Build a network of NETWORKS or DEEP for four channels and five classes."""
    built = build_network(read_plan({**NETWORKS, **DEEP}[name], "3d_fullres"), 4, 5)
    fill_network(built, tiny.random_weights(built, seed=1))
    return built.requires_grad_(False).eval()
