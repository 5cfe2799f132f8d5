"""The headline says what its Dice is over, has each year's metrics, and shows infinities."""

import math

import pytest
from report_cases import results, table

from lab.evaluation.counts import cohort_of
from lab.evaluation.formats import read_results
from lab.evaluation.results import Results
from lab.metrics.scorers import dice_kind
from lab.report.headline import (
    dice_beside,
    extra_headline,
    headline,
    headline_metrics,
    key_metric,
    kind_of,
    scorer_year,
)

ET = 3


@pytest.mark.parametrize(
    ("scorer", "metric", "kind"),
    [
        ("2025-gli", "dice", "lesion-wise"),
        ("2023-gli", "legacy_dice", "voxel-wise"),
        ("2026-mets", "dice", "lesion-wise"),
        ("2026-goat", "global_dice", "voxel-wise"),
        ("panther", "dice", "voxel-wise"),
        ("voxel", "dice", "voxel-wise"),
        ("nnunet", "dice", "voxel-wise"),
        ("platform-csv", "lesionwise_dsc_mean", "lesion-wise"),
        ("platform-csv", "dice", ""),
    ],
)
def test_what_a_dice_is_over(scorer, metric, kind):
    assert dice_kind(scorer, metric) == kind


def test_a_lesion_wise_dice_is_shown_though_another_one_is_ranked():
    def with_metrics(scorer, *names):
        return Results(scorer, {"a": {"WT": dict.fromkeys(names, 0.5)}})

    goat = with_metrics("2026-goat", "global_dice", "global_nsd_1.0", "dice")
    assert dice_beside(goat) == ("dice", "lesion-wise")
    assert dice_beside(with_metrics("2026-goat", "global_dice")) == ("global_dice", "voxel-wise")
    assert dice_beside(with_metrics("x", "hd95")) == ("", "")
    assert kind_of(with_metrics("nnunet", "dice", "iou"), "iou") == ""


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("scan_id,LesionWise_Dice_WT", "lesion-wise"),
        ("subject_id,lesionwise_dsc_mean_wt", "lesion-wise"),
        ("case,dice_WT", ""),
    ],
)
def test_the_columns_of_a_table_say_what_their_dice_is_over(tmp_path, header, kind):
    (tmp_path / "r.csv").write_text(f"{header}\na,0.5\n")
    assert dice_beside(read_results(tmp_path / "r.csv")) == ("dice", kind)


def test_headline_metrics_of_each_years_scorer():
    def with_metrics(*names):
        return Results("x", {"a": {"WT": dict.fromkeys(names, 0.5)}})

    assert headline_metrics(with_metrics("dice", "hd95", "nsd_0.5", "num_fp")) == [
        "dice",
        "hd95",
        "nsd_0.5",
    ]
    assert headline_metrics(with_metrics("dice", "surface_dice_5mm", "masd", "sq_dsc_std")) == [
        "dice",
        "surface_dice_5mm",
        "masd",
    ]
    assert headline_metrics(with_metrics("global_dsc", "rq")) == ["global_dsc"]
    assert key_metric(with_metrics("hd95", "global_dsc", "dice")) == "dice"
    with pytest.raises(ValueError, match="no metric 'iou'"):
        key_metric(with_metrics("dice"), "iou")
    assert [scorer_year(s) for s in ("2025-gli", "panther-as-published", "voxel")] == [
        "2025",
        "2025",
        "",
    ]


def test_a_volume_rmse_gets_an_interval_where_the_voxels_agree_with_it():
    tables = {str(i): table((ET, ET, 10), (0, ET, i)) for i in range(6)}
    result = results(tables)
    rmse = math.sqrt(sum(i * i for i in range(6)) / 6)

    def low(value):
        extra = Results(
            "x",
            result.cases,
            result.labels,
            result.regions,
            facts=result.facts,
            extra={"ET": {"volume_rmse_mm3": {"value": value, "n": 6}}},
        )
        (row,) = extra_headline(extra, cohort_of(extra))
        assert (row["value"], row["n"], row["unit"]) == (value, 6, "mm3")
        return row["low"]

    assert 0 < low(rmse) < rmse
    assert math.isnan(low(rmse + 1))


def test_infinite_distances_stay_visible():
    result = Results("x", {id: {"WT": {"hd95": v}} for id, v in {"a": 2.0, "b": math.inf}.items()})
    row = headline(result)[0]
    assert (row["value"], row["n"], row["n_infinite"]) == (math.inf, 2, 1)
