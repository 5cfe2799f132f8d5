"""`lab evaluate` with a scorer that also reads probability maps: ISLES'26 and its PR-AUC."""

import json
import math
from pathlib import Path
from typing import Any

import files
import numpy as np
import pytest
import SimpleITK

from challenge.case import CaseFiles, read_case
from challenge.case_outputs import Answer, OutputFolders, write_case_outputs
from challenge.scheme import SCHEMES, Head
from lab.__main__ import main as lab
from lab.evaluation.journal import CaseResult, Journal
from lab.evaluation.matching import match_cases
from lab.evaluation.probability_files import with_probabilities
from lab.metrics.scorers import SCORERS

ISLES = SCHEMES["isles-2026"]
SIDE = 10
LESION = (slice(2, 6),) * 3


def label_map(empty: bool = False) -> np.ndarray:
    labels = np.zeros((SIDE,) * 3, np.uint8)
    if not empty:
        labels[LESION] = 1
    return labels


def half_right() -> np.ndarray:
    """Half of the lesion's 64 voxels above all others, the other half among 64 false ones."""
    probability = np.zeros((SIDE,) * 3, np.float32)
    probability[LESION] = 0.4
    probability[2:4, 2:6, 2:6] = 0.9
    probability[6:10, 6:10, 6:10] = 0.4
    return probability


# (0, 1) to (1/2, 1), then to recall 1 at a precision of 64 of 128.
HALF_RIGHT = 1 / 2 + 1 / 2 * (1 + 1 / 2) / 2


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Three cases with maps: two lesions, and a patient without one."""
    for number in range(3):
        labels, name = label_map(empty=number == 2), f"sub-000{number}"
        for folder in ("predictions", "references"):
            files.write_nifti(tmp_path / folder / f"{name}.nii.gz", labels)
        probability = half_right() if number < 2 else np.zeros_like(half_right())
        files.write_nifti(tmp_path / "maps" / f"{name}_lesion.nii.gz", probability)
    return tmp_path


def run(cohort: Path, *flags: str, scorer: str = "2026-isles") -> int:
    folders = [f"--{name}={cohort / name}" for name in ("predictions", "references")]
    return lab(["evaluate", "--scorer", scorer, *folders, f"--out={cohort / 'r.json'}", *flags])


def written(cohort: Path) -> dict[str, Any]:
    return dict(json.loads((cohort / "r.json").read_text()))


def pr_aucs(cohort: Path) -> list[float | None]:
    return [case["lesion"].get("pr_auc", math.nan) for case in written(cohort)["cases"].values()]


def problems(cohort: Path) -> list[str]:
    return [problem["message"] for problem in written(cohort)["problems"]]


def test_maps_in_a_separate_folder_are_read(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(cohort, f"--probabilities={cohort / 'maps'}") == 0
    content = written(cohort)
    assert content["problems"] == []
    assert content["cases"]["sub-0000"]["lesion"] == {
        "dice": 1.0,
        "lesion_f1": 1.0,
        "pr_auc": pytest.approx(HALF_RIGHT),
        "volume_difference_ml": 0.0,
        "lesion_count_difference": 0,
    }
    assert pr_aucs(cohort)[2] == 1.0  # a constant map of a patient without a lesion
    assert content["provenance"]["inputs"]["probabilities"]["facts"] == {"files": 3}
    assert "pr_auc" in capsys.readouterr().out


def test_without_maps_the_other_four_are_scored_and_that_is_said(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(cohort) == 0
    content = written(cohort)
    assert list(content["cases"]["sub-0000"]["lesion"]) == [
        *("dice", "lesion_f1", "volume_difference_ml", "lesion_count_difference")
    ]
    assert "pr_auc" not in content["summary"]["lesion"]
    text = "pr_auc is not measured without probability maps, <id>_lesion.nii.gz or .mha; "
    assert problems(cohort) == [f"{text}--probabilities names their folder"]
    assert f"probability: {text}" in capsys.readouterr().err


def test_maps_beside_the_predictions_are_no_predictions(cohort: Path) -> None:
    for path in (cohort / "maps").iterdir():
        path.rename(cohort / "predictions" / path.name)
    assert run(cohort, "--strict") == 0
    assert pr_aucs(cohort) == [pytest.approx(HALF_RIGHT), pytest.approx(HALF_RIGHT), 1.0]
    assert problems(cohort) == []
    (cohort / "predictions" / "sub-0001.nii.gz").unlink()  # a map alone is no extra prediction
    assert run(cohort) == 0
    assert [problem["kind"] for problem in written(cohort)["problems"]] == ["missing"]


def test_maps_that_the_program_writes_are_read(cohort: Path) -> None:
    """`--probabilities` of the container and of `lab evaluate` name the same files."""
    head_image = files.head(shape=(SIDE,) * 3)
    scan = files.write_nifti(cohort / "scans" / "sub-0000.nii.gz", head_image)
    case_files = CaseFiles("sub-0000", {"t1w": scan}, "t1w", Path("sub-0000.nii.gz"), "isles-2026")
    lesion = np.ascontiguousarray(half_right().T)
    head = Head("softmax", ((), ("lesion",)), ("", "lesion"))
    labels = np.ascontiguousarray(label_map().T)
    answer = Answer(labels, ISLES, np.stack([1 - lesion, lesion]), head)
    maps = cohort / "written"
    folders = OutputFolders(cohort / "predictions", maps)
    write_case_outputs(answer, read_case(case_files), case_files, ISLES, folders)
    assert files.written(maps) == ["sub-0000_lesion.nii.gz"]
    assert run(cohort, f"--probabilities={maps}") == 0
    assert pr_aucs(cohort)[0] == pytest.approx(HALF_RIGHT)


def test_maps_in_a_sockets_folder_bear_the_name_of_their_case(cohort: Path) -> None:
    for path in (cohort / "maps").iterdir():
        path.rename(path.with_name(path.name.replace("_lesion", "")))
    assert run(cohort, f"--probabilities={cohort / 'maps'}", "--strict") == 0
    assert pr_aucs(cohort) == [pytest.approx(HALF_RIGHT), pytest.approx(HALF_RIGHT), 1.0]


def test_meta_images_are_read_too(cohort: Path) -> None:
    path = cohort / "maps" / "sub-0001_lesion.nii.gz"
    SimpleITK.WriteImage(SimpleITK.ReadImage(path), path.with_name("sub-0001_lesion.mha"))
    path.unlink()
    assert run(cohort, f"--probabilities={cohort / 'maps'}", "--strict") == 0
    assert pr_aucs(cohort)[1] == pytest.approx(HALF_RIGHT)


@pytest.mark.parametrize("fault", ["missing", "size", "damaged", "twice"])
def test_a_map_that_cannot_be_used_costs_its_case_only_pr_auc(cohort: Path, fault: str) -> None:
    path = cohort / "maps" / "sub-0001_lesion.nii.gz"
    if fault == "missing":
        path.unlink()
    if fault == "size":
        files.write_nifti(path, half_right()[1:])
    if fault == "damaged":
        path.write_bytes(path.read_bytes()[:60])
    if fault == "twice":
        files.write_nifti(path.with_name("sub-0001_lesion.nii"), half_right())
    assert run(cohort, f"--probabilities={cohort / 'maps'}") == 0
    (problem,) = written(cohort)["problems"]
    assert (problem["case"], problem["kind"], problem["scored"]) == (
        "sub-0001",
        "probability",
        True,
    )
    start = f"{cohort / 'maps'}: " if fault in ("missing", "twice") else f"{path}: "
    assert problem["message"].startswith(start)
    assert problem["message"].endswith("pr_auc is not measured")
    assert math.isnan(pr_aucs(cohort)[1] or 0)
    assert written(cohort)["cases"]["sub-0001"]["lesion"]["dice"] == 1.0
    assert written(cohort)["summary"]["lesion"]["pr_auc"]["n"] == 2


def test_odd_maps_are_scored_and_named(cohort: Path) -> None:
    moved = files.LAS.copy()
    moved[:3, 3] += 5
    nan = half_right()
    nan[0, 0, 0] = np.nan
    files.write_nifti(cohort / "maps" / "sub-0000_lesion.nii.gz", half_right(), moved)
    files.write_nifti(cohort / "maps" / "sub-0001_lesion.nii.gz", nan)
    files.write_nifti(cohort / "maps" / "sub-0002_lesion.nii.gz", label_map(empty=True))
    assert run(cohort, f"--probabilities={cohort / 'maps'}") == 0
    assert pr_aucs(cohort) == [pytest.approx(HALF_RIGHT), None, 1.0]
    moved_text, nan_text, whole_text = problems(cohort)
    assert "not where its reference lies, up to 8.7 voxels away" in moved_text
    assert "NaN or infinite" in nan_text
    assert "whole numbers (uint8)" in whole_text


def test_a_run_without_maps_is_not_gone_on_with(cohort: Path) -> None:
    """The journal of an interrupted run knows which map a case was scored with."""
    scorer = SCORERS["2026-isles"]
    pairs, _ = match_cases(cohort / "predictions", cohort / "references")
    mapped, _ = with_probabilities(pairs, cohort / "maps", scorer)
    journal = Journal(cohort / "r.json", scorer)
    journal.append(CaseResult(pairs[0], {"lesion": {"dice": 1.0}}, None, ()))
    assert list(journal.read(pairs)) == ["sub-0000"]
    assert journal.read(mapped) == {}


def test_what_holds_no_map_or_needs_none_is_refused(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(cohort, f"--probabilities={cohort / 'nowhere'}") == 2
    assert "nowhere: no such folder" in capsys.readouterr().err
    (cohort / "empty").mkdir()
    assert run(cohort, f"--probabilities={cohort / 'empty'}") == 2
    assert "empty: no probability map <id>_lesion.nii.gz or .mha" in capsys.readouterr().err
    flags = ["--scheme=isles-2026", f"--probabilities={cohort / 'maps'}"]
    assert run(cohort, *flags, scorer="voxel") == 2
    assert "voxel scores label maps alone" in capsys.readouterr().err


def test_a_case_without_a_prediction_has_no_numbers(cohort: Path) -> None:
    (cohort / "predictions" / "sub-0002.nii.gz").unlink()
    assert run(cohort, f"--probabilities={cohort / 'maps'}") == 0
    assert set(written(cohort)["cases"]["sub-0002"]["lesion"].values()) == {None}
    assert problems(cohort)[0].endswith("takes the last rank of every metric")
