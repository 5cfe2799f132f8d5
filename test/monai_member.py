"""Tiny networks of MONAI as a training script leaves them: member.json, and a state_dict a fold."""

import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from exported import description
from torch import nn

from challenge.scheme import SCHEMES
from lab.training.monai_networks import Architecture, Sizes, build_network

needs_monai = pytest.mark.skipif(
    importlib.util.find_spec("monai") is None, reason="MONAI is an extra of packing"
)
SEQUENCES = SCHEMES["brats-gli"].sequences
PATCH = (16, 16, 16)
SEGRESNET = Architecture(
    "SegResNet", {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1], "dropout_prob": 0.2}
)
# Its deepest level, a 32nd of the patch, needs more than one voxel.
SWIN_PATCH = (32, 32, 64)
SWIN = Architecture(
    "SwinUNETR",
    {"feature_size": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "use_checkpoint": True},
)


def trained(
    architecture: Architecture = SEGRESNET, patch: Sequence[int] = PATCH, seed: int = 0
) -> nn.Module:
    """Return a network with random weights, those of its last layer large: few voxels are ties."""
    torch.manual_seed(seed)
    network, _ = build_network(architecture, Sizes(len(SEQUENCES), 5, tuple(patch)))
    last = [value for name, value in network.named_parameters() if name.endswith("weight")][-1]
    nn.init.normal_(last, std=2)
    return network


def describe(
    network: Architecture | None = SEGRESNET, patch: Sequence[int] = PATCH, **changes: Any
) -> dict[str, Any]:
    """Return a member.json; `changes` replace keys, None removes one."""
    named = {} if network is None else {"architecture": network.to_json()}
    content = description(SEQUENCES, network=None, torch=None, patch=list(patch), mirror_axes=[])
    content |= named | {"transpose": [2, 1, 0], "orientation": "RAS"} | changes
    return {key: value for key, value in content.items() if value is not None}


def write_folder(
    folder: Path, content: Mapping[str, Any], checkpoints: Sequence[Any], name: str = "weights.pt"
) -> Path:
    """Write member.json, and what each fold's checkpoint holds."""
    folder.mkdir(parents=True)
    (folder / "member.json").write_text(json.dumps(content))
    for fold, checkpoint in enumerate(checkpoints):
        (folder / f"fold_{fold}").mkdir()
        torch.save(checkpoint, folder / f"fold_{fold}" / name)
    return folder


def write_bundle(
    folder: Path, network: nn.Module, content: Mapping[str, Any] | None, **changes: Any
) -> Path:
    """Write a bundle; `content` is its member.json, `changes` replace keys of inference.json."""
    config = {
        "imports": ["$import os"],
        "patch": list(PATCH),
        "filters": 8,
        "network_def": {
            "_target_": "SegResNet",
            "in_channels": 4,
            "out_channels": 5,
            "init_filters": "@filters",
            "blocks_down": [1, 1],
            "blocks_up": [1],
        },
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
                {"_target_": "Spacingd", "keys": "image", "pixdim": [1, 1, 1]},
                {"_target_": "NormalizeIntensityd", "nonzero": True, "channel_wise": True},
            ],
        },
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": "@patch",
            "overlap": 0.5,
            "mode": "gaussian",
            "progress": "$True",
        },
    }
    metadata = {
        "network_data_format": {
            "inputs": {"image": {"channel_def": {"0": "T1", "1": "T1c", "2": "T2", "3": "FLAIR"}}},
            "outputs": {"pred": {"channel_def": {"0": "background", "1": "NETC"}}},
        }
    }
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps({**config, **changes}))
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    if content is not None:
        (folder / "member.json").write_text(json.dumps(content))
    return folder
