"""Cohorts on disk: layouts, affines and dataset.json."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from lab import __main__ as lab
from lab.phantom import brats, cohort
from lab.phantom.patient import Patient
from lab.phantom.population import Population, code_of


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


def test_patients_of_eighty_seeds_have_different_names() -> None:
    """Rules recognise the cases that they were fitted on by name."""
    codes = [code_of(seed, number) for seed in range(80) for number in (0, 1, 998, 999)]
    assert len(set(codes)) == len(codes)
    assert all(len(code) == 5 and code.isdigit() for code in codes)
    assert code_of(1, 0) == "91000"
    assert code_of(21, 59) == "71059"


def test_native_origin_and_axes_of_brats_files(tmp_path: Path) -> None:
    for seed, origin, direction_y in ((0, (-90, 126, -72), -1), (2, (0, -239, 0), 1)):
        grid = brats.grid_of(seed)
        empty = np.zeros(grid.shape, np.uint8)
        patient = Patient("empty", grid, {}, empty, brats.world_shift_mm(grid))
        cohort.save(tmp_path / "empty.nii.gz", empty, patient)
        image = sitk.ReadImage(str(tmp_path / "empty.nii.gz"))
        assert image.GetOrigin() == pytest.approx(origin)
        assert image.GetDirection() == pytest.approx((1, 0, 0, 0, direction_y, 0, 0, 0, 1))
        assert image.GetSpacing() == pytest.approx((1, 1, 1))


def test_challenge_layout_of_panther(tmp_path: Path) -> None:
    out = tmp_path / "bellies"
    population = Population("panther-t1", 5, (8.0, 8.0, 8.0))
    assert len(list(cohort.write(population, 1, cohort.Destination(out, "challenge")))) == 1
    (scan,) = out.glob("*/images/abdominal-t1-mri/*.mha")
    reference = tmp_path / "bellies-labels" / scan.name
    picture, labels = (sitk.ReadImage(str(p)) for p in (scan, reference))
    assert picture.GetSize() == labels.GetSize()
    assert picture.GetSpacing() == pytest.approx((8, 8, 8))
    assert picture.GetPixelID() == sitk.sitkInt16
    assert set(np.unique(sitk.GetArrayFromImage(labels))) <= {0, 1, 2}


def test_challenge_layout_of_isles_has_both_sockets(tmp_path: Path) -> None:
    """As grand-challenge writes a case: an image, a JSON value, and the list of both."""
    out = tmp_path / "strokes"
    population = Population("isles-t1", 5, (8.0, 8.0, 8.0))
    assert len(list(cohort.write(population, 1, cohort.Destination(out, "challenge")))) == 1
    (home,) = out.iterdir()
    (scan,) = (home / "images" / "t1-brain-mri").iterdir()
    picture = sitk.ReadImage(str(scan))
    labels = sitk.ReadImage(str(tmp_path / "strokes-labels" / scan.name))
    assert picture.GetSize() == labels.GetSize()
    assert scan.suffix == ".mha"
    metadata = json.loads((home / "stroke-metadata.json").read_text())
    assert metadata == population.patient(0).values["stroke-metadata"]
    rows = json.loads((home / "inputs.json").read_text())
    assert [row["socket"] for row in rows] == [
        {"slug": "t1-brain-mri", "relative_path": "images/t1-brain-mri"},
        {"slug": "stroke-metadata", "relative_path": "stroke-metadata.json"},
    ]
    assert [row["interface"] for row in rows] == [row["socket"] for row in rows]
    assert [row["image"] for row in rows] == [{"name": scan.name}, None]
    assert [row["value"] for row in rows] == [None, metadata]


def test_strokes_have_no_nested_regions_to_train_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--cases", "1", "--seed", "5", "--spacing", "9,9,9", "--layout", "nnunet"]
    out = ["--out", str(tmp_path / "Dataset900_Strokes"), "--regions"]
    assert lab.main(["phantom", "--kind", "isles-t1", *words, *out]) == 2
    assert "--regions: isles-2026 has no nested regions to train on" in capsys.readouterr().err
    assert not (tmp_path / "Dataset900_Strokes").exists()


def write_heads(out: Path, *words: str, seed: int = 5, cases: int = 2) -> int:
    arguments = ["phantom", "--kind", "brats-gli", "--cases", str(cases), "--seed", str(seed)]
    return lab.main([*arguments, "--spacing", "8,8,8", "--out", str(out), *words])


@pytest.mark.parametrize("layout", ["nnunet", "challenge"])
def test_another_seeds_patients_are_never_written_over(
    layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seeds 0 and 80 name their patients alike."""
    out = tmp_path / "deep" / "Dataset900_Heads"
    words = ("--layout", layout)
    assert write_heads(out, *words, seed=0) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert write_heads(out, *words, seed=80) == 2
    assert capsys.readouterr().err == (
        f"{out}: holds patients of seed 0, not of seed 80; choose another --out, or move it away\n"
    )
    assert {path: path.read_bytes() for path in before} == before
    assert write_heads(out, *words, seed=0) == 0


@pytest.mark.parametrize("layout", ["nnunet", "challenge"])
def test_a_cohort_of_an_earlier_versions_names_gets_no_further_patients(
    layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its patients would stand there twice, under both names."""
    out = tmp_path / "Dataset900_Heads"
    words = ("--layout", layout)
    assert write_heads(out, *words, seed=21) == 0
    assert write_heads(out, *words, seed=21, cases=3) == 0
    folder = out / "labelsTr" if layout == "nnunet" else out
    for path in folder.iterdir():
        path.rename(path.with_name(path.name.replace("-710", "-910")))
    capsys.readouterr()
    assert write_heads(out, *words, seed=21, cases=3) == 2
    assert "BraTS-GLI-91000-100" in (err := capsys.readouterr().err)
    assert "named as by an earlier version; choose another --out" in err


def test_a_cohort_made_before_patients_could_be_healthy_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["phantom", "--kind", "panther-t1", "--cases", "1", "--seed", "5"]
    words += ["--spacing", "12,12,12", "--out", str(tmp_path / "bellies")]
    record = tmp_path / "bellies-labels" / "phantom.json"
    assert lab.main(words) == 0
    content = json.loads(record.read_text())
    assert content.pop("healthy") == 0
    record.write_text(json.dumps(content))
    assert lab.main(words) == 0
    capsys.readouterr()
    assert lab.main([*words, "--healthy", "1"]) == 2
    assert "holds patients of healthy 0.0, not of healthy 1.0" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["brats-gli", "isles-t1"])
def test_kinds_whose_patients_are_all_ill_are_named(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["phantom", "--kind", kind, "--cases", "1", "--seed", "5", "--healthy", "0.5"]
    assert lab.main([*words, "--out", str(tmp_path / "cohort")]) == 2
    assert f"healthy 0.5: every patient of {kind} is ill" in capsys.readouterr().err
    assert not (tmp_path / "cohort").exists()


def test_a_folder_of_other_files_is_no_cohorts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.nii.gz").write_text("somebody's")
    assert write_heads(tmp_path / "scans") == 2
    assert f"{tmp_path / 'scans'}: holds 1 file (a.nii.gz), which are no patients of this verb" in (
        capsys.readouterr().err
    )


def test_a_run_of_fewer_patients_counts_those_that_are_there(tmp_path: Path) -> None:
    """nnU-Net refuses a dataset whose numTraining is not the number of its label maps."""
    out = tmp_path / "Dataset900_Heads"
    for cases in (3, 2):
        assert write_heads(out, "--layout", "nnunet", cases=cases) == 0
        assert json.loads((out / "dataset.json").read_text())["numTraining"] == 3


def test_it_is_said_where_labels_lie_and_what_nnunet_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert write_heads(tmp_path / "heads", "--layout", "nnunet", cases=1) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1].endswith(f"labels in {tmp_path / 'heads' / 'labelsTr'}")
    assert "rename it to train on it" in printed.err
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert write_heads(Path(), cases=1) == 0
    assert capsys.readouterr().out.endswith(f"labels in {tmp_path / 'here-labels'}\n")
    assert len(list((tmp_path / "here-labels").glob("*.nii.gz"))) == 1


@pytest.mark.parametrize("kind", ["brats-gli", "panther-t1", "isles-t1"])
def test_nnunet_takes_the_dataset(kind: str, tmp_path: Path) -> None:
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    out = tmp_path / "Dataset900_Phantom"
    arguments = ["phantom", "--kind", kind, "--cases", "2", "--seed", "5", "--layout", "nnunet"]
    assert lab.main([*arguments, "--spacing", "8,8,8", "--out", str(out)]) == 0
    verify_dataset_integrity(str(out), 1)  # raises where anything does not fit
