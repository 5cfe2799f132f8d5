"""Challenges' folders become raw datasets: labels by name, geometry kept, nothing lost."""

import json
from pathlib import Path

import files
import nibabel
import numpy as np
import pytest
import SimpleITK

from challenge.volume import read_volume
from lab.__main__ import main as lab

SHAPE = (12, 16, 14)  # z, y, x


def abdomen(values: dict[str, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A scan and labels (z, y, x): a pancreas of 5 x 8 x 8 voxels with a tumour of 2 x 4 x 4."""
    scan = np.random.default_rng(seed).normal(300, 50, SHAPE).astype(np.float32)
    labels = np.zeros(SHAPE, np.uint8)
    labels[3:8, 4:12, 3:11] = values["pancreas"]
    labels[4:6, 5:9, 4:8] = values["tumour"]
    return scan, labels


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing((0.8, 0.8, 2.5))
    image.SetOrigin((-100.5, 20.25, 7.0))
    SimpleITK.WriteImage(image, str(path), True)


def write_msd(folder: Path, values: dict[str, int] | None = None, cases: int = 2) -> Path:
    for number in range(cases):
        scan, labels = abdomen(values or {"pancreas": 1, "tumour": 2}, number)
        write(folder / "imagesTr" / f"pancreas_{number:03d}.nii.gz", scan)
        write(folder / "labelsTr" / f"pancreas_{number:03d}.nii.gz", labels)
    (folder / "labelsTr" / "._pancreas_000.nii.gz").write_bytes(b"\0")
    return folder


def write_panorama(folder: Path) -> Path:
    scan, labels = abdomen({"pancreas": 4, "tumour": 1}, 7)
    labels[0, 0, :6] = (2, 3, 5, 5, 6, 6)
    write(folder / "images" / "100000_00001_0000.nii.gz", scan)
    write(folder / "manual_labels" / "100000_00001.nii.gz", labels)
    write(folder / "automatic_labels" / "100000_00001.nii.gz", labels * 0)
    return folder


def write_panther(folder: Path) -> Path:
    scan, labels = abdomen({"pancreas": 2, "tumour": 1}, 3)
    write(folder / "ImagesTr" / "10000_0001_0000.mha", scan)
    write(folder / "LabelsTr" / "10000_0001.mha", labels)
    return folder


def prepare(tmp_path: Path, *sources: str, dataset: str = "Dataset901_X") -> int:
    flags = [flag for source in sources for flag in ("--source", source)]
    return lab(["prepare", *flags, "--dataset", dataset, "--out", str(tmp_path / "raw")])


def voxels(path: Path) -> dict[int, int]:
    values, counts = np.unique(read_volume(path, np.uint8).array, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def test_pancreas_and_tumour_of_three_sources_end_where_they_belong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    msd, panorama = write_msd(tmp_path / "msd"), write_panorama(tmp_path / "panorama")
    panther = write_panther(tmp_path / "panther")
    sources = (f"msd-pancreas={msd}", f"panorama={panorama}", f"panther-t1={panther}")
    assert prepare(tmp_path, *sources) == 0
    home = tmp_path / "raw" / "Dataset901_X"
    labels = sorted((home / "labelsTr").iterdir())
    assert [path.name for path in labels] == [
        "msd-pancreas_pancreas_000.nii.gz",
        "msd-pancreas_pancreas_001.nii.gz",
        "panorama_100000_00001.nii.gz",
        "panther-t1_10000_0001.nii.gz",
    ]
    for path in labels:
        counts = voxels(path)
        assert counts[1] == 32
        assert counts[2] == 320 - 32 + (2 if "panorama" in path.name else 0)
        scan = SimpleITK.ReadImage(str(home / "imagesTr" / path.name.replace(".nii", "_0000.nii")))
        copy = SimpleITK.ReadImage(str(path))
        assert copy.GetOrigin() == scan.GetOrigin() == pytest.approx((-100.5, 20.25, 7.0))
        assert copy.GetSpacing() == scan.GetSpacing() == pytest.approx((0.8, 0.8, 2.5))
    dataset = json.loads((home / "dataset.json").read_text())
    assert dataset["labels"] == {"background": 0, "tumour": 1, "pancreas": 2}
    assert dataset["numTraining"] == 4
    message = capsys.readouterr().out
    assert "msd-pancreas         2  tumour         1       2    10.0%" in message
    assert "panorama             5  pancreas       2       1     0.6%" in message
    assert "panorama             2  -              0       1     0.3%" in message


def test_swapped_values_are_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    msd = write_msd(tmp_path / "msd", {"pancreas": 2, "tumour": 1})  # PANTHER's values
    assert prepare(tmp_path, f"msd-pancreas={msd}") == 1
    message = capsys.readouterr().err
    assert "tumour is 90% of the pancreas in the median case, 0% to 50% is usual" in message


def test_tumours_without_their_organ_are_no_swapped_values(tmp_path: Path, capsys) -> None:
    msd = write_msd(tmp_path / "msd", {"pancreas": 0, "tumour": 2})
    assert prepare(tmp_path, f"msd-pancreas={msd}") == 0
    message = capsys.readouterr()
    assert "swapped" not in message.err
    assert "pancreas       2       0     0.0%" in message.out  # which the table says


def test_brats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    id = "BraTS-GLI-00001-100"
    files.write_brats_case(tmp_path / "in" / id, id)
    labels = np.digitize(files.head(), (350, 450, 550, 650)).astype(np.uint8)
    files.write_nifti(tmp_path / "in" / id / f"{id}-seg.nii.gz", labels)
    assert prepare(tmp_path, f"brats-gli={tmp_path / 'in'}") == 0
    home = tmp_path / "raw" / "Dataset901_X"
    np.testing.assert_array_equal(
        nibabel.load(home / "labelsTr" / f"{id}.nii.gz").get_fdata(), labels
    )
    dataset = json.loads((home / "dataset.json").read_text())
    assert list(dataset["channel_names"].values()) == ["t1n", "t1c", "t2w", "t2f"]
    source, copy = (tmp_path / "in" / id / f"{id}-t2w.nii.gz", home / "imagesTr")
    assert source.read_bytes() == (copy / f"{id}_0002.nii.gz").read_bytes()
    assert prepare(tmp_path, f"brats-gli-2023={tmp_path / 'in'}", dataset="Dataset902_Y") == 2
    assert "values 4 are not named by BraTS 2023: 1 NETC, 2 SNFH, 3 ET" in capsys.readouterr().err


def test_another_challenges_cases_are_recoded_only_where_somebody_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SNFH, 2 in GLI, would be NETC in PED."""
    id = "BraTS-GLI-00001-100"
    files.write_brats_case(tmp_path / "in" / id, id)
    labels = np.digitize(files.head(), (350, 450, 550, 650)).astype(np.uint8)
    files.write_nifti(tmp_path / "in" / id / f"{id}-seg.nii.gz", labels)
    source = f"brats-ped={tmp_path / 'in'}"
    assert prepare(tmp_path, source) == 2
    assert f"{id} is named as of brats-gli" in capsys.readouterr().err
    assert not (tmp_path / "raw").exists()
    words = ["prepare", "--source", source, "--dataset", "Dataset901_X", "--foreign"]
    assert lab([*words, "--out", str(tmp_path / "raw")]) == 0
    assert f"{source}: 1 cases are named as of another challenge" in capsys.readouterr().err
    dataset = json.loads((tmp_path / "raw" / "Dataset901_X" / "dataset.json").read_text())
    assert dataset["foreign_cases"] == [id]
    assert dataset["labels"] == {"background": 0, "ET": 1, "NETC": 2, "CC": 3, "ED": 4}


def test_ct_is_named_so_that_nnunet_normalises_it_as_ct(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from nnunetv2.preprocessing.normalization.map_channel_name_to_normalization import (
        get_normalization_scheme,
    )

    msd = f"msd-pancreas={write_msd(tmp_path / 'msd')}"
    panorama = f"panorama={write_panorama(tmp_path / 'panorama')}"
    panther = f"panther-t1={write_panther(tmp_path / 'panther')}"

    def channel(dataset: str) -> str:
        content = json.loads((tmp_path / "raw" / dataset / "dataset.json").read_text())
        (name,) = content["channel_names"].values()
        return str(name)

    assert prepare(tmp_path, msd, panorama, dataset="Dataset901_CT") == 0
    assert channel("Dataset901_CT") == "CT"
    assert get_normalization_scheme(channel("Dataset901_CT")).__name__ == "CTNormalization"
    assert "one channel holds" not in capsys.readouterr().err
    assert prepare(tmp_path, msd, panther, dataset="Dataset902_Both") == 0
    assert channel("Dataset902_Both") == "t1"
    assert "one channel holds CT of msd-pancreas, t1 of panther-t1: it is named t1" in (
        capsys.readouterr().err
    )
    assert prepare(tmp_path, panther, dataset="Dataset903_MRI") == 0
    assert channel("Dataset903_MRI") == "t1"


def test_it_goes_on_where_it_stopped_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    msd = write_msd(tmp_path / "msd")
    assert prepare(tmp_path, f"msd-pancreas={msd}") == 0
    home = tmp_path / "raw" / "Dataset901_X"
    finished, removed = sorted((home / "labelsTr").iterdir())
    before = finished.stat().st_mtime_ns
    removed.unlink()
    assert prepare(tmp_path, f"msd-pancreas={msd}") == 0
    assert removed.exists()
    assert finished.stat().st_mtime_ns == before
    other = write_msd(tmp_path / "other", cases=3)
    assert prepare(tmp_path, f"msd-pancreas={other}") == 2
    assert "made from other sources; move it away first" in capsys.readouterr().err
    (home / "dataset.json").unlink()
    assert prepare(tmp_path, f"msd-pancreas={msd}") == 2
    assert "was not made by this" in capsys.readouterr().err


def test_a_case_that_the_sources_no_longer_have_is_not_left_among_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    msd = write_msd(tmp_path / "msd")
    assert prepare(tmp_path, f"msd-pancreas={msd}") == 0
    for part in ("imagesTr", "labelsTr"):
        (msd / part / "pancreas_001.nii.gz").unlink()
    assert prepare(tmp_path, f"msd-pancreas={msd}") == 2
    message = capsys.readouterr().err
    assert "holds 1 cases that the sources do not (pancreas_001); move it away first" in message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("msd", "LAYOUT=DIR with one of"),
        ("brain=/tmp", "LAYOUT=DIR with one of"),
        ("msd-pancreas=/nowhere", "/nowhere: no such folder"),
        ("msd-pancreas={empty}", "no case"),
    ],
)
def test_sources_that_cannot_work(
    source: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert prepare(tmp_path, source.format(empty=tmp_path / "empty")) == 2
    assert message in capsys.readouterr().err


def test_labels_on_another_grid_and_missing_scans_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    msd = write_msd(tmp_path / "msd")
    write(msd / "labelsTr" / "pancreas_001.nii.gz", np.zeros((5, 16, 14), np.uint8))
    assert prepare(tmp_path, f"msd-pancreas={msd}") == 2
    assert "pancreas_001.nii.gz: size (14, 16, 5) differs" in capsys.readouterr().err
    (msd / "imagesTr" / "pancreas_000.nii.gz").unlink()
    assert prepare(tmp_path, f"msd-pancreas={msd}") == 2
    assert "labelsTr/pancreas_000.nii.gz: labels without imagesTr/" in capsys.readouterr().err
