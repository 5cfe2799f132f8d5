"""Where cases come from: every layout that the platforms use, and what they must not contain."""

import os
from pathlib import Path

import files
import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenge.input_cases import InputError, describe_missing
from challenge.platforms import find_cases, match_scan_name
from challenge.scheme import MRI_SEQUENCES

ID = "BraTS-GLI-00005-100"


@pytest.mark.parametrize("separator", ["-", "_"])
@pytest.mark.parametrize("nested", [True, False], ids=["nested", "flat"])
def test_brats_folder(tmp_path: Path, nested: bool, separator: str) -> None:
    for id in (ID, "BraTS-GLI-00006-000"):
        files.write_brats_case(tmp_path / id if nested else tmp_path, id, separator)
    inputs = find_cases(tmp_path)
    assert inputs.platform == "brats-folder"
    assert [case.id for case in inputs.cases] == [ID, "BraTS-GLI-00006-000"]
    assert inputs.cases[0].output == Path(f"{ID}.nii.gz")
    assert inputs.cases[0].images["t2f"].name == f"{ID}{separator}t2f.nii.gz"
    assert inputs.failed == {}


@pytest.mark.parametrize(
    ("id", "scheme"),
    [
        ("BraTS-GLI-00001-000", "brats-gli"),
        ("BraTS-SSA-00001-000", "brats-ssa"),
        ("BraTS-MET-00630-001", "brats-met-2025"),
        ("BraTS-PED-00001-000", "brats-ped"),
        ("BraTS-MEN-00001-000", "brats-men"),
        ("BraTS-GoAT-00001", "brats-goat"),
        ("BraTS-GLI-0001-1", "brats-gli"),
        ("TCGA-FG-6692", None),
        ("BraTS-GoAT-0102030", "brats-goat"),
        ("BraTS-GLI-7-0000", "brats-gli"),
        ("BraTS-GLI-00001-", None),
        ("BraTS-XYZ-00001-000", None),
    ],
)
def test_the_challenge_is_read_from_the_id(tmp_path: Path, id: str, scheme: str | None) -> None:
    files.write_brats_case(tmp_path, id)
    (case,) = find_cases(tmp_path).cases
    assert (case.id, case.scheme) == (id, scheme)


def test_a_folder_names_its_case_whatever_its_files_are_called(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The challenges ask for the folder's name; a tool before may have cut the files' names."""
    files.write_brats_case(tmp_path / "BraTS-GoAT-00001-001", "BraTS-GLI-00001-000")
    files.write_brats_case(tmp_path / "BraTS-GLI-0000002-123", "BraTS-GLI-0000002-123")
    files.write_brats_case(tmp_path / "007", "BraTS-MET-00007-000")
    cases = find_cases(tmp_path).cases
    assert [(case.id, case.scheme) for case in cases] == [
        ("007", "brats-met-2025"),  # only the files tell
        ("BraTS-GLI-0000002-123", "brats-gli"),
        ("BraTS-GoAT-00001-001", "brats-goat"),
    ]
    assert [case.output.name for case in cases] == [f"{case.id}.nii.gz" for case in cases]
    assert "case=007 has files named BraTS-MET-00007-000" in caplog.text
    assert "BraTS-GLI-0000002-123 has" not in caplog.text


def test_a_folder_of_several_cases_or_without_a_number_names_none(tmp_path: Path) -> None:
    for id in ("BraTS-GLI-00001-000", "BraTS-GLI-00002-000"):
        files.write_brats_case(tmp_path / "batch-1", id)
    files.write_brats_case(tmp_path / "scans", "BraTS-GLI-00003-000")
    ids = [case.id for case in find_cases(tmp_path).cases]
    assert ids == ["BraTS-GLI-00001-000", "BraTS-GLI-00002-000", "BraTS-GLI-00003-000"]


def test_segmentations_and_strangers_are_left_alone(tmp_path: Path) -> None:
    files.write_brats_case(tmp_path / ID, ID)
    files.write_nifti(tmp_path / ID / f"{ID}-seg.nii.gz", files.head())
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / ID / f"._{ID}-t1n.nii.gz").write_text("left by a desktop")
    inputs = find_cases(tmp_path)
    assert [set(case.images) for case in inputs.cases] == [set(MRI_SEQUENCES)]
    assert inputs.failed == {}


def test_radiotherapy_cases_have_one_scan(tmp_path: Path) -> None:
    files.write_brats_case(tmp_path, "BraTS-MEN-RT-0012-1", separator="_", sequences=["t1c"])
    files.write_brats_case(tmp_path, "BraTS-MEN-00012-000", sequences=["t1c"])
    inputs = find_cases(tmp_path)
    assert [(case.id, case.scheme) for case in inputs.cases] == [
        ("BraTS-MEN-00012-000", "brats-men"),
        ("BraTS-MEN-RT-0012-1", "brats-men-rt"),
    ]
    assert [case.missing_sequences for case in inputs.cases] == [("t1n", "t2w", "t2f"), ()]
    assert inputs.failed == {}


def test_a_faulty_case_is_named_and_the_others_stay(tmp_path: Path) -> None:
    files.write_brats_case(tmp_path / "a", "BraTS-GLI-00001-000", sequences=("t1n", "t2w", "t2f"))
    files.write_brats_case(tmp_path / "b", "BraTS-GLI-00002-000")
    files.write_nifti(tmp_path / "b" / "BraTS-GLI-00002-000_t1n.nii.gz", files.head())
    files.write_brats_case(tmp_path / "c", "BraTS-GLI-00003-000")
    files.write_brats_case(tmp_path / "d", "BraTS-GLI-00003-000")
    files.write_brats_case(tmp_path / "e", "BraTS-GLI-00004-000")
    inputs = find_cases(tmp_path)
    assert [case.id for case in inputs.cases] == ["BraTS-GLI-00001-000", "BraTS-GLI-00004-000"]
    reasons = [inputs.failed[f"BraTS-GLI-0000{i}-000"] for i in (2, 3)]
    assert "duplicate t1n" in reasons[0] and "BraTS-GLI-00002-000_t1n.nii.gz" in reasons[0]
    assert "two cases with one id" in reasons[1] and str(tmp_path / "d") in reasons[1]


@pytest.mark.parametrize("key", ["socket", "interface", None])
@pytest.mark.parametrize("task", ["t1", "t2"])
def test_both_panther_tasks_under_either_key_and_without_json(
    tmp_path: Path, task: str, key: str | None
) -> None:
    files.write_panther_case(tmp_path, f"abdominal-{task}-mri", key=key)
    inputs = find_cases(tmp_path)
    (case,) = inputs.cases
    assert inputs.platform == "grand-challenge"
    assert (case.scheme, set(case.images)) == (f"panther-{task}", {task})
    assert case.output == Path("images/pancreatic-tumor-segmentation/0a1b-scan.mha")


def test_a_panther_folder_with_no_or_two_images(tmp_path: Path) -> None:
    files.write_panther_case(tmp_path)
    folder = tmp_path / "images" / "abdominal-t1-mri"
    (folder / "second.mha").write_bytes((folder / "0a1b-scan.mha").read_bytes())
    with pytest.raises(
        InputError, match=r"exactly one image .* expected, found 0a1b-scan.mha, second"
    ):
        find_cases(tmp_path)
    for image in folder.iterdir():
        image.unlink()
    with pytest.raises(
        InputError, match=r"abdominal-t1-mri: exactly one image .* expected, found none"
    ):
        find_cases(tmp_path)


def test_unknown_and_too_many_sockets(tmp_path: Path) -> None:
    files.write_panther_case(tmp_path / "a", "abdominal-ct")
    reason = r"inputs.json: sockets of one challenge .*abdominal-t2-mri.*, found abdominal-ct"
    with pytest.raises(InputError, match=reason):
        find_cases(tmp_path / "a")
    both = [files.socket(f"abdominal-{task}-mri", "socket") for task in ("t1", "t2")]
    files.write_inputs_json(tmp_path / "b", both)
    with pytest.raises(InputError, match="not the sockets of panther-t1: unknown abdominal-t2-mri"):
        find_cases(tmp_path / "b")
    (tmp_path / "b" / "inputs.json").write_text('{"not": "a list"}')
    with pytest.raises(InputError, match="not a list of sockets"):
        find_cases(tmp_path / "b")


def test_empty_and_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no case found"):
        find_cases(tmp_path)
    with pytest.raises(InputError, match=r"nowhere: no such input folder"):
        find_cases(tmp_path / "nowhere")


def test_no_case_says_what_was_looked_for_and_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as refusal:
        find_cases(tmp_path)
    assert str(refusal.value) == (
        f"{tmp_path}: no case found (looked for <ID>-t1n/-t1c/-t2w/-t2f.nii.gz, <case>_0000.nii.gz "
        "or .mha, inputs.json and images/, here and one folder deeper); it holds 1 file "
        "(notes.txt) and 1 folder (empty)"
    )


def test_cases_may_lie_one_folder_deeper(tmp_path: Path) -> None:
    for home, id in (("a", ID), ("b", "BraTS-GLI-00006-000"), ("b", "BraTS-GLI-00007-000")):
        files.write_brats_case(tmp_path / home / id, id)
    inputs = find_cases(tmp_path)
    assert [case.id for case in inputs.cases] == [
        ID,
        "BraTS-GLI-00006-000",
        "BraTS-GLI-00007-000",
    ]
    files.write_brats_case(tmp_path / "c" / ID, ID)
    inputs = find_cases(tmp_path)
    assert [case.id for case in inputs.cases] == ["BraTS-GLI-00006-000", "BraTS-GLI-00007-000"]
    assert inputs.failed == {ID: f"two cases with one id, in {tmp_path / 'a'} and {tmp_path / 'c'}"}


def test_one_socket_may_lie_one_folder_deeper_and_several_run_one_at_a_time(
    tmp_path: Path,
) -> None:
    files.write_panther_case(tmp_path / "job1")
    (case,) = find_cases(tmp_path).cases
    assert case.scheme == "panther-t1"
    files.write_panther_case(tmp_path / "job2", "abdominal-t2-mri")
    with pytest.raises(InputError, match=r"2 inputs, which run one at a time: .*job1, .*job2"):
        find_cases(tmp_path)


@given(
    id=st.from_regex(r"BraTS-(GLI|SSA|MET|PED|MEN|GoAT)-[0-9]+(-[0-9]+)?", fullmatch=True),
    separator=st.sampled_from("-_"),
    sequence=st.sampled_from(MRI_SEQUENCES),
)
def test_every_official_name_is_taken_apart(id: str, separator: str, sequence: str) -> None:
    match = match_scan_name(f"{id}{separator}{sequence}.nii.gz")
    assert match is not None
    assert (match["id"], match["sequence"]) == (id, sequence)


def test_a_case_that_lacks_sequences_is_one_and_tells_which(tmp_path: Path) -> None:
    files.write_brats_case(tmp_path / ID, ID, sequences=("t2f", "t2w"))
    inputs = find_cases(tmp_path)
    assert not inputs.failed
    (case,) = inputs.cases
    assert set(case.images) == {"t2f", "t2w"}
    assert case.missing_sequences == ("t1n", "t1c")
    assert case.geometry_from == "t2f"
    names = f"{ID}-t2f.nii.gz, {ID}-t2w.nii.gz"
    assert describe_missing(case) == f"{tmp_path / ID}: missing t1n, t1c (found {names})"


@pytest.mark.parametrize("nested", [True, False], ids=["nested", "flat"])
@pytest.mark.parametrize("kind", ["link to nothing", "link to itself", "pipe", "device", "folder"])
def test_a_scan_that_is_there_and_no_file_is_not_missing(
    tmp_path: Path, kind: str, nested: bool
) -> None:
    """A model that accepts missing sequences must not answer as if nothing had been handed in."""
    home = files.write_brats_case(tmp_path / ID if nested else tmp_path, ID)
    path = home / f"{ID}-t2w.nii.gz"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        target = {"link to nothing": "nowhere", "link to itself": path.name, "device": "/dev/zero"}
        path.symlink_to(target[kind])
    inputs = find_cases(tmp_path)
    if kind == "folder" and not nested:  # a folder of its own, which holds no scan
        assert [case.missing_sequences for case in inputs.cases] == [("t2w",)]
        return
    assert inputs.cases == ()
    assert f"{path}: no file" in inputs.failed[ID]
