"""A bad case is refused by name; with --skip-bad it is left out and listed, and may come back."""

import json
from collections.abc import Callable
from pathlib import Path

import files
import numpy as np
import pytest
from brats_sources import AFTER, HOME, Integrity, dataset, prepare, write_case

from lab.data.raw_dataset import SKIPPED

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
