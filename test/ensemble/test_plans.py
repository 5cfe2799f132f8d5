"""Plans and datasets of real teams, old format and new, read as they are meant."""

import json
from pathlib import Path

import pytest
import tiny
import torch

from challenge.scheme import SCHEMES
from ensemble.dataset import channel_order, read_head
from ensemble.network import build_network
from ensemble.plans import PlansError, read_plan

GLI = SCHEMES["brats-gli"]
NAMES = {1: "NETC", 2: "SNFH", 3: "ET", 4: "RC"}


def test_every_real_plan_parses_and_builds(shared_data: Path) -> None:
    built = 0
    for path in sorted((shared_data / "nnunet-plans").rglob("*lans*.json")):
        plans = json.loads(path.read_text())
        for configuration in plans.get("configurations", {}):
            if configuration == "2d":
                continue
            plan = read_plan(plans, configuration)
            network = build_network(plan, len(plan.normalisation), 3)
            assert sum(value.numel() for value in network.parameters()) > 1e7
            built += 1
    assert built == 9


def post_treatment(shared_data: Path):
    folder = shared_data / "nnunet-plans" / "Dataset501_BraTSGoAT"
    plans = json.loads(next(folder.rglob("plans.json")).read_text())
    return read_plan(plans, "3d_fullres")


def test_the_post_treatment_glioma_network(shared_data: Path) -> None:
    plan = post_treatment(shared_data)
    network = build_network(plan, 4, 5)
    assert plan.patch == (128, 160, 112)
    convolutions = [m for m in network.encoder.modules() if isinstance(m, torch.nn.Conv3d)]
    first = convolutions[::2]
    assert [c.out_channels for c in first] == [32, 64, 128, 256, 320, 320]
    assert [c.stride for c in first] == [
        (1,) * 3,
        (2,) * 3,
        (2,) * 3,
        (2,) * 3,
        (2,) * 3,
        (2, 2, 1),
    ]
    assert {c.kernel_size for c in convolutions} == {(3, 3, 3)}
    norms = [m for m in network.modules() if isinstance(m, torch.nn.InstanceNorm3d)]
    assert all(m.affine and m.eps == 1e-5 for m in norms) and norms
    assert any(isinstance(m, torch.nn.LeakyReLU) for m in network.modules())
    # nnU-Net's own figure for this network with four channels and five outputs
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 2) == 30.79


def test_the_same_network_as_nnunet_builds(shared_data: Path) -> None:
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    plan = post_treatment(shared_data)
    stock = get_network_from_plans(
        "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        dict(plan.arguments), ["conv_op", "norm_op", "dropout_op", "nonlin"], 4, 5,
        deep_supervision=False,
    )  # fmt: skip
    ours = build_network(plan, 4, 5)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in stock.state_dict().items()
    }


def test_old_plans_say_the_same_as_new(shared_data: Path) -> None:
    folder = shared_data / "nnunet-plans" / "Dataset232_BraTS_2023_rGANs"
    old = read_plan(json.loads(next(folder.rglob("plans.json")).read_text()), "3d_fullres")
    assert dict(old.arguments) == dict(post_treatment(shared_data).arguments)


def test_inheritance_takes_what_is_not_overridden() -> None:
    plans = tiny.plans()
    plans["configurations"]["large"] = {"inherits_from": "3d_fullres", "patch_size": [32, 32, 32]}
    plan = read_plan(plans, "large")
    assert plan.patch == (32, 32, 32)
    assert plan.spacing_mm == (1, 1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch_size": [16, 16]}, "not a 3-D configuration"),
        ({"previous_stage": "3d_lowres"}, "cascade"),
        ({"resampling_fn_data": "resample_torch"}, "'resample_torch' is not"),
    ],
)
def test_what_would_not_be_reproduced_is_refused(change: dict, message: str) -> None:
    with pytest.raises(PlansError, match=message):
        read_plan(tiny.plans(**change), "3d_fullres")


def test_foreign_networks_and_layers_are_never_imported() -> None:
    plans = tiny.plans(network="Primus")
    with pytest.raises(PlansError, match="'Primus' is not one of"):
        build_network(read_plan(plans, "3d_fullres"), 4, 5)
    plans = tiny.plans()
    architecture = plans["configurations"]["3d_fullres"]["architecture"]
    architecture["arch_kwargs"]["nonlin"] = "os.system"
    with pytest.raises(PlansError, match=r"nonlin 'os.system' is not one of"):
        build_network(read_plan(plans, "3d_fullres"), 4, 5)


def test_heads() -> None:
    softmax = read_head(tiny.dataset(), NAMES)
    assert softmax.kind == "softmax"
    assert softmax.channels == ((), ("NETC",), ("SNFH",), ("ET",), ("RC",))
    regions = read_head(tiny.dataset(tiny.REGIONS, order=tiny.REGION_ORDER), NAMES)
    assert regions.channels == (("NETC", "SNFH", "ET"), ("NETC", "ET"), ("ET",), ("RC",))
    assert regions.paints == ("SNFH", "NETC", "ET", "RC")


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["t1c", "t1", "t2f", "t2"], ("t1c", "t1n", "t2f", "t2w")),
        (["T1", "T1ce", "T2", "FLAIR"], ("t1n", "t1c", "t2w", "t2f")),
        (["t2f", "t1n", "t1c", "t2w"], ("t2f", "t1n", "t1c", "t2w")),
    ],
)
def test_channel_order_is_data(names: list[str], order: tuple[str, ...]) -> None:
    assert channel_order(tiny.dataset(channels=names), GLI) == order


def test_channels_that_cannot_be_told() -> None:
    with pytest.raises(PlansError, match="--channels"):
        channel_order(tiny.dataset(channels=["MRI", "MRI", "MRI", "MRI"]), GLI)
    assert channel_order(tiny.dataset(channels=["MRI"]), SCHEMES["panther-t1"]) == ("t1",)
