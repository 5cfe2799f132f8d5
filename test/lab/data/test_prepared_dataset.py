"""What `lab prepare` wrote, as stock nnU-Net 2.8.1 and SimpleITK read it."""

import gzip
import json
import multiprocessing.pool
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import files
import nibabel
import numpy as np
import pytest
import SimpleITK

from challenge.orientation import AXIS_CODES
from lab.__main__ import main as lab
from lab.data.raw_dataset import SKIPPED

HOME = Path("raw", "Dataset901_X")
AFTER = {"NETC": 1, "SNFH": 2, "ET": 3}
BEFORE = {"NETC": 1, "SNFH": 2, "ET": 4}
Integrity = Callable[[Path], None]


@pytest.fixture
def integrity(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Integrity:
    """nnU-Net's verify_dataset_integrity, its processes as threads; a warning is a failure."""
    import nnunetv2.experiment_planning.verify_dataset_integrity as stock
    import nnunetv2.utilities.utils as utils

    pool = multiprocessing.pool.ThreadPool
    context = SimpleNamespace(get_context=lambda _: SimpleNamespace(Pool=pool))
    monkeypatch.setattr(stock, "multiprocessing", context)
    monkeypatch.setattr(utils, "Pool", lambda processes: pool(1))

    def verify(folder: Path) -> None:
        capsys.readouterr()
        stock.verify_dataset_integrity(str(folder), num_processes=1)
        message = capsys.readouterr()
        assert "verify_dataset_integrity Done" in message.out
        assert "warning" not in (message.out + message.err).lower()

    return verify


def head_labels(values: dict[str, int], shape: tuple[int, ...] = (18, 22, 20)) -> np.ndarray:
    """Labels (x, y, z): a box of 6 x 8 x 8 voxels for each name, side by side along x."""
    labels = np.zeros(shape, np.uint8)
    for number, value in enumerate(values.values()):
        labels[2 + 3 * number : 5 + 3 * number, 6:14, 6:14] = value
    return labels


def write_case(folder: Path, id: str, values: dict[str, int], separator: str = "-") -> Path:
    """Write the scans of one case and labels of each of `values`; return the labels' path."""
    files.write_brats_case(folder, id, separator)
    return files.write_nifti(folder / f"{id}{separator}seg.nii.gz", head_labels(values))


def prepare(tmp_path: Path, *words: str) -> int:
    return lab(["prepare", *words, "--dataset", "Dataset901_X", "--out", str(tmp_path / "raw")])


def dataset(tmp_path: Path) -> dict[str, Any]:
    return dict(json.loads((tmp_path / HOME / "dataset.json").read_text()))


def written(tmp_path: Path, id: str) -> np.ndarray:
    return np.asanyarray(nibabel.load(tmp_path / HOME / "labelsTr" / f"{id}.nii.gz").dataobj)


def test_values_are_numbered_from_one_and_mapped_by_name(
    tmp_path: Path, integrity: Integrity, capsys: pytest.CaptureFixture[str]
) -> None:
    """BraTS before 2023 (1, 2, 4) beside 2023 (1, 2, 3), into the challenge that has RC at 4."""
    write_case(tmp_path / "old" / "BraTS20_Training_001", "BraTS20_Training_001", BEFORE, "_")
    write_case(tmp_path / "new" / "BraTS-GLI-00001-000", "BraTS-GLI-00001-000", AFTER)
    sources = [f"brats-2021={tmp_path / 'old'}", f"brats-gli-2023={tmp_path / 'new'}"]
    flags = [word for source in sources for word in ("--source", source)]
    assert prepare(tmp_path, *flags, "--scheme", "brats-gli") == 0
    message = capsys.readouterr().err
    assert "RC: no source has it, so dataset.json does not name it" in message
    assert dataset(tmp_path)["labels"] == {"background": 0, **AFTER}
    for id in ("brats-2021_BraTS20_Training_001", "brats-gli-2023_BraTS-GLI-00001-000"):
        np.testing.assert_array_equal(written(tmp_path, id), head_labels(AFTER))
    integrity(tmp_path / HOME)


def test_a_label_that_one_source_lacks_is_said(
    tmp_path: Path, integrity: Integrity, capsys: pytest.CaptureFixture[str]
) -> None:
    write_case(tmp_path / "a" / "BraTS-MET-00001-000", "BraTS-MET-00001-000", AFTER)
    write_case(tmp_path / "b" / "BraTS-MET-00002-000", "BraTS-MET-00002-000", AFTER | {"RC": 4})
    sources = (f"brats-met={tmp_path / 'a'}", f"brats-met-2025={tmp_path / 'b'}")
    flags = [word for source in sources for word in ("--source", source)]
    assert prepare(tmp_path, *flags) == 2  # three labels alone: the first source's challenge
    assert "labels ['RC'] are none of brats-met" in capsys.readouterr().err
    assert prepare(tmp_path, *flags, "--scheme", "brats-met-2025") == 0
    assert "RC: brats-met has no such label; what 1 cases show" in capsys.readouterr().err
    assert dataset(tmp_path)["labels"] == {"background": 0, **AFTER, "RC": 4}
    integrity(tmp_path / HOME)


def test_a_label_in_the_middle_that_no_source_has_leaves_no_gap(
    tmp_path: Path, integrity: Integrity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A challenge whose values are 1, 4 and 9, and a source that has the outer two."""
    from dataclasses import replace

    import lab.data.prepare as verb
    from challenge.description import TrainingLayout
    from challenge.scheme import SCHEMES

    layout = TrainingLayout("files of 7 and 5", {7: "NETC", 5: "ET"})
    wide = replace(
        SCHEMES["brats-gli-2023"],
        name="wide",
        labels={"ET": 9, "SNFH": 4, "NETC": 1},
        layouts={"wide": layout},
    )
    monkeypatch.setitem(SCHEMES, "wide", wide)  # type: ignore[misc]
    assert verb.SCHEMES is SCHEMES
    write_case(tmp_path / "in" / "A-1", "A-1", {"NETC": 7, "ET": 5})
    assert prepare(tmp_path, "--source", f"wide={tmp_path / 'in'}") == 0
    assert dataset(tmp_path)["labels"] == {"background": 0, "NETC": 1, "ET": 2}
    np.testing.assert_array_equal(written(tmp_path, "A-1"), head_labels({"NETC": 1, "ET": 2}))
    integrity(tmp_path / HOME)


@pytest.mark.parametrize(
    ("layout", "values", "labels", "order"),
    [
        ("brats-gli-2023", AFTER, {"WT": [1, 2, 3], "TC": [1, 3], "ET": [3]}, [2, 1, 3]),
        ("brats-2021", BEFORE, {"WT": [1, 2, 3], "TC": [1, 3], "ET": [3]}, [2, 1, 3]),
        (
            "brats-met-2025",
            AFTER | {"RC": 4},
            {"WT": [1, 2, 3], "TC": [1, 3], "ET": [3], "RC": [4]},
            [2, 1, 3, 4],
        ),
        (
            "brats-ped",
            {"ET": 1, "NETC": 2, "CC": 3, "ED": 4},
            {"WT": [1, 2, 3, 4], "TC": [1, 2, 3], "ET": [1], "CC": [3]},
            [4, 2, 1, 3],
        ),
    ],
)
def test_regions_are_such_that_nnunet_paints_every_label_back(
    layout: str,
    values: dict[str, int],
    labels: dict[str, list[int]],
    order: list[int],
    tmp_path: Path,
    integrity: Integrity,
) -> None:
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

    write_case(tmp_path / "in" / "A-1", "A-1", values)
    assert prepare(tmp_path, "--source", f"{layout}={tmp_path / 'in'}", "--regions") == 0
    content = dataset(tmp_path)
    regions = {name: sorted(value) for name, value in content["labels"].items() if value}
    assert regions == labels
    assert content["regions_class_order"] == order
    integrity(tmp_path / HOME)
    truth = written(tmp_path, "A-1")
    manager = LabelManager(content["labels"], content["regions_class_order"])
    channels = [np.isin(truth, region) for region in manager.foreground_regions]
    painted = manager.convert_probabilities_to_segmentation(np.stack(channels).astype(np.float32))
    np.testing.assert_array_equal(painted, truth)


def test_regions_are_refused_where_there_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write_nifti(tmp_path / "in" / "A-1_t1c.nii.gz", files.head())
    files.write_nifti(tmp_path / "in" / "A-1_gtv.nii.gz", head_labels({"GTV": 1}))
    assert prepare(tmp_path, "--source", f"brats-men-rt={tmp_path / 'in'}", "--regions") == 2
    assert capsys.readouterr().err == "--regions: GTV make no nested regions\n"
    assert prepare(tmp_path, "--source", f"brats-men-rt={tmp_path / 'in'}") == 0


def test_labels_that_went_through_floats_are_whole_again(
    tmp_path: Path, integrity: Integrity, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_case(tmp_path / "in", "A-1", AFTER)
    truth = head_labels(AFTER)
    files.write_nifti(path, np.where(truth == 3, 2.9999998, truth).astype(np.float32))
    assert prepare(tmp_path, "--source", f"brats-gli-2023={tmp_path / 'in'}") == 0
    assert "A-1-seg.nii.gz: 2.9999998 taken for 3" in capsys.readouterr().err
    np.testing.assert_array_equal(written(tmp_path, "A-1"), truth)
    integrity(tmp_path / HOME)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2.5, "values 2.5 are"),
        (np.nan, "values nan are"),
        (-1, "values -1 are"),
        (300, "values 300 are"),
        (np.inf, "values inf are"),
        (4, "values 4 are"),
    ],
)
def test_values_that_are_no_label_are_refused_by_name(
    value: float, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_case(tmp_path / "in", "A-1", AFTER)
    labels = head_labels(AFTER).astype(np.float32)
    labels[0, 0, 0] = value
    files.write_nifti(path, labels)
    assert prepare(tmp_path, "--source", f"brats-gli-2023={tmp_path / 'in'}") == 2
    line = capsys.readouterr().err
    assert f"{path}: {message} not named by BraTS 2023: 1 NETC, 2 SNFH, 3 ET" in line
    assert len(line.splitlines()) == 1


def test_uncompressed_files_become_what_dataset_json_says(
    tmp_path: Path, integrity: Integrity
) -> None:
    write_case(tmp_path / "in", "A-1", AFTER)
    for path in list((tmp_path / "in").iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert prepare(tmp_path, "--source", f"brats-gli-2023={tmp_path / 'in'}") == 0
    integrity(tmp_path / HOME)
    np.testing.assert_array_equal(written(tmp_path, "A-1"), head_labels(AFTER))
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


BREAK: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "no image": lambda path: path.write_bytes(b""),
    "another grid": lambda path: files.write_nifti(path, files.head(), np.diag([2, 2, 2, 1])),
    "NaN": lambda path: files.write_nifti(
        path, np.where(files.head() > 500, np.nan, files.head()).astype(np.float32)
    ),
    "sheared": lambda path: files.write_nifti(path, files.head(), files.LAS + np.eye(4, k=1) / 3),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("part", ["t1n", "t2f", "seg"])
@pytest.mark.parametrize("how", BREAK)
def test_a_bad_case_is_refused_and_with_skip_bad_left_out(
    how: str, part: str, tmp_path: Path, integrity: Integrity, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        write_case(tmp_path / "in", f"A-{number}", AFTER)
    bad = tmp_path / "in" / f"A-1-{part}.nii.gz"
    BREAK[how](bad)
    flags = ("--source", f"brats-gli-2023={tmp_path / 'in'}")
    unlabelled = (how, part) == ("gone", "seg")
    assert prepare(tmp_path, *flags) == (1 if unlabelled else 2)
    (line, *_) = capsys.readouterr().err.splitlines()
    assert "A-1" in line
    assert unlabelled or line.endswith("; --skip-bad goes on without this case")
    assert prepare(tmp_path, *flags, "--skip-bad", "--accept-skipped") == 0
    capsys.readouterr()
    assert prepare(tmp_path, *flags, "--skip-bad") == 1
    message = capsys.readouterr().err.splitlines()
    assert "A-1" in message[-2]
    assert message[-1] == f"{tmp_path / HOME}: 2 of 3 cases, 1 left out, listed in {SKIPPED}"
    (row,) = json.loads((tmp_path / HOME / SKIPPED).read_text())
    assert (row["source"], row["case"], row["reason"]) == (flags[1], "A-1", message[-2])
    assert how == "gone" or bad.name in row["reason"]
    assert dataset(tmp_path)["numTraining"] == 2
    integrity(tmp_path / HOME)


def test_a_case_that_went_bad_leaves_the_dataset_and_comes_back_when_mended(
    tmp_path: Path, integrity: Integrity
) -> None:
    for number in range(2):
        write_case(tmp_path / "in", f"A-{number}", AFTER)
    flags = ("--source", f"brats-gli-2023={tmp_path / 'in'}", "--skip-bad")
    assert prepare(tmp_path, *flags) == 0
    assert json.loads((tmp_path / HOME / SKIPPED).read_text()) == []
    path = tmp_path / "in" / "A-1-t2f.nii.gz"
    whole = path.read_bytes()
    path.write_bytes(b"")
    assert prepare(tmp_path, *flags) == 1
    assert sorted(p.name for p in (tmp_path / HOME / "labelsTr").iterdir()) == ["A-0.nii.gz"]
    integrity(tmp_path / HOME)
    path.write_bytes(whole)
    assert prepare(tmp_path, *flags) == 0
    assert dataset(tmp_path)["numTraining"] == 2
    integrity(tmp_path / HOME)


def test_all_bad_cases_are_named_at_once_and_a_dataset_that_is_refused_does_not_train(
    tmp_path: Path, integrity: Integrity, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        write_case(tmp_path / "in", f"A-{number}", AFTER)
    for number in (1, 3):
        (tmp_path / "in" / f"A-{number}-t2f.nii.gz").write_bytes(b"")
    flags = ("--source", f"brats-gli-2023={tmp_path / 'in'}")
    assert prepare(tmp_path, *flags) == 2
    message = capsys.readouterr().err
    assert message.endswith(", as 1 more cannot (A-3); --skip-bad goes on without them\n")
    assert len(message.splitlines()) == 1
    with pytest.raises(AssertionError, match="expected number of training cases"):
        integrity(tmp_path / HOME)


def test_ids_that_two_sources_share_are_refused_or_both_left_out(
    tmp_path: Path, integrity: Integrity, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, id in (("a", "A-1"), ("b", "A-1"), ("b", "A-2")):
        write_case(tmp_path / folder, id, AFTER)
    flags = [w for p in "ab" for w in ("--source", f"brats-gli-2023={tmp_path / p}")]
    assert prepare(tmp_path, *flags) == 2
    assert "brats-gli-2023_A-1 is the id of several cases" in capsys.readouterr().err
    assert prepare(tmp_path, *flags, "--skip-bad") == 1
    assert len(json.loads((tmp_path / HOME / SKIPPED).read_text())) == 2
    assert dataset(tmp_path)["numTraining"] == 1
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
    assert prepare(
        tmp_path, "--source", f"panther-t1={tmp_path / 'in'}", "--orientation", "RAS"
    ) in (0, 1)
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
