"""`python -m lab check`: a good output is silent; what is broken is reported once, exit code 1."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from outputs import FILE, FIRST, SOCKET_FOLDER, Say, cohort, only, put, rewrite

from lab.__main__ import main

REPOSITORY = Path(__file__).resolve().parents[3]


def test_a_good_brats_output_is_silent_but_for_one_line(brats: Path, say: Say) -> None:
    assert say(brats) == (0, ["2 cases checked, all is well"])


def test_a_good_panther_output_whatever_its_name_and_compression(panther: Path, say: Say) -> None:
    assert say(panther, "grand-challenge") == (0, ["1 case checked, all is well"])
    (path,) = (panther / "output" / SOCKET_FOLDER).iterdir()
    image = SimpleITK.ReadImage(str(path))
    path.unlink()
    SimpleITK.WriteImage(image, str(path.with_name("output.mha")), False)
    assert say(panther, "grand-challenge")[0] == 0


@pytest.mark.parametrize(
    ("platform", "name"),
    [("brats", "brats"), ("grand-challenge", "panther-t1"), ("grand-challenge", "panther-t2")],
)
def test_the_samples_of_the_repository_are_clean(
    platform: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given_to, wrote = REPOSITORY / "test" / "input" / name, REPOSITORY / "test" / "expected" / name
    paths = ["--input", str(given_to), "--output", str(wrote)]
    assert main(["check", "--platform", platform, *paths]) == 0
    assert "checked, all is well" in capsys.readouterr().out


def test_a_fault_of_the_input_is_reported_beside_the_missing_output(brats: Path, say: Say) -> None:
    (brats / "input" / FIRST / f"{FIRST}-t2f.nii.gz").unlink()
    assert only(say(brats), FIRST, "input:", "missing t2f") == "WARN"
    (brats / "output" / FILE).unlink()
    code, lines = say(brats)
    assert code == 1
    assert [line.split(": ")[1] for line in lines] == ["input", f"no output file, expected {FILE}"]


def test_an_unknown_id_is_checked_as_far_as_its_name_allows(tmp_path: Path, say: Say) -> None:
    folder = cohort(tmp_path, "patient7")
    code, lines = say(folder)
    assert code == 1
    assert [line.split(": ")[0] for line in lines] == ["WARN patient7"] * 2
    assert "no year's rule finds the case's number in patient7.nii.gz" in lines[0]
    assert "give --scheme NAME" in lines[1]
    level = only(say(folder, "brats", "--scheme", "brats-ssa"), "patient7", "no year's rule")
    assert level == "WARN"
    rewrite(folder / "output" / "patient7.nii.gz", lambda labels: put(labels, 9))
    assert "values other than 0, 1, 2, 3, 4 (any scheme): 9 in 1 voxel" in say(folder)[1][2]


def test_meningioma_radiotherapy_is_matched_by_its_id(tmp_path: Path, say: Say) -> None:
    id = "BraTS-MEN-RT-0012-1"
    folder = cohort(tmp_path, id)
    only(say(folder), id, "values other than 0, 1 (brats-men-rt)")
    rewrite(folder / "output" / f"{id}.nii.gz", lambda labels: np.minimum(labels, 1))
    assert say(folder)[0] == 0
    (folder / "output" / f"{id}.nii.gz").rename(folder / "output" / "0012-1.nii.gz")
    read = "(read as 0012-1 in 2025, 0012-1 in 2026)"
    assert f"named 0012-1.nii.gz, expected {id}.nii.gz {read}" in say(folder)[1][0]


def test_wrong_usage_is_kept_apart_from_findings(brats: Path, say: Say, tmp_path: Path) -> None:
    assert say(brats, "grand-challenge") == (2, [])
    assert say(tmp_path / "nowhere") == (2, [])
    (brats / "output").rename(brats / "elsewhere")
    assert say(brats) == (2, [])
    with pytest.raises(SystemExit) as refused:
        say(brats, "kaggle")
    assert refused.value.code == 2


def test_an_empty_brats_answer_is_a_warning(brats: Path, say: Say) -> None:
    rewrite(brats / "output" / FILE, lambda labels: labels * 0)
    assert only(say(brats), FIRST, "every voxel is 0") == "WARN"


def test_labels_of_before_2023(tmp_path: Path, say: Say) -> None:
    folder = cohort(tmp_path, "BraTS-SSA-00001-000", "BraTS-GLI-00001-100", "BraTS-PED-00001-000")
    for path in (folder / "output").iterdir():
        rewrite(path, lambda labels: np.where(labels == 3, 4, labels).astype(np.uint8))
    code, lines = say(folder)
    assert code == 1
    # PED's 1, 2 and 4 are ET, NETC and ED: a child without a cyst.
    assert [line.split(":")[0] for line in lines] == [
        "WARN BraTS-GLI-00001-100",
        "FAULT BraTS-SSA-00001-000",
    ]
    assert all("the numbering before BraTS 2023" in line for line in lines)
    assert "0, 1, 2, 3 (brats-ssa): 4 in 100 voxels" in lines[1]


def test_a_cavity_is_no_sign_of_an_old_numbering(brats: Path, say: Say) -> None:
    rewrite(brats / "output" / FILE, lambda labels: put(labels * (labels == 2), 4))
    assert say(brats)[0] == 0
    rewrite(brats / "output" / FILE, lambda labels: put(labels, 4, 255))
    only(say(brats), FIRST, "0, 1, 2, 3, 4 (brats-gli): 255 in 1 voxel\n")


def test_cavities_of_metastases_are_of_the_current_challenge(tmp_path: Path, say: Say) -> None:
    id = "BraTS-MET-00001-000"
    folder = cohort(tmp_path, id)
    rewrite(folder / "output" / f"{id}.nii.gz", lambda labels: put(labels, 4))
    assert say(folder)[0] == 0
    before = say(folder, "brats", "--scheme", "brats-met")
    only(before, id, "4 in 1 voxel; --scheme brats-met-2025 allows them")


def test_a_swapped_label_map_shows_in_the_shares(brats: Path, say: Say) -> None:
    swapped = np.array([0, 2, 3, 1], np.uint8)  # 250 voxels of 500 are now ET, 100 NETC
    rewrite(brats / "output" / FILE, lambda labels: swapped[labels])
    assert say(brats)[0] == 0  # within what patients have: SNFH is 30 %
    rewrite(brats / "output" / FILE, lambda labels: np.where(labels == 2, 1, labels))
    level = only(say(brats), FIRST, "SNFH is 0% of WT, usually 15% to 100%")
    assert level == "WARN"


def test_outputs_of_a_model_that_knows_fewer_labels_are_no_swapped_label_map(
    brats: Path, say: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (brats / "output").iterdir():
        rewrite(path, lambda labels: np.where(labels > 0, 3, 0).astype(np.uint8))
    paths = ["--input", str(brats / "input"), "--output", str(brats / "output")]
    assert main(["check", "--platform", "brats", *paths]) == 0
    message = "brats-gli: shares of WT not judged: no NETC, SNFH in any of 2 label maps"
    assert message in capsys.readouterr().err
