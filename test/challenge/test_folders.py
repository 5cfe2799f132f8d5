"""What macOS and Windows leave in a folder is no case, no image, no model."""

from pathlib import Path

import files
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenge.folders import entries, files_below, is_hidden
from challenge.platforms import find_cases
from challenge.scheme import SCHEMES
from lab.data.cohort import read_cohort
from lab.evaluation.matching import match_cases
from lab.report.scans import index_images
from postprocess.find_label_maps import find_label_maps

ID = "BraTS-GLI-00005-100"
APPLE_DOUBLE = b"\0\5\x16\7" + bytes(60)


def litter(folder: Path) -> None:
    """Leave beside every file and in every folder what an archive made on macOS holds."""
    for path in sorted(folder.rglob("*")):
        path.with_name(f"._{path.name}").write_bytes(APPLE_DOUBLE)
    for home in [folder, *(path for path in sorted(folder.rglob("*")) if path.is_dir())]:
        (home / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        (home / "Thumbs.db").write_bytes(b"\xd0\xcf")
        (home / "__MACOSX").mkdir()
        for path in sorted(home.iterdir()):
            if path.is_file():
                (home / "__MACOSX" / path.name).write_bytes(APPLE_DOUBLE)
        (home / ".hidden").mkdir()
        (home / ".hidden" / f"{ID}-t1c.nii.gz").write_bytes(APPLE_DOUBLE)


@pytest.mark.parametrize("home", [".", ID])
def test_a_brats_folder_flat_or_nested(tmp_path: Path, home: str) -> None:
    files.write_brats_case(tmp_path / home, ID)
    before = find_cases(tmp_path)
    litter(tmp_path)
    assert find_cases(tmp_path) == before
    assert len(before.cases) == 1


@pytest.mark.parametrize("key", ["socket", None])
def test_a_socket(tmp_path: Path, key: str | None) -> None:
    files.write_panther_case(tmp_path, key=key)
    before = find_cases(tmp_path)
    litter(tmp_path)
    assert find_cases(tmp_path) == before


def test_label_maps_images_and_probabilities(tmp_path: Path) -> None:
    files.write_brats_case(tmp_path / "images", ID)
    files.write_nifti(tmp_path / "labels" / f"{ID}.nii.gz", files.head().astype(np.uint8))
    channels = SCHEMES["brats-gli"].sequences
    before = find_label_maps(tmp_path / "labels", tmp_path / "images", None, channels)
    litter(tmp_path)
    assert find_label_maps(tmp_path / "labels", tmp_path / "images", None, channels) == before
    assert len(before.cases[0].images) == 4


def test_predictions_and_references(tmp_path: Path) -> None:
    for folder in ("predictions", "references"):
        files.write_nifti(tmp_path / folder / f"{ID}.nii.gz", files.head().astype(np.uint8))
    before = match_cases(tmp_path / "predictions", tmp_path / "references")
    litter(tmp_path)
    assert match_cases(tmp_path / "predictions", tmp_path / "references") == before
    assert before[1] == []
    assert list(index_images(tmp_path / "references")) == [ID]


def test_a_cohort(tmp_path: Path) -> None:
    for number in range(4):
        files.write_nifti(tmp_path / "imagesTr" / f"a_{number:04d}.nii.gz", files.head(number))
    files.write_nifti(tmp_path / "labelsTr" / "a.nii.gz", files.head().astype(np.uint8))
    (tmp_path / "dataset.json").write_text(
        '{"channel_names": {"0": "t1n", "1": "t1c", "2": "t2w", "3": "t2f"}, "file_ending": '
        '".nii.gz", "labels": {"background": 0, "NETC": 1, "SNFH": 2, "ET": 3, "RC": 4}}'
    )
    litter(tmp_path)
    assert [case.files.id for case in read_cohort(tmp_path, SCHEMES["brats-gli"])] == ["a"]


@given(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=9))
def test_a_dot_hides_and_little_else(name: str) -> None:
    assert is_hidden(Path("x", f".{name}"))
    assert not is_hidden(Path("x", f"a{name}"))


def test_entries_match_by_name_and_are_in_order(tmp_path: Path) -> None:
    for name in ("b.mha", "a.mha", "._a.mha", "a.txt", "deep/c.mha", "deep/.d/e.mha"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in entries(tmp_path, "*.mha")] == ["a.mha", "b.mha"]
    below = [str(path.relative_to(tmp_path)) for path in files_below(tmp_path, (".mha",))]
    assert below == ["a.mha", "b.mha", "deep/c.mha"]
    assert entries(tmp_path / "none") == []
