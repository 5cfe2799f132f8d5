"""The numbers of a case's JSON input come from its table, by the names of columns."""

import json
from pathlib import Path

import pytest
from atlas_download import cube, prepare, write_subject
from files import touch

from challenge.headers import CaseError
from challenge.scheme import SCHEMES
from lab.data.case_table import read_numbers
from lab.data.cohort import read_cohort
from lab.data.raw_folders import RawCase
from lab.data.sources import all_layouts

LAYOUT = all_layouts()["isles-2026"]
ANAT = "R001/{id}/ses-1/anat/{id}_ses-1"


def write_table(folder: Path, id: str, text: str) -> Path:
    path = folder / (ANAT.format(id=id) + "_metadata.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def numbers_of(tmp_path: Path, text: str) -> tuple[object, tuple[str, ...]]:
    write_table(tmp_path, "sub-a", text)
    image = tmp_path / (ANAT.format(id="sub-a") + "_space-orig_desc-brain_T1w.nii.gz")
    values, notes = read_numbers(RawCase("sub-a", (image,), image), LAYOUT)
    return values.get("stroke-metadata"), notes


@pytest.mark.parametrize(
    ("text", "chronicity", "days"),
    [
        ("SESSION_ID,ATLAS2_DATASET,DAYS_POST_STROKE,CHRONICITY\nses-1,Train,182.5,1\n", 1, 182.5),
        ("ATLAS2_DATASET,CHRONICITY,SESSION_ID,DAYS_POST_STROKE\nTest,0,ses-1,7.0\n", 0, 7),
        ("DAYS_POST_STROKE,CHRONICITY\nNA,\n", None, None),
        ("CHRONICITY\n1\n", 1, None),
    ],
)
def test_columns_are_read_by_name(
    text: str, chronicity: float | None, days: float | None, tmp_path: Path
) -> None:
    expected = {"CHRONICITY": chronicity, "DAYS_POST_STROKE": days}
    assert numbers_of(tmp_path, text) == (expected, ())


def test_a_table_without_a_row_is_said(tmp_path: Path) -> None:
    values, (note,) = numbers_of(tmp_path, "DAYS_POST_STROKE,CHRONICITY\n")
    assert values == {"CHRONICITY": None, "DAYS_POST_STROKE": None}
    assert note.endswith("_metadata.csv: no row, so CHRONICITY, DAYS_POST_STROKE are null")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CHRONICITY\n1\n0\n", "2 rows for one case"),
        ("CHRONICITY\nold\n", "CHRONICITY is 'old', which is no number"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=message):
        numbers_of(tmp_path, text)


def test_prepared_cases_have_their_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A case without a table has none, and that is said."""
    source = touch(tmp_path / "in")
    for id in ("sub-a", "sub-b"):
        write_subject(source, id, cube())
    write_table(source, "sub-a", "CHRONICITY,DAYS_POST_STROKE\n1,471.0\n")
    assert prepare(tmp_path, source) == 0
    assert "sub-b_ses-1_metadata.csv: missing, so the case has no stroke-metadata" in (
        capsys.readouterr().err
    )
    cohort = read_cohort(tmp_path / "raw" / "Dataset601_Stroke", SCHEMES["isles-2026"])
    path = cohort[0].files.values["stroke-metadata"]
    assert json.loads(path.read_text()) == {"CHRONICITY": 1.0, "DAYS_POST_STROKE": 471.0}
    assert cohort[1].files.values == {}
