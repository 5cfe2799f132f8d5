"""Networks are built from plans as nnU-Net builds them, or refused by name."""

import json
from pathlib import Path

import pytest
import tiny
import torch

from ensemble.network import build_network, fill_network
from ensemble.plans import PlansError, read_plan


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
    # nnU-Net's figure for this network with four channels and five outputs
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 2) == 30.79


def test_the_same_network_as_nnunet_builds(shared_data: Path) -> None:
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    plan = post_treatment(shared_data)
    stock = get_network_from_plans(
        "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        dict(plan.arguments),
        ["conv_op", "norm_op", "dropout_op", "nonlin"],
        4,
        5,
        deep_supervision=False,
    )
    ours = build_network(plan, 4, 5)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in stock.state_dict().items()
    }


def test_foreign_networks_and_layers_are_never_imported() -> None:
    plans = tiny.plans(network="ResNet18")
    with pytest.raises(
        PlansError, match="'ResNet18' is not one of AttentionUNet, MedNeXt, PlainConvUNet"
    ):
        build_network(read_plan(plans, "3d_fullres"), 4, 5)
    plans = tiny.plans()
    architecture = plans["configurations"]["3d_fullres"]["architecture"]
    # torch has a LeakyReLU; the one of another package is another.
    for foreign in ("os.system", "own.LeakyReLU", "LeakyReLU"):
        architecture["arch_kwargs"]["nonlin"] = foreign
        with pytest.raises(PlansError, match=f"nonlin '{foreign}' is not one of"):
            build_network(read_plan(plans, "3d_fullres"), 4, 5)


def primus(patch: tuple = (16, 16, 24), **arguments: object) -> dict:
    plans = tiny.primus_plans("Primus", patch)
    plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"] |= arguments
    return plans


@pytest.mark.parametrize(
    ("plans", "message"),
    [
        (primus((16, 20, 24)), "patch_size 16x20x24: Primus takes sides that are multiples of 8x8"),
        (primus(patch_embed_size=8), "patch_embed_size 8 is not three sizes"),
        (primus(patch_embed_size=[8, 8, 0]), r"patch_embed_size \[8, 8, 0\] is not three sizes"),
        (
            primus(input_shape=[24, 16, 16]),
            r"input_shape \[24, 16, 16\] of Primus is not patch",
        ),
        (primus(rope_impl="os.system"), "Primus cannot be built"),
        (primus(decoder_act="torch.nn.GELU"), "Primus cannot be built"),
        (primus(embed_dim=14), "Primus cannot be built"),
        (primus(squeeze_excitation=True), "Primus cannot be built .*squeeze_excitation"),
    ],
)
def test_a_transformer_that_cannot_be_built_is_refused_by_name(plans: dict, message: str) -> None:
    with pytest.raises(PlansError, match=message):
        build_network(read_plan(plans, "3d_fullres"), 4, 5)


@pytest.mark.parametrize("network", ["Primus", "PrimusV2", "PrimusV3"])
def test_rotary_embeddings_come_with_the_weights_though_no_checkpoint_has_them(
    network: str,
) -> None:
    """They depend on the patch alone: each token's place (z, y, x) by sine and cosine."""
    plan = read_plan(tiny.primus_plans(network), "3d_fullres")
    built = build_network(plan, 4, 5)
    assert built.eva.rope.pos_embed.is_meta
    weights = tiny.random_weights(build_network(plan, 4, 5), seed=0)
    assert not any("rope" in name for name in weights)
    fill_network(built, weights)
    filled = built.eva.rope.pos_embed
    assert filled.shape == (2 * 2 * 3, 3 * 4)
    sines, cosines = filled.chunk(2, -1)
    torch.testing.assert_close(sines**2 + cosines**2, torch.ones(12, 6))
    # The first band turns by one radian a token: token 1 lies next to token 0 along x.
    torch.testing.assert_close(sines[0], torch.zeros(6))
    torch.testing.assert_close(
        sines[1], torch.tensor([0, 0, 0, 0, 1, 1]) * torch.sin(torch.ones(6))
    )
