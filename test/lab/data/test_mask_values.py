"""Masks as the sources have them: on another grid, as 255, with rounding errors, empty."""

import json
from pathlib import Path

import numpy as np
import pytest
from atlas_download import AFFINE, MASK, cube, prepare, write_subject

from challenge.case import read_volume
from lab.data.mask_values import label_values
from lab.data.sources import all_layouts


def labels_of(tmp_path: Path, id: str) -> np.ndarray:
    path = tmp_path / "raw" / "Dataset601_Stroke" / "labelsTr" / f"{id}.nii.gz"
    return read_volume(path, np.uint8).array.T


def test_the_organisers_download_becomes_a_dataset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Masks of any type; what is no 1 is said, and so is who has no lesion."""
    source = tmp_path / "ATLAS3_Training_Raw"
    write_subject(source, "sub-r001s001", cube(1.00000006, np.float64))
    write_subject(source, "sub-r001s002", cube(255, np.uint16))
    write_subject(source, "sub-soop0910", cube(0))
    assert prepare(tmp_path, source) == 0
    for id, voxels in (("sub-r001s001", 64), ("sub-r001s002", 64), ("sub-soop0910", 0)):
        assert labels_of(tmp_path, id).sum() == voxels
    dataset = json.loads((tmp_path / "raw" / "Dataset601_Stroke" / "dataset.json").read_text())
    assert dataset["channel_names"] == {"0": "t1w"}
    assert dataset["labels"] == {"background": 0, "lesion": 1}
    assert dataset["numTraining"] == 3
    assert "resampled_masks" not in dataset
    printed = capsys.readouterr().err
    assert printed.count("taken for lesion") == 1
    assert f"{MASK}: values 255 taken for lesion, as all above 0" in printed
    assert "isles-2026: 1 of 3 cases have no label (sub-soop0910)" in printed


def test_a_mask_on_another_grid_is_brought_onto_its_images_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same cube of 4 x 4 x 8 mm on slices of 1 mm, and moved by 2 mm along x."""
    fine = np.repeat(cube(), 2, axis=2)
    middle = np.array(AFFINE)  # of a slice of 2 mm lies between two of 1 mm
    middle[2] = [0, 0, 1, -0.5]
    write_subject(tmp_path / "in", "sub-a", fine, middle)
    moved = np.array(AFFINE)
    moved[0, 3] = 2
    write_subject(tmp_path / "in", "sub-b", cube(), moved)
    write_subject(tmp_path / "in", "sub-c", cube())
    assert prepare(tmp_path, tmp_path / "in") == 0
    np.testing.assert_array_equal(labels_of(tmp_path, "sub-a"), cube())
    np.testing.assert_array_equal(labels_of(tmp_path, "sub-b"), np.roll(cube(), 2, axis=0))
    np.testing.assert_array_equal(labels_of(tmp_path, "sub-c"), cube())
    dataset = json.loads((tmp_path / "raw" / "Dataset601_Stroke" / "dataset.json").read_text())
    assert dataset["resampled_masks"] == ["sub-a", "sub-b"]
    printed = capsys.readouterr().err
    assert "size (12, 14, 20) differs from (12, 14, 10) of sub-a_ses-1" in printed
    assert "resampled by nearest neighbour, 0.13 mL became 0.13 mL" in printed
    assert "resampled onto the grid of their image: 2 of 3 masks, listed in dataset.json" in printed


def test_a_mask_that_lies_beside_its_image_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = np.array(AFFINE)
    away[0, 3] = 6
    write_subject(tmp_path / "in", "sub-a", cube(), away)
    write_subject(tmp_path / "in", "sub-b", cube())
    assert prepare(tmp_path, tmp_path / "in") == 0  # half of it lies inside
    assert "0.13 mL became 0.06 mL" in capsys.readouterr().err
    away[0, 3] = 7
    write_subject(tmp_path / "in", "sub-a", cube(), away)
    assert prepare(tmp_path, tmp_path / "in") == 2
    assert "0.03 of 0.13 mL that it labels lie inside of sub-a" in capsys.readouterr().err


@pytest.mark.parametrize("bad", [-1.0, np.nan])
def test_values_that_mean_nothing_are_refused(bad: float) -> None:
    mask = cube(1, np.float64)
    mask[0, 0, 0] = bad
    with pytest.raises(ValueError, match=r"m\.nii: values .* are not named by ISLES'26"):
        label_values(mask, Path("m.nii"), all_layouts()["isles-2026"])
