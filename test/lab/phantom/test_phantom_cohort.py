"""Cohorts on disk: layouts, affines and dataset.json."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from lab import __main__ as lab
from lab.phantom import brats, cohort
from lab.phantom.cohort import Population


def test_nnunet_layout_and_affine(tmp_path: Path) -> None:
    out = tmp_path / "Dataset900_Heads"
    arguments = ["phantom", "--kind", "brats-gli", "--cases", "3", "--seed", "5"]
    arguments += ["--spacing", "8,8,8", "--layout", "nnunet", "--out", str(out)]
    assert lab.main(arguments) == 0
    described = json.loads((out / "dataset.json").read_text())
    assert described["channel_names"] == {"0": "t1n", "1": "t1c", "2": "t2w", "3": "t2f"}
    assert described["labels"]["RC"] == 4
    assert len(list((out / "imagesTr").iterdir())) == 12
    assert len(list((out / "labelsTr").iterdir())) == 3


def test_native_origin_and_axes_of_brats_files(tmp_path: Path) -> None:
    for seed, origin, direction_y in ((0, (-90, 126, -72), -1), (2, (0, -239, 0), 1)):
        grid = brats.grid_of(seed)
        empty = np.zeros(grid.shape, np.uint8)
        patient = cohort.Patient("empty", grid, {}, empty, brats.world_shift_mm(grid))
        cohort.save(tmp_path / "empty.nii.gz", empty, patient)
        image = sitk.ReadImage(str(tmp_path / "empty.nii.gz"))
        assert image.GetOrigin() == pytest.approx(origin)
        assert image.GetDirection() == pytest.approx((1, 0, 0, 0, direction_y, 0, 0, 0, 1))
        assert image.GetSpacing() == pytest.approx((1, 1, 1))


def test_challenge_layout_of_panther(tmp_path: Path) -> None:
    out = tmp_path / "bellies"
    cohort.write(
        Population("panther-t1", 5, (8.0, 8.0, 8.0)), 1, cohort.Destination(out, "challenge")
    )
    (scan,) = out.glob("*/images/abdominal-t1-mri/*.mha")
    reference = tmp_path / "bellies-labels" / scan.name
    picture, labels = (sitk.ReadImage(str(p)) for p in (scan, reference))
    assert picture.GetSize() == labels.GetSize()
    assert picture.GetSpacing() == pytest.approx((8, 8, 8))
    assert picture.GetPixelID() == sitk.sitkInt16
    assert set(np.unique(sitk.GetArrayFromImage(labels))) <= {0, 1, 2}
