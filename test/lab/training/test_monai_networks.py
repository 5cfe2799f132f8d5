"""MONAI's networks by name: their sizes are those of member.json, the rest is plain values."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from exported import save
from monai_member import needs_monai

from challenge.refusal import Refusal
from ensemble.exported_network import load_exported
from lab.training.monai_networks import (
    NETWORKS,
    Architecture,
    Sizes,
    build_network,
    check_patch,
    read_architecture,
    require_monai,
)

pytestmark = needs_monai
SIZES = Sizes(4, 5, (32, 32, 64))
SMALL = Sizes(4, 5, (16, 16, 32))
SMALLEST: dict[str, dict[str, Any]] = {
    "SwinUNETR": {"feature_size": 12, "depths": [1] * 4, "num_heads": [1, 1, 2, 2]},
    "UNETR": {"feature_size": 4, "hidden_size": 24, "mlp_dim": 24, "num_heads": 2},
    "SegResNet": {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]},
    "SegResNetDS": {"init_filters": 8, "blocks_down": [1, 1, 1], "dsdepth": 2},
    "DynUNet": {
        "kernel_size": [3, 3, 3, 3],
        "strides": [1, 2, 2, 2],
        "upsample_kernel_size": [2, 2, 2],
        "filters": [4, 8, 8, 8],
        "norm_name": ["INSTANCE", {"affine": True}],
        "deep_supervision": True,
    },
    "UNet": {"channels": [4, 8], "strides": [2], "num_res_units": 1, "norm": "batch"},
    "BasicUNet": {"features": [4, 4, 4, 8, 8, 4]},
    "AttentionUnet": {"channels": [4, 8], "strides": [2]},
    "VNet": {"act": ["elu", {"inplace": True}]},
    "MedNeXt": {"init_filters": 4, "blocks_down": [1, 1], "blocks_up": [1, 1], "kernel_size": 3},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "SwinUNETR"])
def test_a_network_becomes_a_program_of_any_number_of_tiles(tmp_path: Path, name: str) -> None:
    """SwinUNETR is packed whole in test_pack_monai.py."""
    torch.manual_seed(0)
    network, left_out = build_network(Architecture(name, SMALLEST[name]), SMALL)
    check_patch(network, Architecture(name, SMALLEST[name]), SMALL)
    assert left_out == []
    path = save(network, tmp_path / "program.pt2", SMALL.channels, SMALL.patch)
    ours = load_exported(path)
    assert ours.graph.tile_shape == (None, 4, *SMALL.patch)
    tiles = torch.randn((1, 4, *SMALL.patch))
    with torch.inference_mode():
        assert torch.equal(ours(tiles), network(tiles))


@pytest.mark.parametrize(
    "written", ["SwinUNETR", "monai.networks.nets.SwinUNETR", "monai.networks.nets.x.SwinUNETR"]
)
def test_a_class_is_named_as_monai_names_it(written: str) -> None:
    assert read_architecture({"class": written}, "member.json").name == "SwinUNETR"


@pytest.mark.parametrize(
    "content",
    [
        {"class": "os.system"},
        {"class": "mine.SwinUNETR"},
        {"class": "monai.networks.nets"},
        {"class": "BasicUNetPlusPlus"},  # it returns a list
        {"class": 4},
        {},
    ],
)
def test_other_classes_are_not_imported(content: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="is not among SwinUNETR, UNETR"):
        read_architecture(content, "member.json")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("SegResNet", {"filters": 8}, "SegResNet has no argument 'filters', only spatial_dims"),
        ("SegResNet", {"in_channels": 1}, "in_channels is 1, member.json's channels, head and"),
        ("SegResNet", {"out_channels": 3}, "out_channels is 3"),
        ("UNETR", {"img_size": 96}, r"img_size is 96, .* say \[32, 32, 64\]"),
        ("SegResNet", {"spatial_dims": 2}, "spatial_dims is 2"),
        ("SegResNet", {"act": "$import os"}, "'\\$import os', and nothing is evaluated"),
        ("SegResNet", {"norm": ["GROUP", {"num_groups": "@x"}]}, "'@x', and nothing is evaluated"),
        ("SegResNet", {"init_filters": float("nan")}, "which is no plain value"),
        ("SegResNet", {"init_filters": 7}, "SegResNet cannot be built for a patch of 32x32x64"),
    ],
)
def test_arguments_that_cannot_be_followed_are_named(
    name: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refusal, match=message):
        build_network(Architecture(name, arguments), SIZES)


def test_arguments_of_training_and_of_older_versions_are_left_out() -> None:
    old = {**SMALLEST["SwinUNETR"], "img_size": [32, 32, 64], "use_checkpoint": True}
    network, left_out = build_network(Architecture("SwinUNETR", old), SIZES)
    assert left_out == ["img_size", "use_checkpoint"]
    assert not network.training


@pytest.mark.parametrize(
    ("name", "patch", "message"),
    [
        pytest.param(
            "SwinUNETR",
            (48, 48, 48),
            "SwinUNETR cannot take the patch of 48x48x48 that member.json says .*; sides that are "
            "multiples of 32, such as 64x64x64, it takes",
            marks=pytest.mark.slow,
        ),
        ("SegResNet", (16, 16, 15), "multiples of 2, such as 16x16x16"),
    ],
)
def test_a_patch_that_cannot_be_halved_is_named_with_the_number(
    name: str, patch: tuple[int, int, int], message: str
) -> None:
    architecture, sizes = Architecture(name, SMALLEST[name]), Sizes(4, 5, patch)
    network, _ = build_network(architecture, sizes)
    with pytest.raises(Refusal, match=message):
        check_patch(network, architecture, sizes)


def test_without_monai_a_line_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Refusal, match=r"needed for its networks: pip install monai==1\.6\.1"):
        require_monai()
