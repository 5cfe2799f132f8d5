"""What cannot be scored is named, the other cases are scored, and a wrong folder is refused."""

from pathlib import Path

import files
import numpy as np
import pytest
from evaluator import results_of, run

from lab.__main__ import main as lab


def test_folders_without_a_common_case_are_refused(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table of zeros would be a wrong folder's."""
    for path in (cohort / "predictions").iterdir():
        path.rename(path.with_name(path.name.replace("-0000", "-0001")))
    assert run(cohort) == 2
    assert capsys.readouterr().err == (
        f"no case in common: {cohort / 'predictions'} has 3 (BraTS-SSA-00010-000, "
        f"BraTS-SSA-00011-000, BraTS-SSA-00012-000), {cohort / 'references'} has 3 "
        "(BraTS-SSA-00000-000, BraTS-SSA-00001-000, BraTS-SSA-00002-000); a prediction is named as "
        "its reference, or ends in the same case number\n"
    )
    assert not (cohort / "r.json").exists()


def test_cases_of_a_challenge_with_other_label_values_are_refused(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """PED's 1 is ET, Africa's is NETC: every region would be scored on the wrong voxels."""
    text = (
        "3 of 3 cases are named as of brats-ssa (BraTS-SSA-00000-000, BraTS-SSA-00001-000, "
        "BraTS-SSA-00002-000), whose label values are not those of brats-ped"
    )
    for flags, scorer in (((), "2025-ped"), (("--scheme=brats-ped",), "voxel")):
        assert run(cohort, *flags, scorer=scorer) == 2
        assert (
            capsys.readouterr().err == f"{text}; --foreign scores them as brats-ped all the same\n"
        )
        assert run(cohort, *flags, "--foreign", scorer=scorer) == 0
        assert f"{text}; scored as brats-ped: --foreign" in capsys.readouterr().err


def test_bad_files_are_named_and_the_others_scored(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = cohort / "predictions"
    good = (folder / "BraTS-SSA-00001-000.nii.gz").read_bytes()
    (folder / "BraTS-SSA-00001-000.nii.gz").write_bytes(good[:50])
    files.write_nifti(folder / "BraTS-SSA-00002-000.nii.gz", np.zeros((14, 13, 11), np.uint8))
    (folder / "BraTS-SSA-09999-000.nii.gz").write_bytes(good)
    assert run(cohort) == 1
    content = results_of(cohort)
    kinds = {problem["kind"]: problem for problem in content["problems"]}
    assert set(kinds) == {"unreadable", "shape", "extra"}
    assert kinds["shape"]["message"] in capsys.readouterr().err
    assert content["cases"]["BraTS-SSA-00000-000"]["WT"]["dice"] == 1
    for id in ("BraTS-SSA-00001-000", "BraTS-SSA-00002-000"):
        assert set(content["cases"][id]["WT"].values()) == {None}
    assert content["summary"]["WT"]["dice"]["n"] == 1


def test_two_files_for_an_id(cohort: Path) -> None:
    folder = cohort / "predictions"
    (folder / "00001-000.nii.gz").write_bytes((folder / "BraTS-SSA-00001-000.nii.gz").read_bytes())
    assert run(cohort) == 1
    content = results_of(cohort)
    assert content["problems"][0]["kind"] == "duplicate"
    assert content["cases"]["BraTS-SSA-00001-000"]["WT"]["dice"] is None
    assert content["cases"]["BraTS-SSA-00000-000"]["WT"]["dice"] == 1


def test_strict_refuses_and_writes_nothing(cohort: Path) -> None:
    (cohort / "predictions" / "BraTS-SSA-00001-000.nii.gz").unlink()
    assert run(cohort, "--strict") == 1
    assert sorted(path.name for path in cohort.iterdir()) == ["predictions", "references"]


def test_wrong_usage_is_reported(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (cohort / "empty").mkdir()
    arguments = ["evaluate", "--scorer=2023-gli", f"--predictions={cohort / 'predictions'}"]
    assert lab([*arguments, f"--references={cohort / 'empty'}"]) == 2
    assert "no label map" in capsys.readouterr().err
    (cohort / "file").write_text("in the way")
    assert run(cohort, f"--out={cohort / 'file' / 'r.json'}") == 2
    assert "file: this folder cannot be made (File exists)" in capsys.readouterr().err
    assert run(cohort, "--scheme=brats-ped") == 2
    assert "2025-ssa scores brats-ssa" in capsys.readouterr().err


def test_a_label_map_that_had_to_be_guessed_is_reported(cohort: Path) -> None:
    assert run(cohort, scorer="voxel") == 0
    assert (results_of(cohort)["scheme"], results_of(cohort)["problems"]) == ("brats-ssa", [])
    for folder in ("predictions", "references"):
        for path in (cohort / folder).iterdir():
            path.rename(path.with_name(path.name.replace("BraTS-SSA", "patient")))
    assert run(cohort, scorer="voxel") == 0
    (problem,) = results_of(cohort)["problems"]
    assert problem["kind"] == "scheme" and "brats-gli assumed" in problem["message"]


def test_nothing_but_duplicates(cohort: Path) -> None:
    """No pair is left, and no id to read the label map from."""
    for path in list((cohort / "predictions").iterdir()):
        copy = path.with_name(f"again_{path.name}")
        copy.write_bytes(path.read_bytes())
    assert run(cohort, scorer="voxel") == 1
    assert {p["kind"] for p in results_of(cohort)["problems"]} == {"duplicate", "scheme"}
