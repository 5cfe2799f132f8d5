"""Only what can be compared is compared, and what is left out is named."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from lab.evaluation.columns import Column, ComparisonError, RequestedColumns
from lab.evaluation.comparison import name_systems, read_comparison
from lab.evaluation.results import Facts, Results, write_json
from lab.metrics.metric_info import METRICS, RMSE, headline_metrics, metric_info

NAN = math.nan


def write(path: Path, cases: dict, **more) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    write_json(Results(**{"scorer": "2025-ssa", "cases": cases} | more), path)
    return path


def dice(*values: float) -> dict:
    """Cases c0, c1, ... with these Dice of WT."""
    return {f"c{i}": {"WT": {"dice": value}} for i, value in enumerate(values)}


def test_values_go_by_case_column_and_system(tmp_path):
    a = write(
        tmp_path / "a.json", {"y": {"WT": {"dice": 0.1, "hd95": 3}}, "x": {"WT": {"dice": 0.2}}}
    )
    b = write(
        tmp_path / "b.json", {"x": {"WT": {"dice": 0.4, "hd95": 2}}, "y": {"WT": {"dice": 0.3}}}
    )
    comparison = read_comparison([a, b], RequestedColumns())
    assert comparison.cases == ("x", "y")
    assert comparison.columns == (Column("WT", "dice"), Column("WT", "hd95"))
    assert comparison.values[:, 0].tolist() == [[0.2, 0.4], [0.1, 0.3]]
    assert np.isnan(comparison.values[0, 1, 0])
    assert comparison.values[1, 1, 0] == 3


def test_headline_metrics_by_default_others_by_name(tmp_path):
    scores = {"num_tp": 1, "hd95": 4, "dice": 0.5, "precision": 0.6, "tp_mm3": 9}
    paths = [
        write(tmp_path / f"{n}.json", {"x": {"WT": scores}, "y": {"WT": scores}}) for n in "ab"
    ]
    assert [c.metric for c in read_comparison(paths, RequestedColumns()).columns] == [
        "dice",
        "hd95",
    ]
    chosen = read_comparison(paths, RequestedColumns(metrics=("precision",)))
    assert [str(c) for c in chosen.columns] == ["precision WT"]
    with pytest.raises(ComparisonError, match=r"metric num_tp: not known .* known .*dice.*hd95"):
        read_comparison(paths, RequestedColumns(metrics=("num_tp",)))
    with pytest.raises(ComparisonError, match=r"metric iou: not in every file; these have .*dice"):
        read_comparison(paths, RequestedColumns(metrics=("iou",)))
    with pytest.raises(ComparisonError, match="region ET: not in every file; these have WT"):
        read_comparison(paths, RequestedColumns(regions=("ET",)))


def test_without_a_headline_metric_all_with_a_direction_are_ranked(tmp_path):
    scores = {"global_dsc": 0.5, "all_instance_fp": 1, "all_instance_tp": 2}
    paths = [
        write(tmp_path / f"{n}.json", {"x": {"WT": scores}, "y": {"WT": scores}}) for n in "ab"
    ]
    result = {c.metric: c.better for c in read_comparison(paths, RequestedColumns()).columns}
    assert result == {"global_dsc": "higher", "all_instance_fp": "lower"}


@pytest.mark.parametrize(
    ("metric", "better"),
    [
        ("nsd_0.5", "higher"),
        ("surface_dice_5mm", "higher"),
        ("masd", "lower"),
        ("num_fn", "lower"),
        ("small_instance_f1", "higher"),
        ("lesionwise_nsd_std", None),
        ("tp", None),
    ],
)
def test_directions(metric, better):
    assert metric_info(metric).better == better


def test_no_metric_is_better_both_ways():
    assert {metric_info(metric).better for metric in headline_metrics()} == {"higher", "lower"}
    assert all(metric_info(name).better == row.better for name, row in METRICS.items())


def test_cases_that_not_all_have_are_left_out_by_name(tmp_path):
    a = write(tmp_path / "a.json", dice(0.1, 0.2, 0.3))
    b = write(tmp_path / "b.json", dice(0.1, 0.2))
    comparison = read_comparison([a, b], RequestedColumns())
    assert comparison.cases == ("c0", "c1")
    assert comparison.left_out == (f"{a}: c2 not in every file, left out",)
    with pytest.raises(ComparisonError, match=r"a\.json: c2 not in every file$"):
        read_comparison([a, b], RequestedColumns(strict=True))


def test_columns_that_not_all_have_are_left_out_by_name(tmp_path):
    a = write(tmp_path / "a.json", {c: {"WT": {"dice": 1}, "ET": {"dice": 1}} for c in "xy"})
    b = write(tmp_path / "b.json", {c: {"WT": {"dice": 1, "hd95": 2, "tp": 3}} for c in "xy"})
    for paths in ([a, b], [b, a]):
        comparison = read_comparison(paths, RequestedColumns())
        assert comparison.columns == (Column("WT", "dice"),)
        assert comparison.left_out == ("dice ET, hd95 WT: not in every file, left out",)


def test_systems_are_named_by_as_little_as_tells_them_apart(tmp_path):
    def names(*paths: str) -> list[str]:
        return list(name_systems([tmp_path / path for path in paths]))

    assert names("x/a.json", "y/b.csv") == ["a", "b"]
    assert names("x/summary.json", "y/summary.json") == ["x/summary", "y/summary"]
    assert names("x/r/s.json", "y/r/s.json", "y/r/t.json") == ["x/r/s", "y/r/s", "y/r/t"]
    assert names("a.json", "a.csv") == [str(tmp_path / "a.json"), str(tmp_path / "a.csv")]
    with pytest.raises(ComparisonError, match="given twice"):
        names("x/a.json", "x/../x/a.json")


def test_different_scorers_are_refused(tmp_path):
    a = write(tmp_path / "a.json", dice(0.1, 0.2))
    b = write(tmp_path / "b.json", dice(0.1, 0.2), scorer="2024-ssa")
    with pytest.raises(
        ComparisonError, match=r"b\.json: scorer 2024-ssa, but .*a\.json: .*2025-ssa"
    ):
        read_comparison([a, b], RequestedColumns())
    c = write(tmp_path / "c.json", dice(0.1, 0.2), absent="scores 1")
    with pytest.raises(
        ComparisonError, match=r"c\.json: scorer 2025-ssa \(scores 1\), but .*a\.json"
    ):
        read_comparison([a, c], RequestedColumns())


def test_different_references_are_refused(tmp_path):
    def facts(tumour: int, prediction: str | None = "p") -> dict:
        table = np.array([[90, 1], [tumour - 2, 2]])
        return {"facts": {"c0": Facts(prediction, "r", 1.0, table, {})}, "labels": {"T": 1}}

    paths = [
        write(tmp_path / "a.json", dice(0.1, 0.2), **facts(7)),
        write(tmp_path / "b.json", dice(0.3, 0.2), **facts(8)),
    ]
    with pytest.raises(
        ComparisonError, match=r"c0: another reference in .*a\.json than in .*\[91, 7\]"
    ):
        read_comparison(paths, RequestedColumns())
    write(tmp_path / "b.json", dice(0.3, 0.2), **facts(8, prediction=None))
    assert len(read_comparison(paths, RequestedColumns()).cases) == 2


def test_too_little_to_rank_is_refused(tmp_path):
    a = write(tmp_path / "a.json", dice(0.1, 0.2))
    b = write(tmp_path / "b.json", dice(0.1))
    with pytest.raises(ComparisonError, match="at least two result files, not 1"):
        read_comparison([a], RequestedColumns())
    with pytest.raises(ComparisonError, match="1 case in all of a, b, but a ranking needs two"):
        read_comparison([a, b], RequestedColumns())
    with pytest.raises(ComparisonError, match="no summary row"):
        read_comparison(
            [a, write(tmp_path / "c.json", dice(0.3, 0.4))], RequestedColumns(summary_rows=True)
        )
    c = write(tmp_path / "c.json", {"c0": {"WT": {"tp": 1}}, "c1": {"WT": {"tp": 2}}})
    with pytest.raises(ComparisonError, match="no metric that every file has"):
        read_comparison([a, c], RequestedColumns())


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"cases": 3}', "a,b\n"])
def test_what_is_no_result_file_is_named(content, tmp_path):
    wrong = tmp_path / "wrong.json"
    if content is not None:
        wrong.write_text(content)
    with pytest.raises(ValueError, match=r"wrong\.json: not a result file"):
        read_comparison([write(tmp_path / "a.json", dice(0.1, 0.2)), wrong], RequestedColumns())


def test_volume_rmse_takes_part_where_all_have_it_over_the_same_cases(tmp_path):
    def rmse(value: float | None, n: int = 2) -> dict:
        return {"extra": {"WT": {RMSE: {"value": value, "n": n}}}}

    a = write(tmp_path / "a.json", dice(0.1, 0.2), **rmse(300.0))
    b = write(tmp_path / "b.json", dice(0.1, 0.2), **rmse(NAN))
    column = Column("WT", RMSE)
    result = read_comparison([a, b], RequestedColumns())
    assert result.totals[column][0] == 300
    assert np.isnan(result.totals[column][1])
    assert (column.better, result.columns) == ("lower", (Column("WT", "dice"),))
    assert read_comparison([a, b], RequestedColumns(metrics=("dice",))).totals == {}
    assert list(read_comparison([a, b], RequestedColumns(metrics=("dice", RMSE))).totals) == [
        column
    ]
    # Over more cases than are compared it is another number.
    c = write(tmp_path / "c.json", dice(0.1, 0.2, 0.3), **rmse(5.0, n=3))
    result = read_comparison([a, c], RequestedColumns())
    assert result.totals == {}
    assert f"{column}: not in every file over these 2 cases, left out" in result.left_out
    with pytest.raises(ComparisonError, match=RMSE):
        read_comparison([a, c], RequestedColumns(metrics=("dice", RMSE)))


def test_nnunet_summaries_are_read(tmp_path):
    paths = []
    for name, value in (("one", 0.5), ("two", None)):
        rows = [
            {"reference_file": f"/r/{id}.nii.gz", "metrics": {"1": {"Dice": value, "IoU": 0.25}}}
            for id in ("x", "y")
        ]
        paths.append(tmp_path / name / "summary.json")
        paths[-1].parent.mkdir()
        paths[-1].write_text(json.dumps({"metric_per_case": rows}))
    comparison = read_comparison(paths, RequestedColumns())
    assert list(comparison.systems) == ["one/summary", "two/summary"]
    assert comparison.columns == (Column("1", "dice"),)
    assert comparison.values[0, 0, 0] == 0.5
    assert np.isnan(comparison.values[0, 0, 1])


GOAT = {"dice": 0.1, "hd95": 9, "nsd": 0.2, "global_dice": 0.8, "global_nsd_1.0": 0.7}


def test_what_the_organisers_rank_by_is_ranked(tmp_path):
    """GoAT 2026: whole masks; the lesion-wise numbers beside them are reported only."""
    cases = {id: {"WT": GOAT} for id in "xy"}
    paths = [write(tmp_path / f"{n}.json", cases, scorer="2026-goat") for n in "ab"]
    comparison = read_comparison(paths, RequestedColumns())
    assert [c.metric for c in comparison.columns] == ["global_dice", "global_nsd_1.0"]
    assert [c.better for c in comparison.columns] == ["higher", "higher"]
    assert comparison.not_ranked == ("dice", "nsd", "hd95")
    assert "organisers of 2026-goat" in comparison.chosen and comparison.left_out == ()
    assert read_comparison(paths, RequestedColumns(metrics=("hd95",))).chosen == "as asked"


def test_mets_ranks_small_lesions_and_no_distance(tmp_path):
    scores = {"dice": 0.1, "hd95": 9, "nsd": 0.2, "small_instance_f1": 0.5}
    cases = {id: {"ET": scores} for id in "xy"}
    paths = [write(tmp_path / f"{n}.json", cases, scorer="2026-mets") for n in "ab"]
    comparison = read_comparison(paths, RequestedColumns())
    assert [c.metric for c in comparison.columns] == ["dice", "nsd", "small_instance_f1"]


def test_files_of_a_version_that_did_not_score_it_say_so(tmp_path):
    old = {id: {"WT": {k: v for k, v in GOAT.items() if k[:6] != "global"}} for id in "xy"}
    new = {id: {"WT": GOAT} for id in "xy"}
    paths = [
        write(tmp_path / f"{n}.json", cases, scorer="2026-goat")
        for n, cases in (("a", old), ("b", new))
    ]
    comparison = read_comparison(paths, RequestedColumns())
    assert [c.metric for c in comparison.columns] == ["dice", "nsd", "hd95"]
    assert "not the organisers'" in comparison.chosen
    assert any(
        "global_dice, global_nsd_1.0, by which" in message for message in comparison.left_out
    )
