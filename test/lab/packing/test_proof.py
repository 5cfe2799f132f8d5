"""Packing is proven beside stock nnU-Net's predictor, and a proof can fail."""

import json
import sys
from pathlib import Path
from typing import Any

import files
import numpy as np
import pytest
import SimpleITK
import tiny
import torch

from challenge.case import Case
from challenge.scheme import MRI_SEQUENCES
from ensemble.manifest import verify_model
from lab.__main__ import main as lab
from lab.packing import proof, proof_case
from lab.packing.random_tile import SEED, draw_tile
from lab.packing.stock_prediction import (
    STOCK,
    Stock,
    StockError,
    Trained,
    plain_copy,
    refuse_foreign_names,
)
from lab.packing.tile_answers import Answer, difference
from lab.training.network_sizes import PRIMUS_ARGUMENTS

Say = pytest.CaptureFixture[str]


def pack(source: Path, out: Path, *flags: str, scheme: str = "brats-gli") -> int:
    return lab(["pack", str(source), "--model", "m", "--scheme", scheme, "--out", str(out), *flags])


def proof_of(out: Path) -> dict[str, Any]:
    (record,) = json.loads((out / "m" / "MANIFEST.json").read_text())["proof"]
    return dict(record)


def change(checkpoint: Path, **changes: Any) -> None:
    content = torch.load(checkpoint, weights_only=False)
    torch.save(content | changes, checkpoint)


def trained(folder: Path, folds: tuple[int, ...] = (0,), **plans: Any) -> Path:
    """Write a softmax network of the plans."""
    return tiny.train(folder, tiny.plans(**plans), tiny.dataset(), folds)


def test_what_was_packed_is_proven_and_rounding_counted_apart(tmp_path: Path, capsys: Say) -> None:
    assert pack(trained(tmp_path / "gli", folds=(0, 1)), tmp_path, "--half") == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "proven beside" in line]
    assert line.startswith("gli: proven beside nnU-Net 2.8.1 (nnUNetTrainer) on one random tile a")
    assert "(16x16x16): as trained, 0 of 8,192 voxels" in line
    record = proof_of(tmp_path)
    assert (record["folder"], record["trainer"], record["judge"]) == ("gli", "nnUNetTrainer", STOCK)
    assert record["tiles"]["seed"] == SEED and list(record["tiles"]["folds"]) == ["0", "1"]
    fold = record["tiles"]["folds"]["1"]
    assert fold["of_patch"] == "whole"
    assert fold["as_trained"]["differing"] == 0
    assert fold["as_trained"]["logits_in_deviations"] < 1e-5
    # rounding moves logits a thousand times further than summing in another order
    assert fold["rounding"]["logits_in_deviations"] > 1e-4 > fold["backend"]["logits_in_deviations"]
    assert fold["as_packed"]["agreement"] > 0.999
    assert len(fold["decided"]) >= 2  # not an agreement on nothing


def test_stock_says_here_what_its_predictor_says_of_the_trained_folder(tmp_path: Path) -> None:
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    source = trained(tmp_path / "gli", folds=(0, 1))
    predictor = nnUNetPredictor(perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(str(source), (0, 1))
    predictor.network.load_state_dict(predictor.list_of_parameters[1])
    pack(source, tmp_path)
    member = verify_model(tmp_path / "m" / "MANIFEST.json").members[1]
    tile = draw_tile(member.plan, 4, (16, 16, 16), SEED)
    with torch.inference_mode():
        expected = predictor.network.eval()(tile[None])[0].numpy()
    with plain_copy(Trained(source, ("0", "1"), "checkpoint_final"), "3d_fullres") as plain:
        stock = Stock(plain, "3d_fullres")
        np.testing.assert_allclose(stock.logits(1, tile), expected, rtol=1e-5, atol=1e-5)


def test_regions_and_values_of_its_own_are_proven_by_name(tmp_path: Path) -> None:
    regions = {"background": 0, "WT": [1, 2, 3], "TC": [2, 3], "ET": [1], "RC": [4]}
    dataset = tiny.dataset(regions, order=[3, 2, 1, 4])
    source = tiny.train(tmp_path / "gli", tiny.plans(), dataset)
    assert pack(source, tmp_path, "--labels", "ET=1,NETC=2,SNFH=3,RC=4") == 0
    fold = proof_of(tmp_path)["tiles"]["folds"]["0"]
    assert fold["as_packed"]["differing"] == 0 and len(fold["decided"]) >= 2


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
    source = trained(tmp_path / "gli")
    change(source / "fold_0" / "checkpoint_final.pth", trainer_name="nnUNetTrainerOwn")
    (tmp_path / "trainers").mkdir()
    text = TRAINER.replace("{changes}", repr(changes))
    (tmp_path / "trainers" / "own.py").write_text(text)
    monkeypatch.setenv("nnUNet_extTrainer", str(tmp_path / "trainers"))
    assert pack(source, tmp_path, "--foreign-trainer") == 2
    message = capsys.readouterr().err.strip().splitlines()
    assert len(message) == 1
    network = "gli/fold_0/checkpoint_final.pth: our network is not nnU-Net 2.8.1's"
    assert message[0].startswith(f"{source}: {network}")
    assert not (tmp_path / "m").exists()
    monkeypatch.delenv("nnUNet_extTrainer")  # and without its trainer, nothing is proven of it
    assert pack(source, tmp_path, "--foreign-trainer") == 0
    assert "not proven: nnU-Net 2.8.1 ships no trainer nnUNetTrainerOwn" in capsys.readouterr().out


def test_several_sources_are_proven_one_by_one(tmp_path: Path, capsys: Say) -> None:
    a = trained(tmp_path / "a" / "same", folds=(0, 1))
    b = trained(tmp_path / "b" / "same", spacing_mm=(2, 2, 2), network="AttentionUNet")
    out = ["--out", str(tmp_path)]
    assert lab(["pack", str(a), str(b), "--model", "m", "--scheme", "brats-gli", *out]) == 0
    first, second = json.loads((tmp_path / "m" / "MANIFEST.json").read_text())["proof"]
    assert (first["folder"], list(first["tiles"]["folds"])) == ("same", ["0", "1"])
    assert (second["folder"], list(second["tiles"]["folds"])) == ("same-1", ["0"])
    assert "not_proven" in second and "not_proven" not in first
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("same")]
    assert lines[0].startswith("same: proven beside") and len(lines) == 2
    assert lines[1].startswith("same-1: not proven:")


@pytest.mark.parametrize("name", ["nnUNetTrainerDA5ord0", "nnUNetTrainer_250epochs", "FinetuneDA5"])
def test_trainers_that_stock_ships_and_ours_are_found(tmp_path: Path, name: str) -> None:
    source = trained(tmp_path / "gli")
    change(source / "fold_0" / "checkpoint_final.pth", trainer_name=name)
    assert pack(source, tmp_path) == 0
    record = proof_of(tmp_path)
    assert (record["trainer"], record["network_of"]) == (name, name)
    assert record["tiles"]["folds"]["0"]["as_trained"]["differing"] == 0


def test_a_stage_of_lab_train_is_proven_by_the_network_that_it_builds(tmp_path: Path) -> None:
    source = trained(tmp_path / "gli")
    change(source / "fold_0" / "checkpoint_final.pth", trainer_name="full")
    (source / "fold_0" / "provenance.json").write_text(json.dumps({"stage": "full"}))
    assert pack(source, tmp_path) == 0
    record = proof_of(tmp_path)
    assert (record["trainer"], record["network_of"]) == ("full", "nnUNetTrainer")
    assert "not_proven" not in record


def test_a_network_that_stock_does_not_have_is_not_proven_and_says_so(
    tmp_path: Path, capsys: Say
) -> None:
    assert pack(trained(tmp_path / "gli", network="AttentionUNet"), tmp_path) == 0
    record = proof_of(tmp_path)
    assert record["not_proven"].startswith("plans.json: ensemble.attention.AttentionUNet is not of")
    assert f"gli: not proven: {record['not_proven']}" in capsys.readouterr().out
    assert {"rounding", "backend"} < set(record["tiles"]["folds"]["0"])  # ours, among each other
    assert "as_trained" not in record["tiles"]["folds"]["0"]


@pytest.mark.parametrize("where", ["network_class_name", "nonlin"])
def test_nothing_is_imported_because_plans_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    source = trained(tmp_path / "gli")
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    plans = json.loads((source / "plans.json").read_text())
    architecture = plans["configurations"]["3d_fullres"]["architecture"]
    (architecture if where == "network_class_name" else architecture["arch_kwargs"])[where] = (
        "trap.PlainConvUNet" if where == "network_class_name" else "trap.LeakyReLU"
    )
    (source / "plans.json").write_text(json.dumps(plans))
    assert pack(source, tmp_path) == 2
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


def test_by_default_nothing_is_rounded_and_labels_are_stocks(tmp_path: Path, capsys: Say) -> None:
    assert pack(trained(tmp_path / "gli", folds=(0, 1)), tmp_path) == 0
    record = proof_of(tmp_path)
    for fold in record["tiles"]["folds"].values():
        assert fold["rounding"]["logits"] == 0 and fold["as_packed"]["differing"] == 0
    case = record["case"]
    assert (case["id"], case["changes"], case["mirroring"]) == ("synthetic case", [], True)
    assert case["differing"] == 0 < sum(case["stock_voxels"].values())
    assert "cost" not in case and "exact" not in case
    text = f"synthetic case: 0 of {case['voxels']:,} voxels differ from stock, 100.0000% agree"
    assert capsys.readouterr().out.count(text) == 2  # in the proof, and in the table


def stock_labels(folder: Path, case: Path, mirroring: bool) -> np.ndarray:
    """Labels of nnU-Net's own predictor, by its own reader."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        use_mirroring=mirroring, perform_everything_on_device=False, device=torch.device("cpu")
    )
    predictor.initialize_from_trained_model_folder(str(folder), (0,))
    reader = predictor.plans_manager.image_reader_writer_class()
    paths = [str(case / f"{case.name}-{sequence}.nii.gz") for sequence in MRI_SEQUENCES]
    return np.asarray(predictor.predict_single_npy_array(*reader.read_images(paths)))


def test_what_half_precision_and_no_mirroring_change_is_counted_apart(
    tmp_path: Path, capsys: Say
) -> None:
    source = trained(tmp_path / "gli", spacing_mm=(1.2, 1, 1))
    case = files.write_brats_case(tmp_path / "BraTS-GLI-00001-000", "BraTS-GLI-00001-000")
    stock = stock_labels(source, case, True)
    flags = ["--prove", str(case)]
    assert pack(source, tmp_path, "--half", "--no-mirroring", *flags) == 0
    record, out = proof_of(tmp_path)["case"], capsys.readouterr().out
    rounded = int((stock_labels(tmp_path / "m" / "gli", case, True) != stock).sum())
    unmirrored = int((stock_labels(source, case, False) != stock).sum())
    both = int((stock_labels(tmp_path / "m" / "gli", case, False) != stock).sum())
    assert 0 < rounded < unmirrored
    assert record["changes"] == ["half precision", "no mirroring"]
    assert record["cost"]["half precision"]["differing"] == rounded
    assert record["cost"]["no mirroring"]["differing"] == unmirrored
    assert (record["differing"], record["exact"]["differing"]) == (both, 0)
    for text in (
        f"{both:,} of 7,920 voxels differ from stock",
        f"half precision changes {rounded:,} of 7,920 voxels",
        f"no mirroring changes {unmirrored:,} of 7,920 voxels",
        "with nothing changed 0 of 7,920 voxels differ from stock",
    ):
        assert out.count(f"case BraTS-GLI-00001-000: {text}") >= 1 and text in out


def test_networks_trained_without_mirroring_lose_nothing_by_no_mirroring(tmp_path: Path) -> None:
    plans, dataset = tiny.plans(), tiny.dataset()
    source = tiny.train(tmp_path / "gli", plans, dataset, mirror_axes=None)
    assert pack(source, tmp_path, "--no-mirroring") == 0
    case = proof_of(tmp_path)["case"]
    assert (case["changes"], case["differing"]) == ([], 0)


def test_folds_of_different_axes_are_compared_and_not_refused(tmp_path: Path) -> None:
    """Stock takes the axes of its first fold for all; here each fold has its own."""
    source = trained(tmp_path / "gli", folds=(0, 1))
    change(source / "fold_1" / "checkpoint_final.pth", inference_allowed_mirroring_axes=(2,))
    assert pack(source, tmp_path) == 0
    assert proof_of(tmp_path)["case"]["changes"] == []


def test_a_synthetic_case_that_takes_long_is_not_compared_unless_something_is_changed(
    tmp_path: Path, capsys: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "SYNTHETIC_LIMIT_S", 0.0)
    source = trained(tmp_path / "gli")
    assert pack(source, tmp_path / "a") == 0
    text = "synthetic case: not compared with stock: it would take about 1 min on this processor"
    assert text in capsys.readouterr().out
    assert "differing" not in proof_of(tmp_path / "a")["case"]
    assert pack(source, tmp_path / "b", "--half") == 0
    assert "synthetic case: half precision changes " in capsys.readouterr().out


def test_weights_that_half_precision_does_not_hold_are_refused(tmp_path: Path, capsys: Say) -> None:
    source = trained(tmp_path / "gli")
    path = source / "fold_0" / "checkpoint_final.pth"
    weights = torch.load(path, weights_only=False)["network_weights"]
    for name, value in weights.items():
        if "seg_layers" in name:
            value *= 1e-8  # half precision ends at 6e-8
    change(path, network_weights=weights)
    assert pack(source, tmp_path, "--half") == 2
    message = capsys.readouterr().err
    assert "checkpoint_final.pth: its weights give another answer in half precision" in message


def test_a_patch_that_does_not_halve_is_refused_when_packing(tmp_path: Path, capsys: Say) -> None:
    source = trained(tmp_path / "gli")
    plans = json.loads((source / "plans.json").read_text())
    plans["configurations"]["3d_fullres"]["patch_size"] = [16, 16, 18]
    (source / "plans.json").write_text(json.dumps(plans))
    assert pack(source, tmp_path) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "m").exists()


def test_what_is_not_a_number_lies_beyond_every_limit() -> None:
    zeros = Answer(np.zeros((2, 2, 2, 2), np.float32), np.zeros((2, 2, 2), np.uint8))
    nothing = Answer(np.full((2, 2, 2, 2), np.nan, np.float32), zeros.labels)
    assert not difference(zeros, nothing)["logits_in_deviations"] <= 1e9


@pytest.mark.parametrize("layout", ["case folder", "input folder", "nnU-Net"])
def test_a_real_case_goes_both_ways(tmp_path: Path, capsys: Say, layout: str) -> None:
    source = tiny.train(
        tmp_path / "gli", tiny.plans(spacing_mm=(1.2, 1, 1)), tiny.dataset(), (0, 1)
    )
    case = tmp_path / "in" / "BraTS-GLI-00001-000"
    files.write_brats_case(case, case.name)
    if layout == "input folder":
        case = case.parent
    if layout == "nnU-Net":
        for number, sequence in enumerate(MRI_SEQUENCES):
            name = f"{case.name}-{sequence}.nii.gz"
            (case / name).rename(case / f"x_{number:04d}.nii.gz")
        case = case / "x_0000.nii.gz"
    assert pack(source, tmp_path, "--prove", str(case)) == 0
    record = proof_of(tmp_path)["case"]
    assert record["id"] == ("x" if layout == "nnU-Net" else "BraTS-GLI-00001-000")
    assert record["voxels"] == 18 * 22 * 20 and record["agreement"] >= 0.9995
    assert sum(record["stock_voxels"].values()) > 0 and record["mirroring"] is True
    assert min(d for d in record["dice"].values() if d is not None) > 0.99
    assert f"case {record['id']}: " in capsys.readouterr().out


def test_a_real_case_of_one_sequence_is_a_file(tmp_path: Path) -> None:
    abdomen = tiny.dataset({"background": 0, "pancreas": 1, "tumour": 2}, ["MRI"])
    source = tiny.train(tmp_path / "t1", tiny.plans(channels=1), abdomen)
    folder = files.write_panther_case(tmp_path / "in")
    (scan,) = folder.glob("images/*/*.mha")
    assert (
        pack(
            source,
            tmp_path,
            "--prove",
            str(scan),
            "--labels",
            "pancreas=1,tumour=2",
            scheme="panther-t1",
        )
        == 0
    )
    record = proof_of(tmp_path)["case"]
    # the reader of a NIfTI cohort reads a MetaImage too; values 1 and 2 mean what they are named
    assert record["agreement"] >= 0.9999 and SimpleITK.ReadImage(str(scan)).GetDepth() == 20


def test_a_case_that_both_ways_answer_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Say
) -> None:
    source = tiny.train(tmp_path / "gli", tiny.plans(), tiny.dataset())
    case = files.write_brats_case(tmp_path / "in", "BraTS-GLI-00001-000")
    true_reader = proof_case.read_case

    def turned(files: Any) -> Case:
        seen = true_reader(files)
        images = {name: image[:, ::-1].copy() for name, image in seen.images.items()}
        return Case(seen.id, images, seen.spacing_mm)

    monkeypatch.setattr(proof_case, "read_case", turned)
    assert pack(source, tmp_path, "--prove", str(case)) == 2
    assert "our labels agree with nnU-Net 2.8.1's on " in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a_0000", "a_0001", "a_0002"), "a_0003.nii.gz missing"),
        (("a_0000", "b_0000"), "2 cases, one expected"),
        ((), "no case found"),
    ],
)
def test_a_case_that_is_not_exactly_one_is_refused(
    tmp_path: Path, capsys: Say, names: tuple[str, ...], message: str
) -> None:
    source = tiny.train(tmp_path / "gli", tiny.plans(), tiny.dataset())
    (tmp_path / "in").mkdir()
    for name in names:
        files.write_nifti(tmp_path / "in" / f"{name}.nii.gz", files.head())
    assert pack(source, tmp_path, "--prove", str(tmp_path / "in")) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_weights_that_ship_on_a_real_glioma(tmp_path: Path, shared_data: Path) -> None:
    source = Path(__file__).resolve().parents[3] / "weights/brats-gli/long__nnUNetPlans__world"
    assert pack(source, tmp_path, "--prove", str(shared_data / "tcga-fg-6692" / "image")) == 0
    record = proof_of(tmp_path)
    for fold in record["tiles"]["folds"].values():
        assert fold["shape"] == [64, 80, 64] and fold["as_packed"]["differing"] <= 5
        assert fold["as_packed"]["logits_in_deviations"] < 1e-3
        assert fold["rounding"]["logits"] == 0  # they are in half precision already
        assert set(fold["decided"]) == {"NETC", "SNFH", "ET", "RC"}
    assert record["case"]["differing"] <= 10 and record["case"]["voxels"] == 8_928_000
    assert min(d for d in record["case"]["dice"].values() if d is not None) > 0.999


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
    source = trained(tmp_path / "stage")
    plans = json.loads((source / "plans.json").read_text())
    settings = plans["configurations"]["3d_fullres"]["architecture"]
    settings |= {"network_class_name": network}
    if "Primus" in network:
        settings |= {"arch_kwargs": dict(PRIMUS_ARGUMENTS), "_kw_requires_import": []}
    (source / "plans.json").write_text(json.dumps(plans))
    change(source / "fold_0" / "checkpoint_final.pth", trainer_name="mri_da5")
    (source / "fold_0" / "provenance.json").write_text(json.dumps({"stage": "mri_da5"}))
    with plain_copy(Trained(source, ("0",), "checkpoint_final"), "3d_fullres") as plain:
        content = torch.load(plain.checkpoint_of("0"), weights_only=True)
    assert content["trainer_name"] == trainer
