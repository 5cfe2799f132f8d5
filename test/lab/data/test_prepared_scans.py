"""Scans keep their voxels in any format and order of axes, on one grid that stock nnU-Net takes."""

import gzip
import shutil
from pathlib import Path

import files
import nibabel
import numpy as np
import pytest
import SimpleITK
from brats_sources import (
    AFTER,
    HOME,
    Integrity,
    dataset,
    head_labels,
    label_map,
    prepare,
    write_case,
)

from challenge.orientation import AXIS_CODES


def test_uncompressed_files_become_what_dataset_json_says(
    tmp_path: Path, integrity: Integrity
) -> None:
    write_case(tmp_path / "in", "A-1", AFTER)
    for path in list((tmp_path / "in").iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert prepare(tmp_path, "--source", f"brats-gli-2023={tmp_path / 'in'}") == 0
    integrity(tmp_path / HOME)
    np.testing.assert_array_equal(label_map(tmp_path, "A-1"), head_labels(AFTER))
    scan = nibabel.load(tmp_path / HOME / "imagesTr" / "A-1_0001.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(scan.dataobj), files.head(1))


def test_scans_that_nearly_share_a_grid_share_it_afterwards(
    tmp_path: Path, integrity: Integrity, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stock nnU-Net ends with an error where spacings differ by more than a hundred-thousandth."""
    write_case(tmp_path / "in", "A-1", AFTER)
    moved = files.LAS.copy()
    moved[2, 2] += 1e-4
    files.write_nifti(tmp_path / "in" / "A-1-t2f.nii.gz", files.head(3), moved)
    assert prepare(tmp_path, "--source", f"brats-gli-2023={tmp_path / 'in'}") == 0
    assert "A-1-t2f.nii.gz: written on the grid of A-1-t1n.nii.gz" in capsys.readouterr().err
    integrity(tmp_path / HOME)


def test_a_constant_scan_is_written_and_said(
    tmp_path: Path, integrity: Integrity, capsys: pytest.CaptureFixture[str]
) -> None:
    """Teams train on zeros for a sequence that was not taken."""
    write_case(tmp_path / "in", "A-1", AFTER)
    files.write_nifti(tmp_path / "in" / "A-1-t2w.nii.gz", files.head() * 0)
    assert prepare(tmp_path, "--source", f"brats-gli-2023={tmp_path / 'in'}") == 0
    assert "A-1-t2w.nii.gz: constant image, every voxel is 0" in capsys.readouterr().err
    integrity(tmp_path / HOME)


def stored(code: str, kind: str, path: Path) -> SimpleITK.Image:
    """Write a scan or its labels with axes of `code`; return it as it would be in RAS."""
    rng = np.random.default_rng(5)
    array = rng.integers(0, 900, (4, 5, 6)).astype(np.int16)
    if kind == "labels":
        array = (array % 3).astype(np.uint8)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing((0.5, 1.25, 3.0))
    image.SetOrigin((-30.5, 12.25, 7.0))
    image.SetDirection((1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8))
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(SimpleITK.DICOMOrient(image, code), str(path))
    return SimpleITK.DICOMOrient(image, "RAS")


@pytest.mark.parametrize("ending", ["nii.gz", "mha"])
def test_all_48_orders_of_axes_become_one(
    ending: str, tmp_path: Path, integrity: Integrity, capsys: pytest.CaptureFixture[str]
) -> None:
    for code in AXIS_CODES:
        scan = stored(code, "scan", tmp_path / "in" / "imagesTr" / f"{code}_0000.{ending}")
        truth = stored(code, "labels", tmp_path / "in" / "labelsTr" / f"{code}.{ending}")
    flags = ("--source", f"panther-t1={tmp_path / 'in'}")
    assert prepare(tmp_path, *flags) == 0
    assert "axes differ between cases" in capsys.readouterr().err
    assert dataset(tmp_path)["axes"] == dict.fromkeys(sorted(AXIS_CODES), 1)
    assert "orientation" not in dataset(tmp_path)
    assert prepare(tmp_path, *flags, "--orientation", "RAS") == 2
    assert "made with orientation None; move it away first" in capsys.readouterr().err
    shutil.rmtree(tmp_path / HOME)
    assert prepare(tmp_path, *flags, "--orientation", "RAS") == 0
    assert dataset(tmp_path)["axes"] == {"RAS": 48}
    assert dataset(tmp_path)["orientation"] == "RAS"
    for code in AXIS_CODES:
        for wanted, name in ((scan, f"imagesTr/{code}_0000"), (truth, f"labelsTr/{code}")):
            actual = SimpleITK.ReadImage(str(tmp_path / HOME / f"{name}.{ending}"))
            assert actual.GetPixelID() == wanted.GetPixelID()
            np.testing.assert_array_equal(*map(SimpleITK.GetArrayFromImage, (actual, wanted)))
            for getter in ("GetOrigin", "GetSpacing", "GetDirection"):
                assert getattr(actual, getter)() == pytest.approx(
                    getattr(wanted, getter)(), abs=1e-5
                )
    integrity(tmp_path / HOME)


def test_orders_of_axes_that_do_not_exist_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind, name in (("scan", "imagesTr/a_0000"), ("labels", "labelsTr/a")):
        stored("LPS", kind, tmp_path / "in" / f"{name}.mha")
    flags = ("--source", f"panther-t1={tmp_path / 'in'}")
    for code in ("RRS", "RA", "XYZ", ""):
        assert prepare(tmp_path, *flags, "--orientation", code) == 2
        assert "three letters expected" in capsys.readouterr().err


def test_scaled_voxels_keep_their_values_when_turned(tmp_path: Path, integrity: Integrity) -> None:
    """A NIfTI whose header scales what is stored: 2 x + 0.5."""
    path = write_case(tmp_path / "in", "A-1", AFTER).with_name("A-1-t1c.nii.gz")
    image = nibabel.Nifti1Image(files.head(1).astype(np.float64) * 2 + 0.5, files.LAS)
    image.header.set_data_dtype(np.int16)
    image.header.set_slope_inter(2, 0.5)
    nibabel.save(image, path)
    flags = ("--source", f"brats-gli-2023={tmp_path / 'in'}")
    assert prepare(tmp_path, *flags, "--orientation", "LPS") == 0
    actual = SimpleITK.ReadImage(str(tmp_path / HOME / "imagesTr" / "A-1_0001.nii.gz"))
    wanted = SimpleITK.DICOMOrient(SimpleITK.ReadImage(str(path)), "LPS")
    np.testing.assert_array_equal(*map(SimpleITK.GetArrayFromImage, (actual, wanted)))
    integrity(tmp_path / HOME)


def test_real_scans_are_turned_and_put_together(shared_data: Path, tmp_path: Path) -> None:
    """An abdomen's MRI, with some of its organs as the pancreas."""
    scan = shared_data / "totalsegmentator-mr-abdomen" / "example_mr_sm.nii.gz"
    labels = SimpleITK.ReadImage(str(scan.with_name("example_seg_mr.nii.gz")))
    for folder, name in (("imagesTr", "a_0000.nii.gz"), ("labelsTr", "a.nii.gz")):
        (tmp_path / "in" / folder).mkdir(parents=True)
        target = str(tmp_path / "in" / folder / name)
        if folder == "imagesTr":
            shutil.copyfile(scan, target)
        else:
            SimpleITK.WriteImage(SimpleITK.Cast(labels > 20, SimpleITK.sitkUInt8), target)
    flags = ("--source", f"panther-t1={tmp_path / 'in'}", "--orientation", "RAS")
    assert prepare(tmp_path, *flags) == 0
    actual = SimpleITK.ReadImage(str(tmp_path / HOME / "labelsTr" / "a.nii.gz"))
    wanted = SimpleITK.DICOMOrient(labels > 20, "RAS")
    np.testing.assert_array_equal(*map(SimpleITK.GetArrayFromImage, (actual, wanted)))
    assert dataset(tmp_path)["axes"] == {"RAS": 1}


@pytest.mark.slow
def test_a_real_glioma_in_ras(
    shared_data: Path, tmp_path: Path, integrity: Integrity, capsys: pytest.CaptureFixture[str]
) -> None:
    """One labelled case, and two below it that have no labels; stored LPS."""
    source = shared_data / "brats-2021-expert"
    flags = ("--source", f"brats-gli-2023={source}", "--orientation", "RAS", "--regions")
    assert prepare(tmp_path, *flags) == 1
    message = capsys.readouterr().err
    assert "1 of 3 cases, 2 left out" in message
    for unlabelled in ("BraTS-GLI-00001-000", "BraTS-GLI-00027-000"):
        assert f"{unlabelled} has scans and no labels" in message
    assert dataset(tmp_path)["axes"] == {"RAS": 1}
    id = "BraTS-GLI-00000-000"
    for part, name in (("t2f", f"imagesTr/{id}_0003"), ("seg", f"labelsTr/{id}")):
        actual = SimpleITK.ReadImage(str(tmp_path / HOME / f"{name}.nii.gz"))
        stored_image = SimpleITK.ReadImage(str(source / id / f"{id}-{part}.nii.gz"))
        wanted = SimpleITK.DICOMOrient(stored_image, "RAS")
        np.testing.assert_array_equal(*map(SimpleITK.GetArrayFromImage, (actual, wanted)))
        assert actual.GetOrigin() == pytest.approx(wanted.GetOrigin())
    integrity(tmp_path / HOME)
