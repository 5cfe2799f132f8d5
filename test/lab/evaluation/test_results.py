"""Score files: what is written is read back, and others' layouts are theirs."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.evaluation.formats import read_results, write_csv, write_nnunet
from lab.evaluation.results import (
    Facts,
    Lesion,
    Problem,
    Results,
    scores_from,
    summarise,
    summary,
    to_json,
    write_json,
)
from lab.metrics.csv_layouts import LESIONWISE, METS_2026

RESULTS = Results(
    scorer="2025-ssa",
    cases={
        "a": {"ET": {"dice": 1 / 3, "hd95": math.inf}, "WT": {"dice": math.nan, "hd95": 2.0}},
        "b": {"ET": {"dice": 1.0, "hd95": 4.0}, "WT": {"dice": 0.5, "hd95": 0.1 + 0.2}},
    },
    labels={"NETC": 1, "SNFH": 2, "ET": 3},
    regions={"ET": ("ET",), "WT": ("NETC", "SNFH", "ET")},
    scheme="brats-ssa",
    absent="one",
    facts={
        "a": Facts("p.nii.gz", "r.nii.gz", 1.5, np.eye(4, dtype=int), {"ET": (Lesion(3, True),)})
    },
    problems=(Problem("a", "labels", "a.nii.gz: 255", scored=True),),
    extra={"ET": {"volume_rmse_mm3": {"value": 2.5, "n": 2}}},
)


def test_json_comes_back(tmp_path: Path) -> None:
    write_json(RESULTS, tmp_path / "r.json")
    back = read_results(tmp_path / "r.json")
    np.testing.assert_equal(vars(back)["cases"], RESULTS.cases)
    np.testing.assert_array_equal(back.facts["a"].confusion, np.eye(4))
    assert back.facts["a"].lesions == RESULTS.facts["a"].lesions
    assert (back.problems, back.extra, back.regions) == (
        RESULTS.problems,
        RESULTS.extra,
        RESULTS.regions,
    )
    content = json.loads((tmp_path / "r.json").read_text(), parse_constant=pytest.fail)
    assert content["cases"]["a"]["WT"]["dice"] is None
    assert content["summary"]["WT"]["dice"] == {
        "mean": 0.5,
        "std": None,
        "25quantile": 0.5,
        "median": 0.5,
        "75quantile": 0.5,
        "n": 1,
    }
    assert content["summary"]["ET"]["volume_rmse_mm3"]["value"] == 2.5


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_double_survives(value: float) -> None:
    text = to_json({"r": {"m": value}})
    back = scores_from(json.loads(text, parse_constant=pytest.fail))["r"]["m"]
    assert back == value or (math.isnan(back) and math.isnan(value))


def test_summaries_count_what_is_there() -> None:
    result = summarise(np.array([1.0, 2.0, math.nan, 6.0]))
    assert (result["mean"], result["n"], result["median"]) == (3.0, 3, 2.0)
    assert result["std"] == pytest.approx(math.sqrt(7))
    assert summarise(np.array([math.nan]))["n"] == 0
    assert summary(RESULTS)["ET"]["hd95"]["mean"] == math.inf


def test_the_platforms_table_is_written_as_the_platform_writes_it(
    shared_data: Path, tmp_path: Path
) -> None:
    paths = sorted((shared_data / "brats-ssa-2025-official-csv").glob("*.csv"))
    assert len(paths) == 3
    for path in paths:
        write_csv(read_results(path), tmp_path / "ours.csv", LESIONWISE)
        official, ours = (list(csv.reader(p.open())) for p in (path, tmp_path / "ours.csv"))
        assert official[0][1:] == ours[0][1:]
        assert [row[0] for row in official[1:]] == [row[0] for row in ours[1:]]
        numbers = [np.array([row[1:] for row in table[1:]], float) for table in (official, ours)]
        np.testing.assert_allclose(*numbers, rtol=0, atol=1e-12)


def test_the_table_of_2026(shared_data: Path, tmp_path: Path) -> None:
    """Version 0.0.6 wrote the published one, without columns for large instances."""
    path = shared_data / "brats-official-eval-pairs" / "published" / "sample_mets_summary.csv"
    results = read_results(path)
    assert results.cases["BraTS-MET-00132-000-seg.nii.gz"]["WT"]["dice"] == 0.691078118501733
    write_csv(results, tmp_path / "ours.csv", METS_2026)
    assert [row for row in csv.reader((tmp_path / "ours.csv").open())][:3] == list(
        csv.reader(path.open())
    )


def test_summary_rows_are_cases_only_on_request(shared_data: Path) -> None:
    path = shared_data / "brats-ssa-2025-official-csv" / "1_model__9752810.csv"
    assert len(read_results(path).cases) == 35
    assert list(read_results(path, summary_rows=True).cases)[35:] == [
        "mean",
        "std",
        "25quantile",
        "median",
        "75quantile",
    ]


def test_nnunets_summary_is_read_and_written(tmp_path: Path) -> None:
    table = np.array([[90, 2, 0, 0], [1, 5, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]])
    facts = {"k": Facts("p/k.nii.gz", "r/k.nii.gz", 1.0, table, {})}
    results = Results("voxel", {"k": {}}, RESULTS.labels, facts=facts)
    write_nnunet(results, tmp_path / "summary.json")
    content = json.loads((tmp_path / "summary.json").read_text())
    metrics = content["metric_per_case"][0]["metrics"]
    assert metrics["1"] == {
        "Dice": 10 / 13,
        "IoU": 5 / 8,
        "FP": 2,
        "TP": 5,
        "FN": 1,
        "TN": 92,
        "n_pred": 7,
        "n_ref": 6,
    }
    assert metrics["2"]["Dice"] == 0  # predicted once, never there
    assert content["foreground_mean"]["Dice"] == pytest.approx((10 / 13 + 0 + 2 / 3) / 3)
    back = read_results(tmp_path / "summary.json")
    assert back.cases["k"]["1"]["dice"] == 10 / 13
    assert back.scorer == "nnunet"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "not a result file"),
        ("a.json", "[1, 2]", "not a result file"),
        ("a.json", '{"scorer": "x", "cases": {}}', "no case"),
        ("a.csv", "", "not a result file"),
        ("a.csv", "id,Dice_ET\na,x", "not a result file"),
        ("a.csv", "id,Dice_ET\na,1\na,1", "two rows for a"),
        ("a.csv", "id,mse\na,1", "no column named"),
        ("a.csv", "id,Dice_ET\n" + "a" * 200_000 + ",1", "not a result file"),
    ],
)
def test_other_files_are_refused_by_name(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=rf"{name}: .*{message}"):
        read_results(tmp_path / name)
