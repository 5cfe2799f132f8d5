"""The report's numbers, worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_cases import facts, results, table
from scipy import stats

from challenge.scheme import SCHEMES
from lab.evaluation.counts import cohort_of, scored_classes
from lab.evaluation.formats import read_results
from lab.evaluation.results import Lesion, Results
from lab.metrics.scorers import dice_kind
from lab.report.changes import Earlier, changes
from lab.report.extremes import extremes
from lab.report.headline import (
    dice_beside,
    extra_headline,
    headline,
    headline_metrics,
    key_metric,
    kind_of,
    region_dices,
    scorer_year,
)
from lab.report.numbers import confusion, false_positive_row, mean_over, overlap_row
from lab.report.relations import cross_class, detection, volume_and_dice
from lab.report.shares import share_rows, unjudged, warnings
from lab.statistics import mean_estimate, pearson_estimate, spearman_estimate

NETC, SNFH, ET = 1, 2, 3


def rows_of(result, absent="excluded"):
    cohort = cohort_of(result)
    return {c.name: overlap_row(cohort, c, absent) for c in cohort.classes}


def test_overlap_from_one_confusion_matrix():
    # NETC: 6 right, 2 called ET; 4 SNFH right; 3 voxels of background called NETC.
    row = rows_of(results({"a": table((1, 1, 6), (1, 3, 2), (2, 2, 4), (0, 1, 3))}))
    assert row["NETC"]["macro"] == pytest.approx(
        {"dice": 12 / 17, "iou": 6 / 11, "precision": 6 / 9, "recall": 6 / 8}
    )
    # Inside TC the swap of NETC and ET is no error: 8 right, 3 false positive.
    assert row["TC"]["macro"] == pytest.approx(
        {"dice": 16 / 19, "iou": 8 / 11, "precision": 8 / 11, "recall": 1}
    )


def test_absent_prediction_only_and_reference_only_are_counted_apart():
    tables = {
        "absent": table((0, 0, 9)),
        "prediction only": table((0, ET, 2)),
        "reference only": table((ET, 0, 4)),
        "both": table((ET, ET, 3), (ET, 0, 1)),
    }
    row = rows_of(results(tables))["ET"]
    assert (row["n_absent_both"], row["n_prediction_only"], row["n_reference_only"]) == (1, 1, 1)
    assert row["n"] == {"dice": 3, "iou": 3, "precision": 2, "recall": 2}
    assert row["macro"]["dice"] == pytest.approx((0 + 0 + 6 / 7) / 3)
    assert row["macro"]["precision"] == pytest.approx((0 + 1) / 2)
    assert row["macro"]["recall"] == pytest.approx((0 + 3 / 4) / 2)
    # Pooled: 3 right, 2 false positive, 5 missed.
    assert row["micro"]["dice"] == pytest.approx(6 / 13)
    one = rows_of(results(tables), "one")["ET"]
    assert one["n"] == {"dice": 4, "iou": 4, "precision": 2, "recall": 2}
    assert one["macro"]["dice"] == pytest.approx((0 + 0 + 6 / 7 + 1) / 4)


def test_the_mean_of_labels_leaves_out_a_label_that_no_case_has():
    result = rows_of(results({"a": table((1, 1, 1), (2, 2, 1), (2, 0, 2))}))
    assert mean_over(list(result.values()), "label")["dice"] == pytest.approx((1 + 0.5) / 2)


def test_a_region_of_the_same_name_as_a_label_that_it_is_not():
    scheme = SCHEMES["panther-t1"]
    result = {c.name: c.members for c in scored_classes(scheme.labels, scheme.regions)}
    assert result == {
        "pancreas": ("tumour", "pancreas"),
        "tumour": ("tumour",),
        "pancreas (label)": ("pancreas",),
    }


def test_a_label_that_predictions_never_hold_is_not_evaluated():
    scheme = SCHEMES["panther-t1"]

    def labels_and_regions(predicted_pancreas):
        confusion = np.array([[90, 0, 0], [0, 5, 0], [95, 0, predicted_pancreas]])
        lesions = {"tumour": (Lesion(5.0, True),), "pancreas": (Lesion(100.0, False),)}
        result = Results(
            "panther",
            {"a": {}},
            scheme.labels,
            scheme.regions,
            scheme.name,
            facts={"a": facts(confusion, lesions)},
        )
        cohort = cohort_of(result)
        output = [row["region"] for row in detection(result, cohort)["regions"]]
        return [scored.name for scored in cohort.classes], output

    assert labels_and_regions(0) == (["tumour"], ["tumour"])
    assert labels_and_regions(1) == (
        ["tumour", "pancreas", "pancreas (label)"],
        ["tumour", "pancreas"],
    )


def test_what_contradicts_itself_is_named():
    with pytest.raises(ValueError, match=r"region WT: \['ED'\]"):
        scored_classes({"ET": 1}, {"WT": ("ET", "ED")})
    with pytest.raises(ValueError, match=r"a: confusion matrix is \(3, 3\)"):
        cohort_of(results({"a": np.zeros((3, 3))}))


def test_false_positive_volume_ratio():
    result = results({"a": table((0, ET, 5), (ET, ET, 10)), "b": table((ET, 0, 30))})
    cohort = cohort_of(result)
    row = false_positive_row(cohort, next(c for c in cohort.classes if c.name == "ET"))
    assert (row["mean_fp_mm3"], row["mean_reference_mm3"]) == (2.5, 20)
    assert row["ratio"] == pytest.approx(5 / 40)
    assert row["median_case_ratio"] == pytest.approx((5 / 10 + 0) / 2)


def test_confusion_is_pooled_and_shared_out_by_row():
    result = confusion(
        cohort_of(results({"a": table((1, 1, 3)), "b": table((1, 3, 1))})), {"NETC": 1}
    )
    assert result["voxels"][1] == [0, 3, 0, 1]
    assert result["row_shares"][1] == [0, 0.75, 0, 0.25]
    assert np.isnan(result["row_shares"][2]).all()


def test_usual_volume_shares_are_no_cause_for_a_warning():
    good = results({id: table((1, 1, 10), (2, 2, 70), (3, 3, 20)) for id in "abc"})
    rows = share_rows(cohort_of(good), good)
    assert {(r["label"], r["side"]): r["pooled"] for r in rows}["SNFH", "reference"] == 0.7
    assert warnings(rows, good) == []


@pytest.mark.parametrize("side", ["prediction", "reference"])
def test_a_shifted_label_map_is_caught_on_either_side(side):
    # What is oedema by its volume carries the name NETC, what enhances the name SNFH.
    right, shifted = (10, 70, 20), (70, 10, 20)
    tables = {}
    for id in "abc":
        rows, columns = (right, shifted) if side == "prediction" else (shifted, right)
        tables[id] = np.zeros((4, 4), np.int64)
        tables[id][1:, 1:] = np.outer(rows, columns)
    bad = results(tables)
    result = warnings(share_rows(cohort_of(bad), bad), bad)
    assert all(f"in the {side}" in sentence for sentence in result)
    assert {sentence.split()[0] for sentence in result} == {"NETC", "SNFH"}
    assert "NETC is 70% of WT of all cases together" in result[0]


def test_the_median_is_checked_beside_the_pooled_share():
    # One huge case hides two small ones whose SNFH is missing.
    small, huge = table((3, 3, 5), (1, 1, 5)), table((2, 2, 900), (3, 3, 100))
    mixed = results({"a": small, "b": small, "c": huge})
    rows = share_rows(cohort_of(mixed), mixed)
    assert {tuple(r["outside"]) for r in rows if r["label"] == "SNFH"} == {("median",)}


def test_values_that_are_not_the_schemes_are_warned_of():
    result = results({"a": table((2, 2, 70), (3, 3, 30))})
    moved = Results("x", result.cases, {"NETC": 1, "SNFH": 2, "ET": 4}, {}, result.scheme)
    assert warnings([], moved) == ["The results call value 4 ET; brats-gli-2023 has 3."]


def test_predictions_that_cannot_hold_the_whole_are_not_evaluated():
    scheme = SCHEMES["panther-t1"]
    confusion = np.array([[90, 0, 0], [0, 5, 0], [95, 0, 0]])  # pancreas is never predicted
    result = Results(
        "panther",
        {"a": {}},
        scheme.labels,
        scheme.regions,
        scheme.name,
        "",
        {"a": facts(confusion)},
    )
    rows = share_rows(cohort_of(result), result)
    assert [(r["side"], r["pooled"]) for r in rows] == [("reference", 0.05)]
    assert unjudged(cohort_of(result), result) == [
        "Shares of the predictions are not judged: none has any pancreas."
    ]


def test_predictions_that_never_hold_a_label_are_not_evaluated_and_references_are():
    # The model was trained without NETC: its core is all ET, 80 % of the tumour.
    result = results({id: table((1, 3, 50), (2, 2, 20), (3, 3, 30)) for id in "abc"})
    rows = share_rows(cohort_of(result), result)
    assert {row["side"] for row in rows} == {"reference"}
    assert warnings(rows, result) == []
    assert unjudged(cohort_of(result), result) == [
        "Shares of the predictions are not judged: none has any NETC."
    ]
    whole = results({id: table((1, 1, 10), (2, 2, 70), (3, 3, 20)) for id in "abc"})
    assert unjudged(cohort_of(whole), whole) == []


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=20))
def test_correlations_are_scipys(pairs):
    x, y = np.array(pairs, float).T
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert math.isnan(spearman_estimate(x, y).value)
        return
    assert spearman_estimate(x, y).value == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)
    assert pearson_estimate(x, y).value == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-9)


def test_an_interval_is_seeded_and_holds_the_mean():
    values = np.random.default_rng(0).normal(0.8, 0.1, 50)
    first = mean_estimate(values)
    assert first == mean_estimate(values)
    standard_error = values.std(ddof=1) / math.sqrt(50)
    assert first.low == pytest.approx(first.value - 1.96 * standard_error, abs=0.005)
    assert first.high == pytest.approx(first.value + 1.96 * standard_error, abs=0.005)
    few = mean_estimate(np.array([1.0, math.nan, 3.0]))
    assert (few.value, few.n, math.isnan(few.low)) == (2.0, 2, True)


def test_volume_and_dice_uses_cases_whose_reference_has_the_class():
    result = results(
        {
            "a": table((ET, ET, 1), (ET, 0, 3)),
            "b": table((ET, ET, 10)),
            "c": table((ET, ET, 5), (ET, 0, 1)),
            "d": table((0, ET, 7)),
        }
    )
    cohort = cohort_of(result)
    row = volume_and_dice(cohort, next(c for c in cohort.classes if c.name == "ET"))
    assert [p["case"] for p in row["points"]] == ["a", "b", "c"]
    assert [p["dice"] for p in row["points"]] == pytest.approx([2 / 5, 1, 10 / 11])
    assert (row["n"], row["spearman"]["value"]) == (3, pytest.approx(1))
    cross = cross_class(cohort)
    i = cross["classes"].index("ET")
    assert (cross["spearman"][i][i], cross["n"][i][i]) == (pytest.approx(1), 3)
    assert cross["n"][i][cross["classes"].index("NETC")] == 0


def test_lesions_are_binned_with_the_upper_edge_inside():
    lesions = {
        "WT": (Lesion(10.0, True), Lesion(10.5, False), Lesion(50.0, True), Lesion(9e4, True))
    }
    result = results({"a": table()})
    result = Results(**{**vars(result), "facts": {"a": facts(table(), lesions)}})
    (row,) = detection(result, cohort_of(result))["regions"]
    assert row["n"] == [1, 2, 0, 0, 0, 0, 1]
    assert row["detected"] == [1, 1, 0, 0, 0, 0, 1]


def test_worst_and_best_go_by_present_regions_and_ties_by_id():
    full = table((1, 1, 1), (2, 2, 1), (3, 3, 1))
    tables = {"c": full, "b": full, "a": full, "none": table((0, 0, 5)), "wt": table((2, 0, 4))}
    dice = {
        "c": {"WT": 0.5, "ET": 0.7},
        "b": {"WT": 0.6, "ET": 0.6},
        "a": {"WT": 0.9, "ET": 0.9},
        "none": {"WT": 1.0, "ET": 1.0},
        "wt": {"WT": 0.0, "ET": 1.0},  # the scorer gives the absent ET 1
    }
    result = results(tables, dice)
    output = extremes(result, cohort_of(result), "dice", 2)
    assert [(r["case"], r["key"]) for r in output["worst"]] == [
        ("wt", 0),
        ("b", pytest.approx(0.6)),
    ]
    assert [r["case"] for r in output["best"]] == ["a", "b"]
    assert output["worst"][0]["scores"] == {"WT": 0.0, "ET": None}
    assert output["not_ranked"] == ["none"]
    assert (output["single_list"], output["overlap"]) == (False, False)
    assert extremes(result, cohort_of(result), "dice", 3)["overlap"] is True
    single = extremes(result, cohort_of(result), "dice", 4)
    assert [r["case"] for r in single["worst"]] == ["wt", "b", "c", "a"]
    assert (single["single_list"], single["best"]) == (True, [])


def test_a_distance_orders_the_other_way_round():
    result = Results("x", {id: {"WT": {"hd95": mm}} for id, mm in {"a": 1.0, "b": 9.0}.items()})
    output = extremes(result, None, "hd95", 1)
    assert (output["worst"][0]["case"], output["best"][0]["case"]) == ("b", "a")


def scored(**dice):
    return Results("2023-gli", {id: {"WT": {"dice": v}} for id, v in dice.items()})


def changed(after, before):
    return changes(after, Earlier("old", before, {}), "new", "dice")


def test_changes_are_after_minus_before_over_shared_cases():
    result = changed(scored(a=0.9, b=0.5, c=0.4, new=1.0), scored(a=0.6, b=0.5, c=0.5))
    row = result["rows"][0]
    assert row["difference"]["value"] == pytest.approx((0.3 + 0 - 0.1) / 3)
    assert (row["n"], row["n_better"], row["n_worse"], row["n_equal"]) == (3, 1, 1, 1)
    assert (row["mean_before"], row["mean_after"]) == pytest.approx((1.6 / 3, 1.8 / 3))
    assert (result["only_after"], result["only_before"]) == (["new"], [])
    assert [r["case"] for r in result["better"]] == ["a"]
    assert [r["case"] for r in result["worse"]] == ["c"]
    assert result["mean_by_case"] == pytest.approx({"a": 0.3, "b": 0, "c": -0.1})
    # Of the sign patterns of two differences, 0.3 and -0.1, all four lie as far from 0 as 0.2.
    assert result["overall"]["p"] == 1.0


def test_means_are_over_the_cases_where_both_have_a_number():
    result = changed(scored(a=0.9, b=math.nan, c=0.5), scored(a=0.6, b=0.1, c=0.6))
    overall = result["overall"]
    assert (overall["first"], overall["second"]) == pytest.approx((0.6, 0.7))
    assert (overall["n"], overall["cells"], overall["cells_missing"]) == (2, 3, 1)


@pytest.mark.parametrize(
    ("after", "before", "refusal"),
    [
        (scored(a=0.5), scored(a=0.5), "1 case in all of old, new"),
        (scored(a=0.5, b=0.5), scored(c=0.5, d=0.5), "0 case in all of old, new"),
        (
            scored(a=0.5, b=0.5),
            Results("2024-gli", {id: {"WT": {"dice": 0.5}} for id in "ab"}),
            "new: scorer 2023-gli, but old: scorer 2024-gli",
        ),
    ],
)
def test_what_cannot_be_compared_has_a_reason_and_no_numbers(after, before, refusal):
    result = changed(after, before)
    assert refusal in result["refusal"]
    assert not {"rows", "overall", "points"} & set(result)


def test_both_dices_stand_beside_each_other_in_reading_order():
    tables = {id: table((1, 1, 3), (2, 2, 10), (3, 3, 6), (3, 1, 2)) for id in "ab"}
    dice = {id: {"ET": 0.5, "TC": 0.6, "WT": 0.7} for id in "ab"}
    after = results(tables, dice)
    before = results(tables, {id: {"ET": 0.4, "TC": 0.6, "WT": 0.7} for id in "ab"})
    rows = {row["region"]: row for row in changed(after, before)["regions"]}
    assert list(rows) == ["WT", "TC", "ET", "NETC", "SNFH"]
    assert rows["ET"]["scorer"]["difference"]["value"] == pytest.approx(0.1)
    # 6 of 8 reference voxels right, none too many.
    assert rows["ET"]["voxel"]["mean_after"] == pytest.approx(12 / 14)
    assert rows["ET"]["voxel"]["difference"]["value"] == 0
    assert rows["NETC"]["scorer"] is None
    cards = {row["region"]: row for row in region_dices(after, cohort_of(after), "excluded")}
    assert list(cards) == list(rows)
    assert (cards["ET"]["scorer"]["value"], cards["ET"]["voxel"]["value"]) == pytest.approx(
        (0.5, 12 / 14)
    )


def test_a_scorer_of_voxels_has_one_dice():
    tables = {id: table((3, 3, 6), (3, 0, 2)) for id in "ab"}
    result = replace(results(tables, {id: {"ET": 12 / 14} for id in "ab"}), scorer="voxel")
    (row,) = region_dices(result, cohort_of(result), "excluded")
    assert (row["region"], row["voxel"]) == ("ET", None)
    assert changed(result, result)["regions"][0]["voxel"] is None


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
