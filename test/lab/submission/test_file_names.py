"""Every case has one file with the right name, and nothing else lies in the output folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outputs import FILE, FIRST, SECOND, SOCKET_FOLDER, Say, cohort, only, put, rewrite

from lab.submission.file_names import READINGS


def test_a_missing_case(brats: Path, say: Say) -> None:
    (brats / "output" / FILE).unlink()
    only(say(brats), FIRST, f"no output file, expected {FILE}")


def test_an_empty_output_folder_misses_every_case(brats: Path, say: Say) -> None:
    for path in (brats / "output").iterdir():
        path.unlink()
    code, lines = say(brats)
    assert code == 1
    assert [line.split(":")[0] for line in lines] == [f"FAULT {FIRST}", f"FAULT {SECOND}"]


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        (f"seg-{FILE}", "the orchestrator takes the first of"),
        (f"{FIRST}-seg.nii.gz", "the orchestrator takes the first of"),
        ("00001-100.nii.gz", "read as 00001-100 in 2023 and 2024, 00001-100 in 2025"),
    ],
)
def test_two_files_for_one_case(brats: Path, say: Say, name: str, fragment: str) -> None:
    (brats / "output" / name).write_bytes((brats / "output" / FILE).read_bytes())
    only(say(brats), FIRST, f"a second file, {name}", fragment)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("BraTS-GLI-00001-100_pred.nii.gz", "no year reads a case's number in it"),
        ("00001-100.nii.gz", "read as 00001-100 in 2023 and 2024, 00001-100 in 2025"),
        ("team BraTS-GLI-00001-100.nii.gz", "00001-100 in 2026"),
    ],
)
def test_a_wrong_name_says_what_each_year_reads_in_it(
    brats: Path, say: Say, name: str, read: str
) -> None:
    (brats / "output" / FILE).rename(brats / "output" / name)
    only(say(brats), FIRST, f"named {name}, expected {FILE}", read)


def test_a_wrongly_named_file_is_looked_into_all_the_same(brats: Path, say: Say) -> None:
    path = (brats / "output" / FILE).rename(brats / "output" / f"x{FILE}")
    rewrite(path, lambda labels: put(labels, 255))
    code, lines = say(brats)
    assert code == 1
    assert [line.split(": ")[1].split(" ")[0] for line in lines] == ["named", "values"]


def test_a_case_that_the_input_lacks(brats: Path, say: Say) -> None:
    extra = "BraTS-GLI-00003-100.nii.gz"
    (brats / "output" / extra).write_bytes((brats / "output" / FILE).read_bytes())
    only(say(brats), extra, "no such case in the input")


def test_one_id_may_begin_like_another(tmp_path: Path, say: Say) -> None:
    folder = cohort(tmp_path, "BraTS-GLI-0001-1", "BraTS-GLI-0001-10")
    assert say(folder)[0] == 0
    path = folder / "output" / "BraTS-GLI-0001-10.nii.gz"
    path.rename(path.with_name(f"x{path.name}"))
    only(say(folder), "BraTS-GLI-0001-10", f"named x{path.name}, expected {path.name}")


def test_a_bare_number_that_two_cases_have_is_neither(tmp_path: Path, say: Say) -> None:
    folder = cohort(tmp_path, "BraTS-GLI-00001-100", "BraTS-SSA-00001-100")
    path = folder / "output" / "BraTS-SSA-00001-100.nii.gz"
    path.rename(path.with_name("00001-100.nii.gz"))
    code, lines = say(folder)
    assert code == 1
    assert [line.split(":")[0] for line in lines] == [
        "FAULT 00001-100.nii.gz",
        "FAULT BraTS-SSA-00001-100",
    ]


def test_a_second_file_beside_a_broken_first_is_not_taken_instead(brats: Path, say: Say) -> None:
    (brats / "output" / FILE).rename(brats / "output" / f"x{FILE}")
    (brats / "output" / FILE).mkdir()
    code, lines = say(brats)
    assert code == 1
    assert lines[0].startswith(f"FAULT {FILE}: folder")
    assert lines[1].startswith(f"FAULT {FIRST}: a second file, x{FILE}")


def folder_in(output: Path) -> str:
    (output / "cases").mkdir()
    return "cases"


def file_in(name: str, content: bytes = b"x") -> Callable[[Path], str]:
    def write(output: Path) -> str:
        (output / name).write_bytes(content)
        return name

    return write


def link_for_a_case(output: Path) -> str:
    (output / FILE).rename(output.parent / "elsewhere.nii.gz")
    (output / FILE).symlink_to("../elsewhere.nii.gz")
    return FILE


@pytest.mark.parametrize(
    ("add", "fragment"),
    [
        (folder_in, "folder"),
        (file_in("report.json"), "not .nii.gz"),
        (file_in(f"{FIRST}.json"), f"takes the first of *{FIRST}*"),
        (file_in(".DS_Store"), "hidden file"),
        (file_in(f".partial-{FILE}"), "half-written"),
        (file_in(FILE, b""), "empty file (0 bytes)"),
        (link_for_a_case, "symbolic link (to ../elsewhere.nii.gz)"),
    ],
)
def test_whatever_is_no_plain_label_file(
    brats: Path, say: Say, add: Callable[[Path], str], fragment: str
) -> None:
    name = add(brats / "output")
    only(say(brats), name, fragment)


def test_a_file_may_be_missing_or_doubled_on_grand_challenge(panther: Path, say: Say) -> None:
    (path,) = (panther / "output" / SOCKET_FOLDER).iterdir()
    path.with_name("b.mha").write_bytes(path.read_bytes())
    only(say(panther, "grand-challenge"), "0a1b-scan", "2 images (0a1b-scan.mha, b.mha)")
    path.unlink()
    path.with_name("b.mha").unlink()
    only(say(panther, "grand-challenge"), "0a1b-scan", f"no .mha in {SOCKET_FOLDER}")


def test_a_broken_image_on_grand_challenge_is_not_reported_as_missing_too(
    panther: Path, say: Say
) -> None:
    (path,) = (panther / "output" / SOCKET_FOLDER).iterdir()
    path.write_bytes(b"")
    only(say(panther, "grand-challenge"), f"{SOCKET_FOLDER}/0a1b-scan.mha", "empty file")


def test_a_link_in_place_of_a_folder_on_grand_challenge(panther: Path, say: Say) -> None:
    (panther / "output" / "images").rename(panther / "elsewhere")
    (panther / "output" / "images").symlink_to("../elsewhere")
    only(say(panther, "grand-challenge"), "images", "symbolic link (to ../elsewhere)")


@pytest.mark.parametrize(
    "stray", ["results.json", "images/a.mha", "images/other", f"{SOCKET_FOLDER}/a.png"]
)
def test_strays_on_grand_challenge(panther: Path, say: Say, stray: str) -> None:
    path = panther / "output" / stray
    if path.suffix:
        path.write_bytes(b"x")
    else:
        path.mkdir()
        (path / "within").write_bytes(b"x")  # reported with its folder
    only(say(panther, "grand-challenge"), stray)


@given(st.integers(0, 99999), st.integers(0, 999), st.sampled_from(("GLI", "MET", "x-9", "")))
def test_every_year_reads_a_full_number_the_same(patient: int, time: int, task: str) -> None:
    number = f"{patient:05}-{time:03}"
    matches = [pattern.search(f"BraTS-{task}-{number}.nii.gz") for pattern in READINGS.values()]
    assert {match and match[1] for match in matches} == {number}
