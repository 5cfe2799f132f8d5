"""The network that a trainer really built is followed, or the fold is refused by name."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from challenge.refusal import Refusal
from ensemble.network import build_network
from ensemble.plans import read_plan
from lab.packing.trained_folder import TrainedFolder, naming, trained_folder
from lab.packing.trained_network import (
    STRICT,
    Accepted,
    TrainedFold,
    check_network,
    open_fold,
    plans_as_built,
)

FINAL = "checkpoint_final"


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())


def change(folder: Path, drop: tuple[str, ...] = (), **changes: object) -> None:
    path = folder / "fold_0" / f"{FINAL}.pth"
    content = torch.load(path, weights_only=False) | changes
    torch.save({key: value for key, value in content.items() if key not in drop}, path)


def opened(path: Path, accepted: Accepted = STRICT) -> tuple[TrainedFolder, TrainedFold]:
    with trained_folder(path) as folder, naming(folder):
        fold = open_fold(folder, "0", FINAL, accepted)
        check_network(fold, 4, 5)
        return folder, fold


def refusal_of(path: Path, accepted: Accepted = STRICT) -> str:
    with pytest.raises(Refusal) as refused:
        opened(path, accepted)
    text = str(refused.value)
    assert text.startswith(f"{path}") and "\n" not in text
    return text


def with_arguments(plans: dict, **changes: object) -> dict:
    plans = copy.deepcopy(plans)
    plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"] |= changes
    return plans


@pytest.mark.parametrize("name", ["nnUNetTrainerNoMirroring", "nnUNetTrainerDA5", "FinetuneDA5"])
def test_trainers_that_build_the_plans_network(trained: Path, name: str) -> None:
    change(trained, trainer_name=name, inference_allowed_mirroring_axes=None)
    folder, fold = opened(trained)
    assert (fold.trainer, fold.is_foreign) == (name, False)
    assert fold.plan == read_plan(tiny.plans(), "3d_fullres")
    assert plans_as_built(folder.plans, fold) == tiny.plans()


def test_a_stage_of_our_recipes_is_known_by_what_it_left(trained: Path) -> None:
    change(trained, trainer_name="full")
    (trained / "fold_0" / "provenance.json").write_text(json.dumps({"stage": "full"}))
    assert not opened(trained)[1].is_foreign
    change(trained, trainer_name="other")
    assert "trainer 'other' does not ship with nnU-Net 2.8.1" in refusal_of(trained)


@pytest.mark.parametrize(
    ("drop", "who"),
    [((), "trainer 'nnUNetTrainerReLU' does not ship"), (("trainer_name",), "no trainer_name")],
)
def test_a_foreign_trainer_is_taken_when_asked_for_alone(
    trained: Path, drop: tuple, who: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(trained, drop, **({} if drop else {"trainer_name": "nnUNetTrainerReLU"}))
    text = refusal_of(trained)
    assert who in text and "--foreign-trainer" in text
    capsys.readouterr()
    assert opened(trained, Accepted(foreign_trainer=True))[1].is_foreign
    assert who in capsys.readouterr().out


def test_a_transformers_trainer_is_followed_whatever_plans_name(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its network has other weights than the U-Net of plans.json, which is then not looked at."""
    change(trained, trainer_name="nnUNet_PrimusV2M_Trainer")
    text = refusal_of(trained)
    assert "nnUNet_PrimusV2M_Trainer built PrimusV2M in place of plans.json's" in (
        capsys.readouterr().out
    )
    assert "not the network of plans.json (it lacks" in text and "down_projection" in text
    then = with_arguments(tiny.plans(), nonlin="torch.nn.ReLU")
    change(trained, init_args={"configuration": "3d_fullres", "plans": then})
    assert "was trained with another" not in refusal_of(trained)


def test_the_patch_of_a_transformer_is_checked_by_name(trained: Path) -> None:
    """Its weights are those of every patch with as many tokens, and its answer is not."""
    change(trained, trainer_name="nnUNet_Primus_M_Trainer")
    (trained / "plans.json").write_text(json.dumps(tiny.plans(patch=(16, 20, 16))))
    assert "patch_size 16x20x16: PrimusM takes sides that are multiples of 8x8x8" in refusal_of(
        trained
    )
    (trained / "plans.json").write_text(json.dumps(tiny.plans(patch=(16, 24, 16))))
    then = tiny.plans(patch=(24, 16, 16))
    change(trained, init_args={"configuration": "3d_fullres", "plans": then})
    assert (
        "fold_0 was trained with another patch: (24, 16, 16), plans.json says (16, 24, 16)"
        in refusal_of(trained)
    )


@pytest.mark.parametrize("gap", ["", "_"])
@pytest.mark.parametrize("supervised", [True, False])
def test_a_mednext_by_its_trainers_name_with_and_without_heads_of_deep_supervision(
    tmp_path: Path, gap: str, supervised: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"nnUNetTrainerMedNeXt{gap}S_kernel3"
    path = tiny.train_as(tmp_path / "trained", name, patch=(32, 16, 16))
    if not supervised:
        content = torch.load(path / "fold_0" / f"{FINAL}.pth", weights_only=False)
        heads = tuple(f"out_{level}." for level in (1, 2, 3, 4))
        weights = {
            f"module.{key}": value
            for key, value in content["network_weights"].items()
            if not key.startswith(heads)
        }
        change(path, network_weights=weights)
    assert f"trainer {name!r} does not ship with nnU-Net 2.8.1" in refusal_of(path)
    folder, fold = opened(path, Accepted(foreign_trainer=True))
    assert f"{name} built MedNeXt in place of plans.json's" in capsys.readouterr().out
    assert fold.is_foreign
    plan = read_plan(plans_as_built(folder.plans, fold), "3d_fullres")
    assert (plan.network, plan.arguments["supervised"]) == ("MedNeXt", supervised)
    assert plan.arguments["kernel_size"] == 3
    assert plan == fold.plan


def test_a_patch_that_a_mednext_cannot_halve_is_refused(tmp_path: Path) -> None:
    path = tiny.train_as(tmp_path / "trained", "nnUNetTrainerMedNeXt_S_kernel3")
    (path / "plans.json").write_text(json.dumps(tiny.plans(patch=(32, 24, 16))))
    text = refusal_of(path, Accepted(foreign_trainer=True))
    assert "the network cannot take a patch of (32, 24, 16)" in text


def test_a_trainer_that_builds_no_network_is_refused(trained: Path) -> None:
    change(trained, trainer_name="AbstractPrimus")
    assert "trainer AbstractPrimus builds no network" in refusal_of(trained)


@pytest.mark.filterwarnings("ignore:Detected old nnU-Net plans format")
@pytest.mark.parametrize("spelt", [dict, tiny.before_2_4])
def test_batch_norm_of_nnunets_own_trainer_is_followed(tmp_path: Path, spelt: type) -> None:
    from nnunetv2.training.nnUNetTrainer.variants.network_architecture import nnUNetTrainerBN
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = with_arguments(tiny.plans(patch=(16, 16, 24)), features_per_stage=[5, 10, 10])
    norm = {"norm_op": "torch.nn.BatchNorm3d", "norm_op_kwargs": {"eps": 1e-5, "affine": True}}
    with_norm, plans = with_arguments(plans, **norm), spelt(plans)
    path = tiny.train(tmp_path / "trained", with_norm, tiny.dataset())
    (path / "plans.json").write_text(json.dumps(plans))  # names instance norm, as always
    weights = torch.load(path / "fold_0" / f"{FINAL}.pth", weights_only=False)["network_weights"]
    change(path, trainer_name="nnUNetTrainerBN")

    folder, fold = opened(path)
    assert fold.plan.arguments["norm_op"].endswith("BatchNorm3d")
    manager = PlansManager(copy.deepcopy(plans))
    stock = nnUNetTrainerBN.nnUNetTrainerBN.build_network_architecture(
        manager, manager.get_configuration("3d_fullres"), 4, 5, enable_deep_supervision=False
    )
    stock.load_state_dict(weights)
    built = plans_as_built(folder.plans, fold)
    ours = build_network(read_plan(built, "3d_fullres"), 4, 5)
    ours.load_state_dict(weights, assign=True)
    tile = torch.rand((1, 4, 16, 16, 24), generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        torch.testing.assert_close(ours(tile), stock.eval()(tile))

    change(path, trainer_name="nnUNetTrainer")
    assert "it holds the running means of a batch norm, which plans.json does not" in refusal_of(
        path
    )


def test_the_network_of_training_must_be_the_one_of_plans(trained: Path) -> None:
    """An activation has no weights: nothing but the plans of training tells it."""
    then = with_arguments(tiny.plans(), nonlin="torch.nn.ReLU")
    change(trained, init_args={"configuration": "3d_fullres", "plans": then})
    text = refusal_of(trained)
    assert (
        "fold_0 was trained with another network: nonlin 'torch.nn.ReLU', plans.json says" in text
    )
    then = with_arguments(tiny.plans(), norm_op_kwargs={"eps": 1e-3, "affine": True})
    change(trained, init_args={"configuration": "3d_fullres", "plans": then})
    assert "norm_op_kwargs {'eps': 0.001, 'affine': True}" in refusal_of(trained)


def test_what_else_was_other_in_training_is_said(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {
        "configuration": "3d_fullres",
        "plans": tiny.plans(patch=(8, 16, 16)),
        "dataset_json": tiny.dataset({"background": 0, "ET": 1, "NETC": 2, "SNFH": 3, "RC": 4}),
    }
    change(trained, init_args=arguments)
    opened(trained)
    text = capsys.readouterr().out
    assert "fold_0 was trained with another plans.json: patch (8, 16, 16)" in text
    assert "fold_0 was trained with another dataset.json: labels {'background': 0, 'ET': 1" in text


def test_another_spelling_of_the_same_is_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plans = with_arguments(tiny.plans(), features_per_stage=[5, 10, 10])
    trained = tiny.train(tmp_path / "trained", plans, tiny.dataset())
    arguments = {
        "configuration": "3d_fullres",
        "plans": tiny.before_2_4(copy.deepcopy(plans)),
        "dataset_json": tiny.dataset(),
    }
    change(trained, init_args=arguments)
    opened(trained)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("arguments", [{}, None, {"configuration": None}])
def test_a_checkpoint_that_does_not_say_its_configuration(trained: Path, arguments: object) -> None:
    change(trained, init_args=arguments)
    text = refusal_of(trained)
    assert "does not say its configuration (init_args)" in text and "one of 3d_fullres" in text
    _, fold = opened(trained, Accepted(configuration="3d_fullres"))
    assert fold.content["init_args"]["configuration"] == "3d_fullres"
    assert "no configuration '2d'" in refusal_of(trained, Accepted(configuration="2d"))


def test_axes_that_are_none_are_no_mirroring_and_strange_ones_refused(trained: Path) -> None:
    change(trained, ("inference_allowed_mirroring_axes",))
    opened(trained)
    change(trained, inference_allowed_mirroring_axes=(np.int64(0), np.int64(2)))
    opened(trained)
    change(trained, inference_allowed_mirroring_axes=(0, 3))
    assert "inference_allowed_mirroring_axes (0, 3) are no axes of 0 to 2" in refusal_of(trained)


def test_weights_of_another_network_are_counted_apart_by_name_and_size(trained: Path) -> None:
    plans = tiny.plans()
    for changes, text in (
        ({"features_per_stage": [6, 8, 12]}, "tensors differ in size, encoder.stages.2"),
        ({"conv_bias": False}, "tensors more, "),
        ({"n_conv_per_stage": [1, 2, 1]}, "it lacks "),
        ({"nonlin": "torch.nn.PReLU", "nonlin_kwargs": {}}, "it lacks "),
    ):
        (trained / "plans.json").write_text(json.dumps(with_arguments(plans, **changes)))
        assert text in refusal_of(trained)
        assert "not the network of plans.json" in refusal_of(trained)


def test_weights_that_are_not_numbers(trained: Path) -> None:
    weights = torch.load(trained / "fold_0" / f"{FINAL}.pth", weights_only=False)["network_weights"]
    first = next(iter(weights))
    weights[first].view(-1)[0] = float("nan")
    change(trained, network_weights=weights)
    assert f"weight {first} holds NaN or infinity" in refusal_of(trained)


@pytest.mark.parametrize(
    ("plans", "text"),
    [
        (tiny.plans(patch=(16, 18, 16)), "the network cannot take a patch of (16, 18, 16)"),
        (with_arguments(tiny.plans(), strides=[[2, 2, 2]] * 3), "becomes (1, 5, 8, 8, 8)"),
        (with_arguments(tiny.plans(), dropout_rate=1), "PlainConvUNet cannot be built"),
        (with_arguments(tiny.plans(), n_conv_per_stage=[1, 1]), "PlainConvUNet cannot be built"),
        (with_arguments(tiny.plans(), num_classes=7), ""),
        (with_arguments(tiny.plans(), deep_supervision=True), ""),
    ],
)
def test_a_network_that_could_not_run_is_refused_before_a_case_comes(
    trained: Path, plans: dict, text: str
) -> None:
    (trained / "plans.json").write_text(json.dumps(plans))
    if text:
        assert text in refusal_of(trained)
    else:
        opened(trained)
