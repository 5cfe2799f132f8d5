"""Plans and datasets of real teams, old format and new, read as they are meant."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from ensemble.network import build_network, fill_network
from ensemble.plans import PlansError, read_plan
from ensemble.resampling import new_shape, resample


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


def by_modality(plans: dict) -> None:
    key = "foreground_intensity_properties_per_channel"
    plans["foreground_intensity_properties_by_modality"] = plans.pop(key)


def in_both_spellings(plans: dict) -> None:
    other = {str(i): {"mean": 1.0} for i in range(4)}
    plans["foreground_intensity_properties_by_modality"] = other


def without_label_manager(plans: dict) -> None:
    del plans["label_manager"]


def inherited(plans: dict) -> None:
    first = plans["configurations"].pop("3d_fullres")
    patch = first.pop("patch_size")
    plans["configurations"] |= {
        "base": first,
        "between": {"inherits_from": "base", "batch_size": 9},
        "3d_fullres": {"inherits_from": "between", "patch_size": patch},
    }


def keywords_left_out(plans: dict) -> None:
    settings = plans["configurations"]["3d_fullres"]
    settings["resampling_fn_data_kwargs"] = {"order": 1}
    settings["resampling_fn_probabilities_kwargs"] = {}


def with_threshold(plans: dict) -> None:
    keywords = plans["configurations"]["3d_fullres"]["resampling_fn_data_kwargs"]
    plans["configurations"]["3d_fullres"]["resampling_fn_data_kwargs"] = keywords | {
        "separate_z_anisotropy_threshold": 1.5
    }


def without_masks(plans: dict) -> None:
    plans["configurations"]["3d_fullres"]["use_mask_for_norm"] = [None, False, True, None]


def transposed(plans: dict) -> None:
    plans |= {"transpose_forward": [2, 0, 1], "transpose_backward": [1, 2, 0]}


def resampled_in_torch(plans: dict) -> None:
    """As the plans of MultiTalent's pretrained networks: images in torch, logits by splines."""
    plans["configurations"]["3d_fullres"] |= {
        "resampling_fn_data": "resample_torch_fornnunet",
        "resampling_fn_data_kwargs": {
            "is_seg": False,
            "force_separate_z": False,
            "memefficient_seg_resampling": False,
            "num_threads": 8,
        },
    }


SPELLINGS = [
    by_modality,
    in_both_spellings,
    without_label_manager,
    tiny.before_2_4,
    inherited,
    keywords_left_out,
    with_threshold,
    without_masks,
    transposed,
    resampled_in_torch,
]


@pytest.mark.filterwarnings("ignore:Detected old nnU-Net plans format")
@pytest.mark.parametrize("spelt", SPELLINGS)
def test_a_plan_says_what_nnunets_managers_say(spelt: Callable) -> None:
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = tiny.plans(patch=(16, 24, 16))
    spelt(plans)
    plan = read_plan(plans, "3d_fullres")
    manager = PlansManager(copy.deepcopy(plans))
    theirs = manager.get_configuration("3d_fullres")
    assert (list(plan.spacing_mm), list(plan.patch)) == (theirs.spacing, theirs.patch_size)
    assert list(plan.transpose) == manager.transpose_forward
    assert list(plan.transpose_back) == manager.transpose_backward
    assert list(plan.normalisation) == theirs.normalization_schemes
    assert list(plan.inside_mask) == [bool(mask) for mask in theirs.use_mask_for_norm]
    properties = manager.foreground_intensity_properties_per_channel
    assert list(plan.intensities) == [properties[str(channel)] for channel in range(4)]
    assert theirs.network_arch_class_name.endswith(f".{plan.network}")
    assert dict(plan.arguments) == theirs.network_arch_init_kwargs
    assert manager.label_manager_class.__name__ == "LabelManager"
    assert theirs.preprocessor_class.__name__ == "DefaultPreprocessor"
    assert manager.image_reader_writer_class.__name__ == "SimpleITKIO"


@pytest.mark.parametrize(
    "spelt", [keywords_left_out, with_threshold, inherited, resampled_in_torch]
)
@pytest.mark.parametrize("which", ["data", "probabilities"])
def test_resampling_as_plans_say_is_nnunets(spelt: Callable, which: str) -> None:
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = tiny.plans()
    spelt(plans)
    plan = read_plan(plans, "3d_fullres")
    how = plan.image_resampling if which == "data" else plan.logit_resampling
    theirs = PlansManager(plans).get_configuration("3d_fullres")
    resampled = theirs.resampling_fn_data if which == "data" else theirs.resampling_fn_probabilities
    volumes = np.random.default_rng(3).normal(size=(1, 9, 12, 10)).astype(np.float32)
    old, new = (2.0, 1.0, 1.0), (1.0, 1.3, 1.3)
    shape = new_shape(volumes.shape[1:], old, new)
    expected = resampled(volumes, shape, old, new)
    np.testing.assert_allclose(resample(volumes, shape, old, new, how), expected, atol=1e-4)


def changed(**changes: object) -> dict:
    """Plans with top-level keys changed."""
    return tiny.plans() | changes


def without(key: str, **arguments: object) -> dict:
    plans = tiny.plans(**arguments)
    del plans["configurations"]["3d_fullres"][key]
    return plans


def with_network(**changes: object) -> dict:
    plans = tiny.plans()
    plans["configurations"]["3d_fullres"]["architecture"] |= changes
    return plans


def with_ct(**intensities: object) -> dict:
    """Plans of CT normalisation whose first channel has other intensities."""
    plans = tiny.plans(normalization_schemes=["CTNormalization"] * 4)
    properties = plans["foreground_intensity_properties_per_channel"]
    properties["0"] = properties["0"] | intensities
    return plans


KEYWORDS = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
LOOP = {"a": {"inherits_from": "3d_fullres"}, "3d_fullres": {"inherits_from": "a"}}


@pytest.mark.parametrize(
    ("plans", "message"),
    [
        (tiny.plans(patch_size=[16, 16]), "not a 3-D configuration"),
        (tiny.plans(previous_stage="3d_lowres"), "3d_fullres is a cascade's second stage"),
        (tiny.plans(resampling_fn_data="resample_torch"), "resampling_fn_data 'resample_torch' is"),
        (
            tiny.plans(
                resampling_fn_probabilities="no_resampling_hack",
                resampling_fn_probabilities_kwargs={},
            ),
            "would not come back to the image's grid",
        ),
        (tiny.plans(resampling_fn_probabilities="mine"), "'mine' is not one of resample_data_or_s"),
        (tiny.plans(resampling_fn_data_kwargs=KEYWORDS | {"mode": "linear"}), r"\['mode'\]: res"),
        (tiny.plans(resampling_fn_data_kwargs=KEYWORDS | {"is_seg": True}), "is_seg true resampl"),
        (tiny.plans(resampling_fn_data_kwargs=KEYWORDS | {"order": 7}), "order 7 cannot be"),
        (tiny.plans(resampling_fn_data_kwargs=KEYWORDS | {"force_separate_z": "yes"}), "z 'yes'"),
        (tiny.plans(preprocessor_name="Bias"), "preprocessor_name 'Bias' is not 'DefaultPreproc"),
        (tiny.plans(normalization_schemes=["Nyul"] * 4), "channel 0: normalisation 'Nyul' is not"),
        (tiny.plans(normalization_schemes=["RGBTo01Normalization"] * 4), "takes 0 to 255, but"),
        (tiny.plans(use_mask_for_norm=[True] * 3), "is not true or false for each of 4"),
        (tiny.plans(use_mask_for_norm=[1, 1, 1, 1]), "is not true or false"),
        (with_ct(std=None), "CTNormalization needs numbers, but the channel has std None"),
        (with_ct(mean=float("nan")), "the channel has mean nan"),
        (with_ct(percentile_99_5="700", std=9), "the channel has percentile_99_5 '700'"),
        (
            tiny.plans(spacing=["1", "1", "1"]),
            r"spacing \['1', '1', '1'\] of 3d_fullres is not thr",
        ),
        (tiny.plans(spacing=[1, 1, 0]), r"spacing \[1, 1, 0\] of 3d_fullres"),
        (tiny.plans(patch_size=[16, 16, 0]), "patch_size"),
        (changed(label_manager="Nested"), "label_manager 'Nested' is not 'LabelManager'"),
        (changed(image_reader_writer="Tiff3DIO"), "reader 'Tiff3DIO' is not one of"),
        (changed(transpose_backward=[0, 2, 1]), "does not undo"),
        (changed(transpose_forward=[0, 0, 1]), "does not undo"),
        (changed(configurations=LOOP), "3d_fullres inherits from a inherits from 3d_fullres"),
        (changed(configurations=[]), "no configuration '3d_fullres'"),
        (without("spacing"), "3d_fullres lacks 'spacing'"),
        (without("architecture"), "3d_fullres lacks 'UNet_class_name'"),
        (without("architecture", UNet_class_name="SwinUNETR"), "'SwinUNETR' is no network"),
        (with_network(network_class_name="own.PlainConvUNet"), "'own.PlainConvUNet' is not of"),
        (with_network(_kw_requires_import=["act_op"]), "argument 'act_op' names unknown code"),
        (with_network(arch_kwargs=None), "cannot be read"),
    ],
)
def test_what_would_not_be_reproduced_is_refused(plans: dict, message: str) -> None:
    with pytest.raises(PlansError, match=message):
        plan = read_plan(plans, "3d_fullres")
        build_network(plan, 4, 5)


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
