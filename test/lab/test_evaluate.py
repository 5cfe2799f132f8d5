"""Dice tables, checked by hand."""

import json
import math
from pathlib import Path

import files
import numpy as np
import pytest

from challenge.scheme import SCHEMES
from lab.__main__ import main as lab
from lab.metrics.voxel import dice, region_dice


def test_dice_by_hand() -> None:
    prediction = np.array([1, 1, 1, 0, 0], bool)
    reference = np.array([0, 1, 1, 1, 1], bool)
    assert dice(prediction, reference) == pytest.approx(4 / 7)
    assert dice(prediction, ~prediction) == 0
    assert math.isnan(dice(np.zeros(3, bool), np.zeros(3, bool)))


def test_regions() -> None:
    prediction = np.array([[[1, 2, 3, 4]]], np.uint8)
    reference = np.array([[[3, 2, 1, 4]]], np.uint8)
    found = region_dice(prediction, reference, SCHEMES["brats-gli"])
    assert found == {"WT": 1, "TC": 1, "ET": 0, "NETC": 0, "SNFH": 1, "RC": 1}


def test_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[:2] = 3
    for id, prediction in (("a", labels), ("b", labels * 0)):
        files.write_nifti(tmp_path / "references" / f"{id}.nii.gz", labels)
        files.write_nifti(tmp_path / "predictions" / f"{id}.nii.gz", prediction)
    paths = ["--predictions", tmp_path / "predictions", "--references", tmp_path / "references"]
    flags = ["--scheme", "brats-ssa", "--regions", "WT", "ET", "--out", tmp_path / "scores.json"]
    assert lab(["evaluate", *map(str, [*paths, *flags])]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["WT", "ET"],
        ["a", "1.000", "1.000"],
        ["b", "0.000", "0.000"],
        ["mean", "Dice", "0.500", "0.500"],
        ["cases", "in", "mean", "2", "2"],
    ]
    assert json.loads((tmp_path / "scores.json").read_text())["dice"]["b"]["WT"] == 0
    (tmp_path / "predictions" / "b.nii.gz").unlink()
    with pytest.raises(SystemExit, match="no prediction for b"):
        lab(["evaluate", *map(str, [*paths, *flags])])
