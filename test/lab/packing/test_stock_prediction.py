"""Stock nnU-Net is the judge of a packed network, and imports no class that plans alone name."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from packer import change_checkpoint, pack_exit_code, proof_of, train_softmax

from ensemble.manifest import verify_model
from lab.__main__ import main as lab
from lab.packing.random_tile import SEED, draw_tile
from lab.packing.stock_prediction import (
    Stock,
    StockError,
    Trained,
    plain_copy,
    refuse_foreign_names,
)
from lab.training.network_sizes import PRIMUS_ARGUMENTS

Say = pytest.CaptureFixture[str]


def test_stock_says_here_what_its_predictor_says_of_the_trained_folder(tmp_path: Path) -> None:
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    source = train_softmax(tmp_path / "gli", folds=(0, 1))
    predictor = nnUNetPredictor(perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(str(source), (0, 1))
    predictor.network.load_state_dict(predictor.list_of_parameters[1])
    pack_exit_code(source, tmp_path)
    member = verify_model(tmp_path / "m" / "MANIFEST.json").members[1]
    tile = draw_tile(member.plan, 4, (16, 16, 16), SEED)
    with torch.inference_mode():
        expected = predictor.network.eval()(tile[None])[0].numpy()
    with plain_copy(Trained(source, ("0", "1"), "checkpoint_final"), "3d_fullres") as plain:
        stock = Stock(plain, "3d_fullres")
        np.testing.assert_allclose(stock.logits(1, tile), expected, rtol=1e-5, atol=1e-5)


TRAINER = """
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class nnUNetTrainerOwn(nnUNetTrainer):
    @staticmethod
    def build_network_architecture(plans_manager, configuration_manager, *sizes, **how):
        arguments = configuration_manager.network_arch_init_kwargs
        arguments.update({changes})
        return nnUNetTrainer.build_network_architecture(
            plans_manager, configuration_manager, *sizes, **how)
"""


@pytest.mark.parametrize(
    "changes",
    [
        {"nonlin": "torch.nn.ReLU", "nonlin_kwargs": {"inplace": True}},
        {"nonlin_kwargs": {"negative_slope": 0.02}},
        {"norm_op_kwargs": {"eps": 0.05, "affine": True}},
    ],
)
def test_another_network_with_the_same_weights_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Say, changes: dict
) -> None:
    source = train_softmax(tmp_path / "gli")
    change_checkpoint(source, trainer_name="nnUNetTrainerOwn")
    (tmp_path / "trainers").mkdir()
    text = TRAINER.replace("{changes}", repr(changes))
    (tmp_path / "trainers" / "own.py").write_text(text)
    monkeypatch.setenv("nnUNet_extTrainer", str(tmp_path / "trainers"))
    assert pack_exit_code(source, tmp_path, "--foreign-trainer") == 2
    message = capsys.readouterr().err.strip().splitlines()
    assert len(message) == 1
    network = "gli/fold_0/checkpoint_final.pth: our network is not nnU-Net 2.8.1's"
    assert message[0].startswith(f"{source}: {network}")
    assert not (tmp_path / "m").exists()
    monkeypatch.delenv("nnUNet_extTrainer")  # and without its trainer, nothing is proven of it
    assert pack_exit_code(source, tmp_path, "--foreign-trainer") == 0
    out = capsys.readouterr().out
    assert "not proven: nnU-Net 2.8.1 ships no trainer nnUNetTrainerOwn" in out
    assert "beside nnUNetTrainer, which it is taken for, as trained, 0 of 4,096 voxels" in out
    assert "synthetic case, taken for nnUNetTrainer: 0 of" in out


def test_all_but_the_network_is_judged_without_the_trainer(tmp_path: Path, capsys: Say) -> None:
    """Most public folders are of a trainer that only its team has."""
    source = train_softmax(tmp_path / "gli", folds=(0, 1))
    change_checkpoint(source, trainer_name="nnUNetTrainer1e3")
    assert pack_exit_code(source, tmp_path, "--foreign-trainer") == 0
    record = proof_of(tmp_path)
    assert "ships no trainer nnUNetTrainer1e3" in record["not_proven"]
    assert (record["trainer"], record["taken_for"]) == ("nnUNetTrainer1e3", "nnUNetTrainer")
    assert "network_of" not in record
    assert record["case"]["differing"] == 0 < sum(record["case"]["stock_voxels"].values())
    capsys.readouterr()
    assert lab(["verify", "--weights", str(tmp_path), "--quick"]) == 0
    assert "taken for nnUNetTrainer" in capsys.readouterr().out


@pytest.mark.parametrize("where", ["network_class_name", "nonlin"])
def test_nothing_is_imported_because_plans_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    source = train_softmax(tmp_path / "gli")
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    plans = json.loads((source / "plans.json").read_text())
    architecture = plans["configurations"]["3d_fullres"]["architecture"]
    (architecture if where == "network_class_name" else architecture["arch_kwargs"])[where] = (
        "trap.PlainConvUNet" if where == "network_class_name" else "trap.LeakyReLU"
    )
    (source / "plans.json").write_text(json.dumps(plans))
    assert pack_exit_code(source, tmp_path) == 2
    assert "trap" not in sys.modules
    with pytest.raises(StockError, match="so not imported"):
        refuse_foreign_names(architecture)


def test_a_block_of_nnunets_networks_is_no_foreign_name() -> None:
    home = "dynamic_network_architectures."
    block = f"{home}building_blocks.residual.BottleneckD"
    architecture = {
        "network_class_name": f"{home}architectures.unet.ResidualEncoderUNet",
        "arch_kwargs": {"block": block, "nonlin": "torch.nn.ReLU"},
        "_kw_requires_import": ["block", "nonlin"],
    }
    refuse_foreign_names(architecture)
    architecture["arch_kwargs"] = {"block": block, "nonlin": block}
    with pytest.raises(StockError, match="so not imported"):
        refuse_foreign_names(architecture)


@pytest.mark.parametrize(
    ("network", "trainer"),
    [
        (
            "dynamic_network_architectures.architectures.primus.PrimusV2S",
            "nnUNet_PrimusV2S_Trainer",
        ),
        ("dynamic_network_architectures.architectures.primus.PrimusM", "nnUNet_Primus_M_Trainer"),
        ("dynamic_network_architectures.architectures.unet.PlainConvUNet", "nnUNetTrainer"),
    ],
)
def test_a_stage_of_a_recipe_is_held_against_stocks_trainer_of_its_network(
    tmp_path: Path, network: str, trainer: str
) -> None:
    source = train_softmax(tmp_path / "stage")
    plans = json.loads((source / "plans.json").read_text())
    settings = plans["configurations"]["3d_fullres"]["architecture"]
    settings |= {"network_class_name": network}
    if "Primus" in network:
        settings |= {"arch_kwargs": dict(PRIMUS_ARGUMENTS), "_kw_requires_import": []}
    (source / "plans.json").write_text(json.dumps(plans))
    change_checkpoint(source, trainer_name="mri_da5")
    (source / "fold_0" / "provenance.json").write_text(json.dumps({"stage": "mri_da5"}))
    with plain_copy(Trained(source, ("0",), "checkpoint_final"), "3d_fullres") as plain:
        content = torch.load(plain.checkpoint_of("0"), weights_only=True)
    assert content["trainer_name"] == trainer
