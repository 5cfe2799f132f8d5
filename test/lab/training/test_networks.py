"""Our networks are the published ones, stage by stage."""

import json
from pathlib import Path

import pytest

from lab.training.networks import architecture, strides_of


def published(path: Path, configuration: str) -> dict:
    return json.loads(path.read_text())["configurations"][configuration]


def test_strides_of_the_published_glioma_plan(shared_data: Path) -> None:
    """BraTS 2023, Ferreira et al.: 128 x 160 x 112 at 1 mm, written in the older format."""
    folder = shared_data / "nnunet-plans" / "Dataset232_BraTS_2023_rGANs"
    plan = published(next(folder.rglob("plans.json")), "3d_fullres")
    assert plan["patch_size"] == [128, 160, 112]
    assert plan["spacing"] == [1.0, 1.0, 1.0]
    assert strides_of((128, 160, 112), 6) == plan["pool_op_kernel_sizes"]


def test_resenc_l_is_nnunets_preset(shared_data: Path) -> None:
    path = shared_data / "nnunet-plans" / "nnUNetResEncUNetLPlansMultiTalent.json"
    for plan in json.loads(path.read_text())["configurations"].values():
        theirs = plan.get("architecture", {}).get("arch_kwargs", {})
        if theirs.get("n_blocks_per_stage") and plan["patch_size"] == [192, 192, 192]:
            ours = architecture("resenc-l", plan["patch_size"])
            break
    else:
        pytest.fail("no configuration of 192 voxels a side")
    assert ours["network_class_name"] == plan["architecture"]["network_class_name"]
    for key in (
        "n_stages",
        "features_per_stage",
        "kernel_sizes",
        "strides",
        "n_blocks_per_stage",
        "n_conv_per_stage_decoder",
        "conv_bias",
        "norm_op",
        "nonlin",
    ):
        assert ours["arch_kwargs"][key] == theirs[key], key


def test_plain_6_is_what_nnunet_plans_for_glioma(shared_data: Path) -> None:
    folder = shared_data / "nnunet-plans" / "Dataset501_BraTSGoAT"
    plan = published(next(folder.rglob("plans.json")), "3d_fullres")
    theirs = plan["architecture"]
    ours = architecture("plain-6", plan["patch_size"])
    assert ours["network_class_name"] == theirs["network_class_name"]
    for key in (
        "n_stages",
        "features_per_stage",
        "strides",
        "n_conv_per_stage",
        "n_conv_per_stage_decoder",
    ):
        assert ours["arch_kwargs"][key] == theirs["arch_kwargs"][key], key


@pytest.mark.parametrize(
    ("patch", "stages", "last"),
    [((64, 64, 64), 5, [2, 2, 2]), ((48, 64, 64), 5, [1, 2, 2]), ((192, 192, 192), 6, [2, 2, 2])],
)
def test_the_last_stride(patch: tuple[int, ...], stages: int, last: list[int]) -> None:
    assert strides_of(patch, stages)[-1] == last


def test_a_patch_that_is_too_small_is_named() -> None:
    with pytest.raises(ValueError, match="patch 16x16x16: too small for 6 stages"):
        strides_of((16, 16, 16), 6)
