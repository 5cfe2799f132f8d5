"""Whatever lies in a challenge's folder is a case or is named; hidden files are neither."""

import os
from pathlib import Path

import pytest
from files import touch
from hypothesis import given
from hypothesis import strategies as st

from challenge.scheme import MRI_SEQUENCES
from lab.data.paired_folders import paired_cases
from lab.data.raw_folders import (
    SEQUENCE_OF,
    LayoutError,
    RawCases,
    brats_cases,
    match_brats_name,
)
from lab.data.sources import all_layouts

OLD = {"t1n": "t1", "t1c": "t1ce", "t2w": "t2", "t2f": "flair"}


def names(id: str, between: str = "-", ending: str = ".nii.gz") -> list[str]:
    return [f"{id}{between}{part}{ending}" for part in (*MRI_SEQUENCES, "seg")]


def brats(folder: Path) -> RawCases:
    return brats_cases(folder, MRI_SEQUENCES)


@pytest.mark.parametrize("folder", ["", "{id}/", "TrainingData/{id}/"])
@pytest.mark.parametrize("between", ["-", "_"])
@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
@pytest.mark.parametrize("spelling", [{}, OLD], ids=["t1n", "t1"])
def test_cases_are_found_however_they_lie_and_are_spelt(
    folder: str, between: str, ending: str, spelling: dict[str, str], tmp_path: Path
) -> None:
    ids = ["BraTS-GLI-00001-000", "BraTS-GLI-00002-000"]
    for id in ids:
        for part in (*MRI_SEQUENCES, "seg"):
            name = f"{id}{between}{spelling.get(part, part)}{ending}"
            touch(tmp_path, folder.format(id=id) + name)
    raw = brats(tmp_path)
    assert raw.failed == ()
    assert [case.id for case in raw.cases] == ids
    for case in raw.cases:
        wanted = [spelling.get(part, part) for part in MRI_SEQUENCES]
        assert [path.name for path in case.images] == [
            f"{case.id}{between}{part}{ending}" for part in wanted
        ]
        assert case.labels.name == f"{case.id}{between}seg{ending}"


@given(
    id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
    part=st.sampled_from([*SEQUENCE_OF, "seg", "gtv"]),
    between=st.sampled_from("-_"),
    ending=st.sampled_from([".nii", ".nii.gz"]),
)
def test_a_name_is_taken_apart_as_it_was_put_together(
    id: str, part: str, between: str, ending: str
) -> None:
    match = match_brats_name(f"{id}{between}{part}{ending}")
    assert match
    assert (match["id"], match["part"]) == (id, part)


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, *(f"A-1/{name}" for name in names("A-1")))
    touch(tmp_path, "A-1/._A-1-seg.nii.gz", "._A-2-seg.nii.gz", ".DS_Store", ".trash/A-3-seg.nii")
    touch(tmp_path, *(f"__MACOSX/A-1/{name}" for name in names("A-1")))
    raw = brats(tmp_path)
    assert len(raw.cases) == 1
    assert raw.failed == ()
    pairs = touch(tmp_path / "pairs", "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz")
    touch(pairs, "imagesTr/._a_0000.nii.gz", "labelsTr/._a.nii.gz", "labelsTr/.DS_Store")
    raw = paired_cases("imagesTr", ["labelsTr"])(pairs, ("t1",))
    assert ([case.id for case in raw.cases], raw.failed) == (["a"], ())


def test_folders_behind_links_are_read_once(tmp_path: Path) -> None:
    there = touch(tmp_path / "disk" / "A-1", *names("A-1"))
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "A-1").symlink_to(there)
    (there / "up").symlink_to(tmp_path / "source")
    raw = brats(tmp_path / "source")
    assert ([case.id for case in raw.cases], raw.failed) == (["A-1"], ())


@pytest.mark.parametrize(
    ("files", "message", "stops"),
    [
        (names("B")[:4], "B has scans and no labels (found B-t1n.nii.gz, B-t1c.nii.gz, ", False),
        ([*names("B")[:4], "W00_Segm.nii.gz"], ", W00_Segm.nii.gz)", False),
        (names("B")[4:], "B lacks t1n, t1c, t2w, t2f (found B-seg.nii.gz)", True),
        (names("B")[1:], "B lacks t1n (found ", True),
        (
            [*names("B"), "B_seg.nii.gz"],
            "2 files are labels of B (B-seg.nii.gz, B_seg.nii.gz)",
            True,
        ),
        ([*names("B"), "B-t1.nii"], "2 files are t1n of B (B-t1.nii, B-t1n.nii.gz)", True),
        ([*names("B"), "copy/B-t1c.nii.gz"], "copy/B-t1c.nii.gz)", True),
        (names("B 1"), "case 'B 1': nnU-Net's names hold letters, digits, . - _ alone", True),
        (
            ["seg.nii.gz", "brain.mha"],
            "no image is named as one of a case (found brain.mha, seg",
            False,
        ),
    ],
)
def test_what_is_no_case_is_named(
    files: list[str], message: str, stops: bool, tmp_path: Path
) -> None:
    touch(tmp_path, *(f"A-1/{name}" for name in names("A-1")))
    touch(tmp_path, *(f"B/{name}" for name in files))
    raw = brats(tmp_path)
    assert [case.id for case in raw.cases] == ["A-1"]
    (failure,) = raw.failed
    assert message in failure.reason
    assert str(tmp_path / "B") in failure.reason
    assert failure.stops == stops


def test_in_a_flat_folder_a_file_of_no_case_is_named(tmp_path: Path) -> None:
    touch(tmp_path, *names("A-1"), "A-1-brainmask.nii.gz", "patient9.nii.gz", "readme.txt")
    raw = brats(tmp_path)
    assert [failure.reason for failure in raw.failed] == [
        f"{tmp_path}/patient9.nii.gz: named as no scan and no labels of a case"
    ]


def test_a_link_to_nothing_and_a_closed_folder_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, *(f"A-1/{name}" for name in names("A-1")))
    (tmp_path / "A-2").symlink_to(tmp_path / "unplugged")
    (failure,) = brats(tmp_path).failed
    assert failure.reason == f"{tmp_path}/A-2: a broken link"
    assert failure.stops
    real = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("A-1"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(LayoutError, match=r"A-1: Permission denied"):
        all_layouts()["brats-gli"].find(tmp_path)


def test_labels_may_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    touch(tmp_path, *(f"scans/{name}" for name in names("A-1")[:4]), "seg/A-1-seg.nii.gz")
    assert [case.id for case in brats(tmp_path).cases] == ["A-1"]


def test_radiotherapy_has_one_scan_and_a_target(tmp_path: Path) -> None:
    touch(tmp_path, "BraTS-MEN-RT-0001-1/BraTS-MEN-RT-0001-1_t1c.nii.gz")
    touch(tmp_path, "BraTS-MEN-RT-0001-1/BraTS-MEN-RT-0001-1_gtv.nii.gz")
    (case,) = brats_cases(tmp_path, ("t1c",)).cases
    assert case.id == "BraTS-MEN-RT-0001-1"
    assert [path.name[-11:] for path in (*case.images, case.labels)] == [
        "_t1c.nii.gz",
        "_gtv.nii.gz",
    ]
