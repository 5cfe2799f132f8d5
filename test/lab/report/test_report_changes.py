"""Cases are ordered by their score; a change is after minus before, over the cases of both."""

import math
from dataclasses import replace

import pytest
from report_cases import results, table

from lab.evaluation.counts import cohort_of
from lab.evaluation.results import Results
from lab.report.changes import Earlier, changes
from lab.report.extremes import extremes
from lab.report.headline import region_dices


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
