"""The container test's judge: what it must let pass and what it must catch, down to one voxel."""

import sys
from pathlib import Path

import compare_labels
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

FOREGROUND = 2000  # with the default tolerance of 0.1 %: two voxels may differ


def labels(differing: int = 0) -> np.ndarray:
    voxels = np.zeros((20, 20, 20), np.uint8)
    voxels.reshape(-1)[:FOREGROUND] = 1
    voxels.reshape(-1)[:differing] = 2
    return voxels


def write_nifti(folder: Path, voxels: np.ndarray, shift_mm: float = 0.0) -> None:
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine[0, 3] = shift_mm
    folder.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), folder / "BraTS-GLI-00000-100.nii.gz")


def write_mha(folder: Path, voxels: np.ndarray, spacing: float = 1.1875) -> None:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((spacing, spacing, 3.0))
    path = folder / "images" / "mask"
    path.mkdir(parents=True)
    sitk.WriteImage(image, str(path / "a.mha"), True)


@pytest.fixture
def judge(tmp_path, monkeypatch, capsys):
    """Compare tmp_path/output with tmp_path/expected; return the exit code and what was said."""

    def run() -> tuple[int, str]:
        command = ["compare_labels.py", str(tmp_path / "expected"), str(tmp_path / "output")]
        monkeypatch.setattr(sys, "argv", command)
        return compare_labels.main(), capsys.readouterr().out

    return run


@pytest.mark.parametrize("write", [write_nifti, write_mha])
@pytest.mark.parametrize(("differing", "code"), [(0, 0), (2, 0), (3, 1)])
def test_one_voxel_too_many_is_caught(tmp_path, judge, write, differing, code):
    write(tmp_path / "expected", labels())
    write(tmp_path / "output", labels(differing))
    assert judge()[0] == code


def test_last_bit_of_the_geometry_counts(tmp_path, judge):
    write_mha(tmp_path / "expected", labels())
    write_mha(tmp_path / "output", labels(), np.nextafter(1.1875, 2))
    code, said = judge()
    assert code == 1 and "spacing" in said


def test_moved_nifti_and_other_type_are_caught(tmp_path, judge):
    write_nifti(tmp_path / "expected", labels())
    write_nifti(tmp_path / "output", labels(), shift_mm=0.001)
    assert "srow_x" in judge()[1]
    write_nifti(tmp_path / "output", labels().astype(np.uint16))
    assert "type uint16" in judge()[1]


@pytest.mark.parametrize("extra", ["record.json", "folder/"])
def test_anything_else_in_the_output_is_caught(tmp_path, judge, extra):
    write_nifti(tmp_path / "expected", labels())
    write_nifti(tmp_path / "output", labels())
    path = tmp_path / "output" / extra
    path.mkdir() if extra.endswith("/") else path.touch()
    code, said = judge()
    assert code == 1 and "UNEXPECTED" in said


def test_missing_broken_and_nothing_are_caught(tmp_path, judge):
    write_nifti(tmp_path / "expected", labels())
    (tmp_path / "output").mkdir()
    assert judge()[0] == 1
    (tmp_path / "output" / "BraTS-GLI-00000-100.nii.gz").write_bytes(b"not an image")
    assert judge()[0] == 1
    (tmp_path / "expected" / "BraTS-GLI-00000-100.nii.gz").unlink()
    assert "NOTHING" in judge()[1]
