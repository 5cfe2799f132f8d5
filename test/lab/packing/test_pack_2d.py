"""A trained folder of configuration 2d is packed, proven, exported and packed again like others."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from exported import scan
from packer import change_checkpoint, pack_exit_code, proof_of

from challenge.scheme import labels_from
from ensemble.engine import Engine
from ensemble.manifest import Model, verify_model
from ensemble.plans import read_plan
from ensemble.predict import predict
from lab.__main__ import main as lab
from lab.packing.synthetic_case import SLICES, as_volume, grid_for

CASE = scan((7, 26, 34), (4, 0.8, 0.9))


def train(folder: Path, seed: int = 0, **plans: object) -> Path:
    planned = tiny.plans((1, 0.9), (16, 24), **plans)
    return tiny.train(folder, planned, tiny.dataset(), seed=seed, mirror_axes=(0, 1))


def model_of(out: Path) -> Model:
    return verify_model(out / "m" / "MANIFEST.json")


def labels(model: Model, backend: str = "torch") -> np.ndarray:
    *_, final = predict(CASE, model, Engine(torch.device("cpu"), backend))
    return labels_from(final.probabilities, model.head, model.scheme)


def test_batch_norm_of_its_trainer_is_that_of_slices(tmp_path: Path) -> None:
    source = train(tmp_path / "normed")
    plans = tiny.plans((1, 0.9), (16, 24))
    arguments = plans["configurations"]["2d"]["architecture"]["arch_kwargs"]
    arguments["norm_op"] = "torch.nn.modules.batchnorm.BatchNorm2d"
    normed = tiny.train(tmp_path / "T__P__2d", plans, tiny.dataset(), mirror_axes=(0, 1))
    shutil.copyfile(source / "plans.json", normed / "plans.json")  # names instance norm, as always
    change_checkpoint(normed, trainer_name="nnUNetTrainerBN")
    assert pack_exit_code(normed, tmp_path / "out") == 0
    record = proof_of(tmp_path / "out")
    assert record["network_of"] == "nnUNetTrainerBN"
    assert record["tiles"]["folds"]["0"]["as_trained"]["differing"] == 0


@pytest.mark.parametrize(
    ("trainer", "network"),
    [("nnUNet_Primus_S_Trainer", "PrimusS"), ("nnUNetTrainerMedNeXtS_kernel3", "MedNeXt")],
)
def test_networks_of_volumes_are_refused(
    tmp_path: Path, trainer: str, network: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = train(tmp_path / "trained")
    change_checkpoint(source, trainer_name=trainer)
    assert pack_exit_code(source, tmp_path / "out", "--foreign-trainer") == 2
    assert f"{network} is 3-D, 2d is 2-D" in capsys.readouterr().err


def test_the_synthetic_case_has_slices_of_a_thickness(tmp_path: Path) -> None:
    assert pack_exit_code(train(tmp_path / "trained"), tmp_path) == 0
    plan = read_plan(tiny.plans((1, 0.9), (16, 24)), "2d")
    assert as_volume(plan) == ((SLICES, 16, 24), (16 / SLICES, 1, 0.9))
    grid = grid_for(model_of(tmp_path).members)
    assert grid.shape == (9, 14, 25)  # 24 x 1.25 / 3.2 slices, 16 x 0.95 / 1.1, 24 x 0.95 / 0.9
    extent_mm = np.multiply(grid.shape, grid.spacing_mm)
    np.testing.assert_allclose(extent_mm, (16 * 1.25, 16 * 0.95, 24 * 0.9 * 0.95))


def test_fewer_tiles_and_half_precision_are_counted_against_stock(tmp_path: Path) -> None:
    flags = ("--half", "--step", "0.75", "--no-mirroring")
    assert pack_exit_code(train(tmp_path / "trained"), tmp_path, *flags) == 0
    case = proof_of(tmp_path)["case"]
    assert case["changes"] == ["half precision", "no mirroring", "step 0.75"]
    assert set(case["cost"]) == set(case["changes"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["program", "ONNX"])
def test_an_exported_2d_member_packs_to_the_same_labels(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "ONNX" and not importlib.util.find_spec("onnxscript"):
        pytest.skip("onnxscript is an extra")
    source = train(tmp_path / "trained", network="ResidualEncoderUNet")
    assert pack_exit_code(source, tmp_path / "first") == 0
    out = ["--out", str(tmp_path / "program"), *(["--onnx"] if kind == "ONNX" else [])]
    assert lab(["export", "--model", str(tmp_path / "first" / "m"), *out]) == 0
    said = capsys.readouterr().out
    assert "logits of a random tile differ by at most 0 from the packed ones" in said
    assert "labels of a synthetic case are the packed member's" in said
    if kind == "ONNX":
        (tmp_path / "program" / "fold_0" / "program.pt2").unlink()
    assert pack_exit_code(tmp_path / "program", tmp_path / "second") == 0
    first, second = model_of(tmp_path / "first"), model_of(tmp_path / "second")
    (member,) = second.members
    assert (member.plan.patch, member.plan.spacing_mm) == ((1, 16, 24), (None, 1, 0.9))
    assert member.plan.mirror_axes == (1, 2)
    agreement = (labels(first) == labels(second)).mean()
    assert agreement == 1 if kind == "program" else agreement >= 0.9999
    assert len(np.unique(labels(first))) > 2
