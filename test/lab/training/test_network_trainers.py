"""Networks beside U-Nets are those of their authors' trainers, and are trained as those do."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from cubes import make_case
from monai_member import needs_monai
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from challenge.scheme import SCHEMES
from ensemble.engine import Engine
from ensemble.manifest import read_manifest, verify_model
from ensemble.network import build_network
from ensemble.plans import PlansError, read_plan
from ensemble.predict import predict
from ensemble.torchvision_operations import import_torchvision
from lab.__main__ import main as lab
from lab.packing.trainer_names import PRIMUS
from lab.training.network_trainers import MedNeXtTrainer, PrimusTrainer, bases_of
from lab.training.networks import AUTHORS_SETTINGS, NETWORKS, architecture
from lab.training.random_networks import flops_of_a_pass, plans_of
from lab.training.runner import ON_CPU
from lab.training.trainers import OPTIMISERS, RecipeTrainer, Settings, trainer_class

ROOT = Path(__file__).resolve().parents[3]
PATCH = (64, 64, 64)
RECIPE = """
. {root}/lab/recipes/recipe_words.sh
cohort gli Dataset001_X phantom=brats-gli:4:1:6,6,6
network unet network=plain-6 spacing=1,1,1 patch=128,160,112
network mednext network=mednext-s-kernel5 spacing=1,1,1 patch=128,128,128
network primus network=primusv3-m spacing=1,1,1 patch=128,160,112
stage unet cohort=gli network=unet folds=all
stage mednext cohort=gli network=mednext folds=0
stage primus cohort=gli network=primus folds=0
"""


def train_recipe(recipe: str, tmp_path: Path) -> Path:
    """Train a recipe in miniature; return its work folder."""
    (tmp_path / "recipe.sh").write_text(recipe.format(root=ROOT))
    work = tmp_path / "work"
    words = [sys.executable, Path(__file__).with_name("forked.py"), tmp_path / "recipe.sh", work]
    environment = os.environ | ON_CPU | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return work


def sizes(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def stock_primus(trainer: str) -> Any:
    import_torchvision()
    from nnunetv2.training.nnUNetTrainer.primus import primus_trainers

    return getattr(primus_trainers, trainer)


@pytest.mark.parametrize("name", ["primus-s", "primus-l", "primusv2-m", "primusv3-b"])
def test_a_primus_is_the_network_of_nnunets_trainer(name: str) -> None:
    block = architecture(name, PATCH)
    configuration = SimpleNamespace(
        network_arch_class_name=block["network_class_name"],
        network_arch_init_kwargs=block["arch_kwargs"],
        patch_size=PATCH,
    )
    (trainer,) = (
        trainer
        for trainer, kind in PRIMUS.items()
        if kind == NETWORKS[name].kind and trainer.startswith("nnUNet_") and "BS" not in trainer
    )
    with torch.device("meta"):
        ours = PrimusTrainer.build_network_architecture(None, configuration, 4, 5)
        theirs = stock_primus(trainer).build_network_architecture(None, configuration, 4, 5)
    assert isinstance(ours, type(theirs)) and sizes(ours) == sizes(theirs)


def test_a_primus_is_trained_with_the_values_of_nnunets_trainer() -> None:
    stock = stock_primus("nnUNet_Primus_M_Trainer")
    trainer = object.__new__(stock)
    with mock.patch.object(nnUNetTrainer, "__init__", lambda *_: None):
        stock.__init__(trainer, {}, "3d", 0, {})
    trainer.network, trainer.current_epoch = torch.nn.Linear(2, 2), 0
    trainer.device, trainer.print_to_log_file = torch.device("cpu"), lambda *_: None
    optimiser, _ = trainer.configure_optimizers()
    settings = Settings.of(AUTHORS_SETTINGS["Primus"])
    make, arguments = OPTIMISERS[settings.optimiser]
    assert type(optimiser) is make
    assert {key: optimiser.defaults[key] for key in arguments} == dict(arguments)
    assert settings.lr == trainer.initial_lr == 3e-4
    assert settings.warmup == trainer.warmup_duration_whole_net == 50


def test_a_mednext_is_trained_as_its_authors_do() -> None:
    settings = Settings.of(AUTHORS_SETTINGS["MedNeXt"])
    assert (settings.lr, settings.warmup, settings.schedule) == (1e-3, 0, "poly")
    assert OPTIMISERS[settings.optimiser][1] == {"weight_decay": 3e-5, "eps": 1e-4}


def test_all_five_heads_of_a_mednext_are_in_the_loss_each_half_of_the_finer_one() -> None:
    class Base:
        def _build_loss(self) -> Any:
            return SimpleNamespace(weight_factors=(1, 0))

    trainer = type("Both", (MedNeXtTrainer, Base), {})()
    scales = trainer._get_deep_supervision_scales()
    assert scales == [[1, 1, 1], [0.5] * 3, [0.25] * 3, [0.125] * 3, [0.0625] * 3]
    weights = trainer._build_loss().weight_factors
    np.testing.assert_allclose(weights, np.array([16, 8, 4, 2, 1]) / 31)


@pytest.mark.parametrize("augmentation", ["default", "da5", "da5-ord0"])
def test_an_augmentation_goes_with_every_network(augmentation: str) -> None:
    for network in ("PlainConvUNet", "MedNeXt", "PrimusV2M"):
        trainer = trainer_class("stage", Settings(augmentation), network=network)
        assert issubclass(trainer, (RecipeTrainer, nnUNetTrainer))
        assert all(issubclass(trainer, base) for base in bases_of(network))
        is_da5 = "DA5" in trainer.get_training_transforms.__qualname__
        assert is_da5 == (augmentation != "default")


@pytest.mark.slow
def test_a_mednext_and_a_primus_are_trained_by_a_recipe_and_packed_with_a_unet(
    tmp_path: Path,
) -> None:
    work = train_recipe(RECIPE, tmp_path)
    folders = sorted((work / "nnUNet_results" / "Dataset001_X").iterdir())
    assert [folder.name.partition("__")[0] for folder in folders] == ["mednext", "primus", "unet"]
    for folder in folders[:2]:  # trained, and their held-out cases predicted from checkpoints
        content = json.loads((folder / "fold_0" / "provenance.json").read_text())
        dice = content["validation_dice"]
        assert set(dice) == {"final", "best"} and None not in dice.values()
    pack = ["pack", *map(str, folders), "--model", "mix", "--scheme", "brats-gli"]
    assert lab([*pack, "--out", str(tmp_path)]) == 0
    model = verify_model(tmp_path / "mix" / "MANIFEST.json")
    kinds = [member.plan.network for member in model.members]
    assert kinds == ["MedNeXt", "PrimusV3", "PlainConvUNet"]
    case = make_case(SCHEMES["brats-gli"], (34, 24, 28), (6.0, 6.0, 6.0))
    *_, prediction = predict(case, model, Engine(torch.device("cpu"), "torch"))
    assert prediction.probabilities.shape == (5, 34, 24, 28)
    np.testing.assert_allclose(prediction.probabilities.sum(0), 1, atol=1e-5)


SWIN_RECIPE = """
. {root}/lab/recipes/recipe_words.sh
cohort gli Dataset001_X phantom=brats-gli:4:1:6,6,6
network swin network=swinunetr spacing=1,1,1 patch=128,128,128
stage swin cohort=gli network=swin folds=0 mirror=left-right
"""


@pytest.mark.slow
@needs_monai
def test_a_swinunetr_is_trained_by_a_recipe_and_packed_as_a_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = train_recipe(SWIN_RECIPE, tmp_path)
    (folder,) = (work / "nnUNet_results" / "Dataset001_X").iterdir()
    pack = ["pack", str(folder), "--model", "swin", "--scheme", "brats-gli"]
    assert lab([*pack, "--out", str(tmp_path)]) == 0
    assert "MONAI 1.6.1 0.0e+00" in capsys.readouterr().out
    model = verify_model(tmp_path / "swin" / "MANIFEST.json")
    (entry,) = read_manifest(tmp_path / "swin" / "MANIFEST.json")["members"]
    origin = entry["provenance"]
    assert (entry["format"], entry["fold"], origin["trainer"], origin["epochs"]) == (
        *("exported", "0", "swin", 2),
    )
    assert origin["architecture"]["class"] == "SwinUNETR"
    assert origin["recipe"]["stage"] == "swin"
    case = make_case(SCHEMES["brats-gli"], (34, 24, 28), (6.0, 6.0, 6.0))
    *_, prediction = predict(case, model, Engine(torch.device("cpu"), "torch"))
    np.testing.assert_allclose(prediction.probabilities.sum(0), 1, atol=1e-5)


@needs_monai
def test_a_swinunetr_is_trained_as_its_authors_do_and_takes_multiples_of_32() -> None:
    settings = Settings.of(AUTHORS_SETTINGS["SwinUNETR"])
    assert (settings.lr, settings.warmup, settings.schedule) == (1e-4, 50, "cosine")
    assert OPTIMISERS[settings.optimiser][1] == {"weight_decay": 1e-5}
    block = architecture("swinunetr", (96, 96, 64))
    assert block["network_class_name"] == "monai.networks.nets.SwinUNETR"
    with pytest.raises(ValueError, match="patch 96x96x80: SwinUNETR takes multiples of 32"):
        architecture("swinunetr", (96, 96, 80))
    with pytest.raises(ValueError, match="patch 32x32x32: SwinUNETR takes a side of more than 32"):
        architecture("swinunetr", (32, 32, 32))
    with pytest.raises(PlansError, match=r"'monai.networks.nets.SwinUNETR' is not one of"):
        build_network(read_plan(plans_of("swinunetr", (64, 64, 64), 4), "3d_fullres"), 4, 5)


@needs_monai
def test_the_operations_of_a_swinunetr_are_counted() -> None:
    """Its last layer alone: a convolution of 12 channels to 5 in every voxel."""
    flops = [
        flops_of_a_pass(plans_of("tiny-swinunetr", (32, 32, 64), 4), 4, classes)
        for classes in (5, 6)
    ]
    assert flops[1] - flops[0] == 2 * 12 * 32 * 32 * 64
