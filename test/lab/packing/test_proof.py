"""A packed model answers a random tile as stock nnU-Net; differences are counted, or refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from packer import change_checkpoint, pack_exit_code, proof_of, train_softmax

from lab.__main__ import main as lab
from lab.packing.random_tile import SEED
from lab.packing.stock_prediction import STOCK
from lab.packing.tile_answers import Answer, difference

Say = pytest.CaptureFixture[str]


def test_what_was_packed_is_proven_and_rounding_counted_apart(tmp_path: Path, capsys: Say) -> None:
    assert pack_exit_code(train_softmax(tmp_path / "gli", folds=(0, 1)), tmp_path, "--half") == 0
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


def test_regions_and_values_of_its_own_are_proven_by_name(tmp_path: Path) -> None:
    regions = {"background": 0, "WT": [1, 2, 3], "TC": [2, 3], "ET": [1], "RC": [4]}
    dataset = tiny.dataset(regions, order=[3, 2, 1, 4])
    source = tiny.train(tmp_path / "gli", tiny.plans(), dataset)
    assert pack_exit_code(source, tmp_path, "--labels", "ET=1,NETC=2,SNFH=3,RC=4") == 0
    fold = proof_of(tmp_path)["tiles"]["folds"]["0"]
    assert fold["as_packed"]["differing"] == 0 and len(fold["decided"]) >= 2


def test_several_sources_are_proven_one_by_one(tmp_path: Path, capsys: Say) -> None:
    a = train_softmax(tmp_path / "a" / "same", folds=(0, 1))
    b = train_softmax(tmp_path / "b" / "same", spacing_mm=(2, 2, 2), network="AttentionUNet")
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
    source = train_softmax(tmp_path / "gli")
    change_checkpoint(source, trainer_name=name)
    assert pack_exit_code(source, tmp_path) == 0
    record = proof_of(tmp_path)
    assert (record["trainer"], record["network_of"]) == (name, name)
    assert record["tiles"]["folds"]["0"]["as_trained"]["differing"] == 0


def test_a_stage_of_lab_train_is_proven_by_the_network_that_it_builds(tmp_path: Path) -> None:
    source = train_softmax(tmp_path / "gli")
    change_checkpoint(source, trainer_name="full")
    (source / "fold_0" / "provenance.json").write_text(json.dumps({"stage": "full"}))
    assert pack_exit_code(source, tmp_path) == 0
    record = proof_of(tmp_path)
    assert (record["trainer"], record["network_of"]) == ("full", "nnUNetTrainer")
    assert "not_proven" not in record


def test_a_network_that_stock_does_not_have_is_not_proven_and_says_so(
    tmp_path: Path, capsys: Say
) -> None:
    assert pack_exit_code(train_softmax(tmp_path / "gli", network="AttentionUNet"), tmp_path) == 0
    record = proof_of(tmp_path)
    assert record["not_proven"].startswith("plans.json: ensemble.attention.AttentionUNet is not of")
    assert f"gli: not proven: {record['not_proven']}" in capsys.readouterr().out
    assert {"rounding", "backend"} < set(record["tiles"]["folds"]["0"])  # ours, among each other
    assert "as_trained" not in record["tiles"]["folds"]["0"]


def test_by_default_nothing_is_rounded_and_labels_are_stocks(tmp_path: Path, capsys: Say) -> None:
    assert pack_exit_code(train_softmax(tmp_path / "gli", folds=(0, 1)), tmp_path) == 0
    record = proof_of(tmp_path)
    for fold in record["tiles"]["folds"].values():
        assert fold["rounding"]["logits"] == 0 and fold["as_packed"]["differing"] == 0
    case = record["case"]
    assert (case["id"], case["changes"], case["mirroring"]) == ("synthetic case", [], True)
    assert case["differing"] == 0 < sum(case["stock_voxels"].values())
    assert "cost" not in case and "exact" not in case
    text = f"synthetic case: 0 of {case['voxels']:,} voxels differ from stock, 100.0000% agree"
    assert capsys.readouterr().out.count(text) == 2  # in the proof, and in the table


def test_weights_that_half_precision_does_not_hold_are_refused(tmp_path: Path, capsys: Say) -> None:
    source = train_softmax(tmp_path / "gli")
    path = source / "fold_0" / "checkpoint_final.pth"
    weights = torch.load(path, weights_only=False)["network_weights"]
    for name, value in weights.items():
        if "seg_layers" in name:
            value *= 1e-8  # half precision ends at 6e-8
    change_checkpoint(source, network_weights=weights)
    assert pack_exit_code(source, tmp_path, "--half") == 2
    message = capsys.readouterr().err
    assert "checkpoint_final.pth: its weights give another answer in half precision" in message


def test_a_patch_that_does_not_halve_is_refused_when_packing(tmp_path: Path, capsys: Say) -> None:
    source = train_softmax(tmp_path / "gli")
    plans = json.loads((source / "plans.json").read_text())
    plans["configurations"]["3d_fullres"]["patch_size"] = [16, 16, 18]
    (source / "plans.json").write_text(json.dumps(plans))
    assert pack_exit_code(source, tmp_path) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "m").exists()


def test_what_is_not_a_number_lies_beyond_every_limit() -> None:
    zeros = Answer(np.zeros((2, 2, 2, 2), np.float32), np.zeros((2, 2, 2), np.uint8))
    nothing = Answer(np.full((2, 2, 2, 2), np.nan, np.float32), zeros.labels)
    assert not difference(zeros, nothing)["logits_in_deviations"] <= 1e9
