"""Pairs of folders: scans in one, label maps in another."""

from pathlib import Path

from files import touch

from lab.data.paired_folders import paired_cases
from lab.data.raw_folders import RawCases


def test_a_download_may_lie_one_folder_deeper(tmp_path: Path) -> None:
    find = paired_cases("imagesTr", ("labelsTr",))
    for home in ("Task07_Pancreas", "notes"):
        touch(tmp_path, f"{home}/README.nii.gz")
    touch(tmp_path, *(f"Task07_Pancreas/{n}Tr/pancreas_001.nii.gz" for n in ("images", "labels")))
    assert [case.id for case in find(tmp_path, ("t1",)).cases] == ["pancreas_001"]
    # Of two such folders neither is chosen.
    touch(tmp_path, *(f"notes/{n}Tr/pancreas_002.nii.gz" for n in ("images", "labels")))
    assert find(tmp_path, ("t1",)) == RawCases((), ())


def test_pairs_of_scans_and_labels(tmp_path: Path) -> None:
    touch(tmp_path, "ImagesTr/a_0001_0000.mha", "labelsTr/a_0001.mha")
    touch(tmp_path, "ImagesTr/b.nii", "labelsTr/b.nii.gz")
    touch(tmp_path, "ImagesTr/c_0000.nii.gz", "labelsTr/d.nii.gz")
    touch(tmp_path, "ImagesTr/e_0000.mha", "ImagesTr/e_0000.nii.gz", "labelsTr/e.mha")
    touch(tmp_path, "ImagesTr/f.mha", "labelsTr/f.mha", "labelsTr/f.nii.gz")
    raw = paired_cases("imagesTr", ["labelsTr"])(tmp_path, ("t1",))
    assert [(case.id, case.images[0].name) for case in raw.cases] == [
        ("a_0001", "a_0001_0000.mha"),
        ("b", "b.nii"),
    ]
    assert [(failure.id, failure.stops) for failure in raw.failed] == [
        ("d", True),
        ("e", True),
        ("f", True),
        ("c", False),
    ]
    message = [failure.reason for failure in raw.failed]
    assert message[0].endswith("labelsTr/d.nii.gz: labels without imagesTr/d_0000")
    assert "2 files are t1 of e (e_0000.mha, e_0000.nii.gz)" in message[1]
    assert "2 files are labels of f" in message[2]
    assert message[3].endswith("ImagesTr/c_0000.nii.gz: a scan without labels")
