"""Which prediction belongs to which reference."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.evaluation.matching import case_id, match_cases, numeric_id


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("predictions", "references"):
        (tmp_path / name).mkdir()
    return tmp_path / "predictions", tmp_path / "references"


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def matched(folders: tuple[Path, Path]) -> dict[str, str | None]:
    return {p.id: p.prediction.name if p.prediction else None for p in match_cases(*folders)[0]}


@pytest.mark.parametrize(
    ("reference", "prediction"),
    [
        ("BraTS-MET-00132-000-seg.nii.gz", "00132-000.nii.gz"),
        ("BraTS-GLI-00001-100.nii.gz", "BraTS-GLI-00001-100.nii.gz"),
        ("BraTS-MEN-RT-0012-1_gtv.nii.gz", "team_BraTS-MEN-RT-0012-1.nii.gz"),
        ("BraTS-GoAT-00321-seg.nii.gz", "BraTS-GoAT-00321.nii.gz"),
        ("10303.mha", "10303.mha"),
        ("10000_0001.mha", "10000_0001.mha"),
        ("a/patient7/patient7-seg.nii.gz", "b/patient7.nii"),
    ],
)
def test_names_that_belong_together(
    reference: str, prediction: str, folders: tuple[Path, Path]
) -> None:
    touch(folders[0], prediction)
    touch(folders[1], reference)
    assert list(matched(folders).values()) == [Path(prediction).name]
    assert match_cases(*folders)[1] == []


def test_a_shared_first_number_is_no_id(folders: tuple[Path, Path]) -> None:
    touch(folders[1], "10000_0001.mha", "10000_0002.mha")
    touch(folders[0], "10000_0002.mha")
    assert matched(folders) == {"10000_0001": None, "10000_0002": "10000_0002.mha"}


def test_missing_and_extra_are_named(folders: tuple[Path, Path]) -> None:
    touch(folders[1], "BraTS-GLI-00001-100.nii.gz", "BraTS-GLI-00002-100.nii.gz")
    touch(folders[0], "BraTS-GLI-00002-100.nii.gz", "BraTS-GLI-00003-100.nii.gz")
    pairs, problems = match_cases(*folders)
    assert [(p.id, p.prediction is None) for p in pairs] == [
        ("BraTS-GLI-00001-100", True),
        ("BraTS-GLI-00002-100", False),
    ]
    assert [(p.kind, p.case) for p in problems] == [("extra", "BraTS-GLI-00003-100")]


def test_two_files_for_an_id_are_no_pair(folders: tuple[Path, Path]) -> None:
    touch(folders[1], "BraTS-GLI-00001-100.nii.gz", "b.nii.gz", "c.nii.gz", "x/c.nii.gz")
    touch(folders[0], "BraTS-GLI-00001-100.nii.gz", "00001-100.nii.gz", "b.nii.gz", "c.nii.gz")
    pairs, problems = match_cases(*folders)
    assert [p.id for p in pairs] == ["b"]
    assert sorted((p.kind, p.case) for p in problems) == [
        ("duplicate", "BraTS-GLI-00001-100"),
        ("duplicate", "c"),
    ]
    assert all("00001-100" in p.message or "c.nii.gz" in p.message for p in problems)


def test_numbers_shared_by_two_cohorts_are_no_ids(folders: tuple[Path, Path]) -> None:
    names = ("BraTS-GLI-00001-000.nii.gz", "BraTS-SSA-00001-000.nii.gz")
    touch(folders[0], *names)
    touch(folders[1], *names)
    assert matched(folders) == {n.removesuffix(".nii.gz"): n for n in names}


def test_scans_and_predictions_beside_the_references(folders: tuple[Path, Path]) -> None:
    touch(folders[1], "k/k-seg.nii.gz", "k/k-t1c.nii.gz", "k/k.nii.gz", "k/.hidden-seg.nii.gz")
    assert matched((folders[1], folders[1])) == {"k": "k.nii.gz"}
    touch(folders[0], "k.nii.gz")
    assert matched(folders) == {"k": "k.nii.gz"}


def test_folders_that_cannot_be_scored(folders: tuple[Path, Path]) -> None:
    with pytest.raises(ValueError, match="references: no label map"):
        match_cases(*folders)
    touch(folders[1], "a.nii.gz")
    with pytest.raises(ValueError, match="predictions: no prediction"):
        match_cases(*folders)
    with pytest.raises(ValueError, match="no such folder"):
        match_cases(folders[0] / "nowhere", folders[1])


@given(
    name=st.from_regex(r"[A-Za-z-]{0,8}", fullmatch=True),
    number=st.from_regex(r"\d{4,5}-\d{1,3}|\d{5}", fullmatch=True),
    ending=st.sampled_from(["", "-seg", "_seg", "_gtv"]),
)
def test_the_id_is_what_the_name_ends_in(name: str, number: str, ending: str) -> None:
    path = Path(f"{name}{number}{ending}.nii.gz")
    assert numeric_id(case_id(path)) == number


def test_what_is_no_file_is_matched_by_its_name(folders: tuple[Path, Path]) -> None:
    """A broken link is not a missing prediction, and an unpacked folder is a folder."""
    predictions, references = folders
    touch(references, *(f"p{n}-seg.nii.gz" for n in range(1, 5)))
    (predictions / "p1.nii.gz").symlink_to("moved.nii.gz")
    (predictions / "p2.nii.gz").mkdir()
    touch(predictions, "p3.nii.gz/p3.nii.gz")  # as some programs unpack
    (predictions / "p4.nii.gz").symlink_to("p4.nii.gz")
    pairs, problems = match_cases(*folders)
    assert problems == []
    assert {pair.id: pair.prediction for pair in pairs} == {
        "p1": predictions / "p1.nii.gz",
        "p2": predictions / "p2.nii.gz",
        "p3": predictions / "p3.nii.gz" / "p3.nii.gz",
        "p4": predictions / "p4.nii.gz",
    }


def test_links_to_folders_are_followed_once(folders: tuple[Path, Path], tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "c/c-seg.nii.gz")
    touch(folders[1], "b/b-seg.nii.gz", ".trash/b-seg.nii.gz")
    (folders[1] / "link").symlink_to(tmp_path / "elsewhere")
    (folders[1] / "same").symlink_to(tmp_path / "elsewhere")
    (folders[1] / "b" / "up").symlink_to(folders[1])
    touch(folders[0], "b.nii.gz", "c.nii.gz")
    pairs, problems = match_cases(*folders)
    assert ([pair.id for pair in pairs], problems) == (["b", "c"], [])


def test_a_folder_that_cannot_be_listed_is_reported(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(folders[1], "a-seg.nii.gz", "closed/b-seg.nii.gz")
    touch(folders[0], "a.nii.gz")
    real = Path.iterdir

    def iterdir(path: Path):  # type: ignore[no-untyped-def]
        if path.name == "closed":  # root may list any folder
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    pairs, (problem,) = match_cases(*folders)
    assert [pair.id for pair in pairs] == ["a"]
    assert (problem.kind, problem.scored) == ("unreadable", False)
    assert str(folders[1] / "closed") in problem.message and "denied" in problem.message
