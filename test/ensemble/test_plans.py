"""Plans and datasets of real teams, old format and new, read as they are meant."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from plan_spellings import SPELLINGS

from ensemble.architectures import multiples_of
from ensemble.dataset import label_values
from ensemble.network import build_network
from ensemble.plans import Plan, PlansError, read_plan


def test_every_real_plan_parses_and_builds(shared_data: Path) -> None:
    built = 0
    for path in sorted((shared_data / "nnunet-plans").rglob("*lans*.json")):
        plans = json.loads(path.read_text())
        for configuration in plans.get("configurations", {}):
            plan = read_plan(plans, configuration)
            network = build_network(plan, len(plan.normalisation), 3)
            assert sum(value.numel() for value in network.parameters()) > 7e6
            built += 1
    assert built == 14


def assert_has_stocks_weights(plan: Plan, settings: Any, channels: int) -> None:
    """Compare names and shapes with nnU-Net's network of the same configuration."""
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    ours = build_network(plan, channels, 4).state_dict()
    with torch.device("meta"):
        stock = get_network_from_plans(
            *(settings.network_arch_class_name, settings.network_arch_init_kwargs),
            *(settings.network_arch_init_kwargs_req_import, channels, 4),
            deep_supervision=False,
        ).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in stock.items()}


@pytest.mark.filterwarnings("ignore:Detected old nnU-Net plans format")
def test_real_2d_networks_have_stocks_weights(shared_data: Path) -> None:
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    built = 0
    for path in sorted((shared_data / "nnunet-plans").rglob("*lans*.json")):
        plans = json.loads(path.read_text())
        if "2d" not in plans.get("configurations", {}):
            continue
        plan, manager = read_plan(plans, "2d"), PlansManager(plans).get_configuration("2d")
        channels = len(plan.normalisation)
        assert_has_stocks_weights(plan, manager, channels)
        assert plan.patch == (1, *manager.patch_size)
        assert plan.spacing_mm == (None, *manager.spacing)
        assert multiples_of(plan)[0] == 1
        built += 1
    assert built == 5


@pytest.mark.filterwarnings("ignore:Detected old nnU-Net plans format")
def test_cascades_of_real_plans_have_stocks_channels_and_weights(shared_data: Path) -> None:
    """None of the public plans has a cascade; it is added as nnU-Net's planner writes it."""
    from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    built = 0
    for path in sorted((shared_data / "nnunet-plans").rglob("plans.json")):
        plans, dataset = (
            json.loads(path.with_name(name).read_text()) for name in ("plans.json", "dataset.json")
        )
        plans["configurations"] |= {
            "3d_lowres": {"inherits_from": "3d_fullres", "next_stage": "3d_cascade_fullres"},
            "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"},
        }
        manager = PlansManager(plans)
        settings = manager.get_configuration("3d_cascade_fullres")
        plan = read_plan(plans, "3d_cascade_fullres")
        assert plan.previous_stage is not None
        assert plan.previous_stage.configuration == settings.previous_stage_name
        assert read_plan(plans, "3d_lowres").previous_stage is None
        channels = len(plan.normalisation) + len(label_values(dataset))
        assert channels == determine_num_input_channels(manager, settings, dataset)
        assert_has_stocks_weights(plan, settings, channels)
        built += 1
    assert built == 5


def post_treatment(shared_data: Path):
    folder = shared_data / "nnunet-plans" / "Dataset501_BraTSGoAT"
    plans = json.loads(next(folder.rglob("plans.json")).read_text())
    return read_plan(plans, "3d_fullres")


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


def test_a_2d_configuration_sees_slices_of_the_cases_thickness() -> None:
    plans = tiny.plans((0.7, 0.8), (16, 24))
    plan = read_plan(plans, "2d")
    assert plan.sees_slices
    assert (plan.patch, plan.spacing_mm) == ((1, 16, 24), (None, 0.7, 0.8))
    assert plan.grid_mm((5.0, 0.5, 0.6)) == (5.0, 0.7, 0.8)
    volume = read_plan(tiny.plans((3, 1, 1)), "3d_fullres")
    assert not volume.sees_slices
    assert volume.grid_mm((5.0, 0.5, 0.6)) == (3, 1, 1)


def test_a_2d_configuration_of_before_2_4_says_the_same_as_of_now() -> None:
    new = tiny.plans((1, 1), (16, 24))
    settings = new["configurations"]["2d"]
    settings["architecture"]["arch_kwargs"]["features_per_stage"] = [5, 10, 10]
    old = copy.deepcopy({**new, "configurations": {"3d_fullres": settings}})
    old = tiny.before_2_4(old)
    old["configurations"] = {"2d": old["configurations"]["3d_fullres"]}
    assert dict(read_plan(old, "2d").arguments) == dict(read_plan(new, "2d").arguments)


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
        (tiny.plans(patch_size=[16]), r"patch_size \[16\] of 3d_fullres is neither 2-D nor 3-D"),
        (tiny.plans(patch_size=[16, 16]), r"spacing \[1, 1, 1\] of 3d_fullres is not two lengths"),
        (
            tiny.plans(previous_stage="3d_lowres", resampling_fn_seg_kwargs={"is_seg": False}),
            "resampling_fn_seg_kwargs is_seg false resamples images",
        ),
        (
            tiny.plans(previous_stage="3d_lowres", resampling_fn_seg="mine"),
            "resampling_fn_seg 'mine' is not one of",
        ),
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
