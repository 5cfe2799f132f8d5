"""GoAT of 2024 and 2025: each case is scored as the cohort that it came from."""

import json
from pathlib import Path
from typing import Any

import files
import numpy as np
import pytest

from lab.__main__ import main as lab
from lab.evaluation.case_cohorts import CohortError, cohorts_of, read_cohorts
from lab.evaluation.formats import read_results
from lab.metrics.scorers import SCORERS

GOAT = SCORERS["2025-goat"]
TABLE = "NewID,OldID,Cohort\nBraTS-GoAT-00001,x,SSA\nBraTS-GoAT-00002,y,MEN\n"


def write(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.write_text(content, encoding=encoding)
    return path


@pytest.mark.parametrize(
    "content",
    [
        TABLE,
        TABLE.replace(",", ";"),
        TABLE.replace(",", "\t"),
        TABLE + "\n\n",
        "\ufeff" + TABLE,
        TABLE.replace("SSA", " BraTS-SSA ").replace("MEN", "men"),
    ],
)
def test_the_organisers_table_is_read_as_programs_write_it(content: str, tmp_path: Path) -> None:
    result = read_cohorts(write(tmp_path / "map.csv", content))
    assert result == {"BraTS-GoAT-00001": "SSA", "BraTS-GoAT-00002": "MEN"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no table"),
        ("NewID\nx\n", "no columns NewID and Cohort"),
        ("\xff\n", "no columns"),
        (TABLE + "BraTS-GoAT-00001,z,MET\n", "BraTS-GoAT-00001 is of SSA and of MET"),
    ],
)
def test_what_is_no_such_table_is_refused_by_name(
    content: str, message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "map.csv", content)
    with pytest.raises(CohortError, match=message) as error:
        read_cohorts(path)
    assert str(path) in str(error.value)
    with pytest.raises(CohortError, match="no table"):
        read_cohorts(tmp_path)


def test_a_row_goes_before_a_name_and_a_number_is_enough(tmp_path: Path) -> None:
    table = read_cohorts(write(tmp_path / "map.csv", TABLE))
    ids = ["BraTS-GoAT-00001", "00002", "BraTS-PED-00009-000", "BraTS-GoAT-00003", "patient"]
    assert cohorts_of(ids, GOAT, table) == {
        "BraTS-GoAT-00001": "SSA",
        "00002": "MEN",
        "BraTS-PED-00009-000": "PED",
    }
    assert cohorts_of(["BraTS-MET-00001-000"], GOAT, {"BraTS-MET-00001-000": "GLI"}) == {
        "BraTS-MET-00001-000": "GLI"
    }
    with pytest.raises(CohortError, match="BraTS-MEN-RT-0001-1: cohort MEN-RT, but 2025-goat"):
        cohorts_of(["BraTS-MEN-RT-0001-1"], GOAT, {})
    with pytest.raises(CohortError, match="x: cohort BRAIN"):
        cohorts_of(["x"], GOAT, {"x": "BRAIN"})


def tumour() -> np.ndarray:
    """A cube of 6 voxels a side: ET within NETC within SNFH."""
    labels = np.zeros((32, 32, 32), np.uint8)
    labels[2:8, 2:8, 2:8] = 2
    labels[3:7, 3:7, 3:7] = 1
    labels[4:6, 4:6, 4:6] = 3
    return labels


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Four cases with one and the same fault: an island of 30 voxels far from the tumour."""
    with_island = tumour()
    with_island[24:27, 24:29, 24:26] = 3
    for number in range(1, 5):
        name = f"BraTS-GoAT-{number:05d}"
        files.write_nifti(tmp_path / "references" / f"{name}-seg.nii.gz", tumour())
        files.write_nifti(tmp_path / "predictions" / f"{name}.nii.gz", with_island)
    rows = [f"BraTS-GoAT-{n:05d},{name}" for n, name in enumerate(("SSA", "MEN", "PED", "GLI"), 1)]
    write(tmp_path / "map.csv", "\n".join(["NewID,Cohort", *rows]))
    return tmp_path


def run(cohort: Path, *flags: str, scorer: str = "2025-goat") -> tuple[int, dict[str, Any]]:
    folders = [f"--{name}={cohort / name}" for name in ("predictions", "references")]
    out = cohort / "r.json"
    code = lab(["evaluate", f"--scorer={scorer}", *folders, f"--out={out}", *flags])
    return code, json.loads(out.read_text()) if out.exists() else {}


def test_an_island_costs_what_each_cohort_makes_of_it(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SSA deletes predicted lesions up to 50 voxels, PED up to 10, GLI up to 20, MEN none."""
    code, content = run(cohort, f"--cohorts={cohort / 'map.csv'}")
    assert code == 0
    wt = {id[-1]: regions["WT"] for id, regions in content["cases"].items()}
    assert {id: row["num_fp"] for id, row in wt.items()} == {"1": 0, "2": 1, "3": 1, "4": 1}
    assert {id: row["dice"] for id, row in wt.items()} == {"1": 1, "2": 0.5, "3": 0.5, "4": 0.5}
    assert {id[-1]: set(regions) for id, regions in content["cases"].items()} == {
        "1": {"ET", "TC", "WT"},
        "2": {"ET", "TC", "WT"},
        "3": {"ET", "TC", "WT", "NETC", "CC", "ED"},
        "4": {"ET", "TC", "WT", "NETC", "SNFH", "RC"},
    }
    assert list(content["cohorts"].values()) == ["SSA", "MEN", "PED", "GLI"]
    assert content["summary"]["RC"]["dice"]["n"] == 1
    (odd,) = content["problems"]
    assert odd["kind"] == "cohort" and "1 cases of PED" in odd["message"]
    out, err = capsys.readouterr()
    assert "cases by cohort: GLI 1, MEN 1, PED 1, SSA 1" in out
    assert "1 ET, 2 NETC, 3 CC, 4 ED" in err
    header = (cohort / "r.csv").read_text().splitlines()[0].split(",")
    assert "LesionWise_Dice_CC" in header and "LesionWise_NSD_0.5_RC" in header
    back = read_results(cohort / "r.json")
    assert set(back.scored_regions) == {"ET", "TC", "WT", "NETC", "CC", "ED", "SNFH", "RC"}


def test_2024_scores_the_regions_of_2023(cohort: Path) -> None:
    code, content = run(cohort, f"--cohorts={cohort / 'map.csv'}", scorer="2024-goat")
    assert (code, content["problems"]) == (0, [])
    for regions in content["cases"].values():  # 2023 deletes nothing, in no cohort
        assert set(regions) == {"ET", "TC", "WT"}
        assert (regions["WT"]["num_fp"], regions["WT"]["dice"]) == (1, 0.5)
        assert "legacy_dice" in regions["WT"] and "nsd_0.5" not in regions["WT"]


def test_a_missing_prediction_counts_as_each_year_counts_it(cohort: Path) -> None:
    (cohort / "predictions" / "BraTS-GoAT-00004.nii.gz").unlink()
    flag = f"--cohorts={cohort / 'map.csv'}"
    row = run(cohort, flag)[1]["cases"]["BraTS-GoAT-00004"]["WT"]
    assert (row["dice"], row["nsd_1.0"], row["hd95"]) == (0, 0, 374)  # GoAT's, not GLI's 337
    assert "BraTS-GoAT-00004" not in run(cohort, flag, scorer="2024-goat")[1]["cases"]


def test_where_no_cohort_is_known_nothing_is_scored(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(cohort) == (2, {})
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "GLI, MEN, MET, PED, SSA" in line and "--cohorts FILE.csv" in line
    assert run(cohort, f"--cohorts={cohort / 'map.csv'}", scorer="2025-ssa") == (2, {})
    assert "2025-ssa scores all cases alike" in capsys.readouterr().err
    write(cohort / "map.csv", "NewID,Cohort\nBraTS-GoAT-00001,UPENN\n")
    assert run(cohort, f"--cohorts={cohort / 'map.csv'}")[0] == 2
    assert "BraTS-GoAT-00001: cohort UPENN" in capsys.readouterr().err


def test_a_case_without_a_row_has_nulls_and_its_reason(cohort: Path) -> None:
    write(cohort / "map.csv", "NewID,Cohort\nBraTS-GoAT-00001,GLI\n00002,SSA\n")
    for folder, end in (("predictions", ""), ("references", "-seg")):
        source = cohort / folder / f"BraTS-GoAT-00003{end}.nii.gz"
        source.rename(source.with_name(f"BraTS-MET-00003-000{end}.nii.gz"))
    code, content = run(cohort, f"--cohorts={cohort / 'map.csv'}")
    assert code == 1
    assert content["cohorts"] == {
        "BraTS-GoAT-00001": "GLI",
        "BraTS-GoAT-00002": "SSA",
        "BraTS-MET-00003-000": "MET",
    }
    row = content["cases"]["BraTS-GoAT-00004"]
    assert set(row) == {"ET", "TC", "WT"}
    assert {value for scores in row.values() for value in scores.values()} == {None}
    (problem,) = content["problems"]
    assert (problem["case"], problem["kind"]) == ("BraTS-GoAT-00004", "cohort")


def test_systems_scored_as_other_cohorts_are_not_ranked(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(cohort, f"--cohorts={cohort / 'map.csv'}")
    (cohort / "r.json").rename(cohort / "a.json")
    content = (cohort / "map.csv").read_text()
    write(cohort / "map.csv", content.replace("SSA", "MET"))
    run(cohort, f"--cohorts={cohort / 'map.csv'}")
    assert lab(["rank", str(cohort / "a.json"), str(cohort / "r.json")]) == 2
    assert "BraTS-GoAT-00001 scored as MET, but as SSA" in capsys.readouterr().err


def test_a_search_needs_another_scorer() -> None:
    from challenge.refusal import Refusal
    from challenge.scheme import SCHEMES
    from lab.metrics.scorers import scorer_named

    with pytest.raises(Refusal, match="2025-goat scores by cohort"):
        scorer_named("2025-goat", SCHEMES["brats-goat"])
    with pytest.raises(Refusal, match="which is not told"):
        GOAT.score(None)  # type: ignore[arg-type]
