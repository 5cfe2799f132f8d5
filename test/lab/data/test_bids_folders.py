"""BIDS derivatives: a subject's image and mask, in folders of any depth, named by their endings."""

from pathlib import Path

import pytest
from files import touch

from lab.data.bids_folders import bids_cases
from lab.data.raw_folders import RawCases

IMAGE, MASK = "_desc-brain_T1w", "_label-lesion_mask"


def find(folder: Path) -> RawCases:
    return bids_cases(IMAGE, MASK)(folder, ("t1w",))


def pair(id: str, home: str = "R001/{id}/anat") -> list[str]:
    return [f"{home.format(id=id)}/{id}{ending}.nii.gz" for ending in (IMAGE, MASK)]


def test_a_case_has_its_subjects_id_wherever_its_files_lie(tmp_path: Path) -> None:
    touch(tmp_path, *pair("sub-b_ses-1"), *pair("sub-a_ses-1", "R002/deep/{id}"), *pair("sub-c"))
    touch(tmp_path, "R001/sub-b_ses-1/anat/sub-b_ses-1_metadata.csv")
    touch(tmp_path, "images/sub-d_ses-2_desc-brain_T1w.nii", f"masks/sub-d_ses-2{MASK}.nii.gz")
    raw = find(tmp_path)
    assert raw.failed == ()
    assert [case.id for case in raw.cases] == ["sub-a", "sub-b", "sub-c", "sub-d"]
    assert raw.cases[0].images == (tmp_path / pair("sub-a_ses-1", "R002/deep/{id}")[0],)
    assert raw.cases[0].labels.name == "sub-a_ses-1_label-lesion_mask.nii.gz"


def test_sessions_of_one_subject_are_separate_cases(tmp_path: Path) -> None:
    touch(tmp_path, *pair("sub-a_ses-1"), *pair("sub-a_ses-2"), *pair("sub-b_ses-1"))
    assert [case.id for case in find(tmp_path).cases] == ["sub-a_ses-1", "sub-a_ses-2", "sub-b"]


@pytest.mark.parametrize(
    ("files", "message", "stops"),
    [
        (pair("sub-b_ses-1")[:1], "sub-b has scans and no labels (found sub-b_ses-1_desc", False),
        (pair("sub-b_ses-1")[1:], "sub-b lacks t1w (found sub-b_ses-1_label", True),
        ([*pair("sub-b"), f"R002/sub-b{MASK}.nii"], "2 files are labels of sub-b", True),
        (["R001/sub-b/anat/sub-b_T2w.nii.gz"], "no image is named as one of a case", False),
        (["R001/b/b_desc-brain_T1w.nii.gz"], "no image is named as one of a case", False),
    ],
)
def test_what_is_no_case_is_named(
    files: list[str], message: str, stops: bool, tmp_path: Path
) -> None:
    touch(tmp_path, *pair("sub-a_ses-1"), *files)
    raw = find(tmp_path)
    assert [case.id for case in raw.cases] == ["sub-a"]
    (failure,) = raw.failed
    assert message in failure.reason
    assert failure.stops == stops
