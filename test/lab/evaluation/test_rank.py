"""`python -m lab rank`: by hand on small cohorts, and as published on the official numbers."""

import math
from pathlib import Path

import numpy as np
import pytest
from ranker import columns, compared, rank, rank_files, write_results

from lab.evaluation.pair import MEAN_RANK, MEAN_SCORE, RANK_AMONG_ALL
from lab.evaluation.results import Facts, Results, write_json

NAN, INF = math.nan, math.inf
OVERLAP = ("--metrics", "dice", "nsd_0.5", "nsd_1.0")


@pytest.fixture
def official(shared_data) -> list[Path]:
    """One model's official scores: plain, + component removal, + label redefinition."""
    return sorted((shared_data / "brats-ssa-2025-official-csv").glob("*.csv"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--published"], [1.7111, 1.6083, 1.5000]),
        ([*OVERLAP, "--ties", "dense", "--summary-rows"], [1.7111, 1.6083, 1.5000]),
        ([*OVERLAP, "--ties", "dense"], [1.6825, 1.5937, 1.4667]),
        ([*OVERLAP, "--ties", "average"], [2.1206, 2.0317, 1.8476]),
        ([*OVERLAP, "--ties", "competition"], [1.6825, 1.5937, 1.8095]),
    ],
)
def test_mean_ranks_of_the_official_scores(official, options, expected, tmp_path):
    """The published ranker's numbers, and what other tie rules make of the same scores."""
    result = rank_files(tmp_path, official, *options)
    assert [round(v, 4) for v in result["ranking"]["mean_rank"].values()] == expected


def test_differences_of_the_official_scores(official, tmp_path):
    """Component removal changes 11 of 35 cases, so that its tests are exact."""
    result = rank_files(tmp_path, official, *OVERLAP)
    scores = [round(v, 5) for v in result["ranking"]["mean_score"].values()]
    assert scores == [0.77111, 0.77163, 0.77176]
    removal, final = (
        [compared(result, row, pair) for row in (MEAN_SCORE, MEAN_RANK)] for pair in (0, 1)
    )
    assert removal[0]["n_better"] + removal[0]["n_worse"] == 11
    assert [round(row["p"], 4) for row in removal] == [0.0088, 0.2012]
    assert [row["p"] for row in final] == [pytest.approx(0.126, abs=0.01)] * 2
    assert removal[0]["p_holm"] == pytest.approx(3 * removal[0]["p"])
    assert final[0]["low"] < 0 < final[0]["high"]
    assert "2_model_PPcc__9754422 is better than 1_model" in result["pairs"][0]["sentence"]
    assert "no difference shown" in result["pairs"][1]["sentence"]


def test_summary_rows_are_ranked_but_are_no_cases(tmp_path):
    """a leads in both cases and by the mean; b by std, which is ranked as if more were better."""
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path, values in zip(paths, ([0.9, 0.8, 0.85, 0.07], [0.8, 0.6, 0.7, 0.14]), strict=True):
        names = ("case1", "case2", "mean", "std")
        rows = [f"{name},{value}" for name, value in zip(names, values, strict=True)]
        path.write_text("\n".join(["scan_id,LesionWise_Dice_WT", *rows]))
    plain = rank_files(tmp_path, paths)
    assert (plain["cases"], plain["summary_rows"]) == (2, 0)
    assert plain["ranking"]["mean_rank"] == {"a": 1, "b": 2}
    result = rank_files(tmp_path, paths, "--summary-rows")
    assert (result["cases"], result["summary_rows"]) == (2, 2)
    assert result["ranking"]["mean_rank"] == {"a": 1.25, "b": 1.75}
    assert list(result["ranking"]["mean_rank_of_case"]) == ["case1", "case2"]
    assert result["ranking"]["mean_score"] == pytest.approx({"a": 0.85, "b": 0.7})
    assert result["pairs"] == plain["pairs"]


def test_a_small_cohort_by_hand(tmp_path):
    """b leads in c0 and c1 by 0.1, ties in c2 and c3, and its 95th percentile is 1 mm further."""
    result = rank(
        tmp_path,
        {
            "a": columns(dice=[0.5, 0.6, 0.7, 0.8], hd95=[4.0, 5, 6, 7]),
            "b": columns(dice=[0.6, 0.7, 0.7, 0.8], hd95=[5.0, 6, 7, 8]),
        },
    )
    # Dice: a (2 2 1.5 1.5), b (1 1 1.5 1.5); HD95, lower is better: a 1, b 2 everywhere.
    assert result["ranking"]["mean_rank"] == {"a": 1.375, "b": 1.625}
    assert result["ranking"]["place"] == {"a": 1, "b": 2}
    assert result["ranking"]["mean_score"] == pytest.approx({"a": 0.65, "b": 0.7})
    assert result["position_of_means"]["mean_position"] == {"a": 1.5, "b": 1.5}
    score, distance = compared(result, MEAN_SCORE), compared(result, "hd95 WT")
    assert score["difference"] == pytest.approx(0.05)
    # Of the signs of two equal gains half are as far from 0; of those of four, 2 in 16.
    assert [score["p"], distance["p"]] == [0.5, 0.125]
    assert [score[k] for k in ("n", "n_better", "n_worse")] == [4, 2, 0]
    assert [distance[k] for k in ("difference", "low", "high", "n_worse")] == [1, 1, 1, 4]
    # In c0 and c1 both rank 1.5 over the two metrics, in c2 and c3 a is half a rank ahead.
    assert compared(result, MEAN_RANK)["difference"] == pytest.approx(0.25)


def test_regions_count_the_same_however_many_metrics_they_have(tmp_path):
    def system(wt: float, et: float) -> dict:
        return {
            c: {"WT": {"dice": wt, "nsd_1.0": wt, "hd95": -wt}, "ET": {"dice": et}} for c in "xy"
        }

    result = rank(tmp_path, {"a": system(0.9, 0.1), "b": system(0.8, 0.2)})
    assert result["ranking"]["mean_rank"] == {"a": 1.5, "b": 1.5}
    assert result["ranking"]["mean_rank_of_region"]["WT"] == {"a": 1, "b": 2}
    assert result["ranking"]["mean_score"] == pytest.approx({"a": 0.5, "b": 0.5})
    assert compared(result, MEAN_SCORE)["difference"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("by-cause", [5 / 3, 4 / 3]),
        ("worst", [5 / 3, 4 / 3]),
        ("best", [4 / 3, 5 / 3]),
        ("tie", [1.5, 1.5]),
    ],
)
def test_nan_counts_as_declared_and_the_output_says_so(rule, expected, tmp_path, capsys):
    """NaN for a only in c0, for both in c1, for neither in c2, where they are equal."""
    systems = {"a": columns(dice=[NAN, NAN, 0.5]), "b": columns(dice=[0.0, NAN, 0.5])}
    result = rank(tmp_path, systems, "--nan", rule)
    assert list(result["ranking"]["mean_rank"].values()) == pytest.approx(expected)
    assert result["nan_cells"] == {"any": 2, "some_but_not_all": 1}
    assert compared(result, MEAN_SCORE)["n"] == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert f"NaN: {rule}" in printed
    assert "Here: 2 of 3 cells (case x column), 1 of them for some systems only" in printed


def test_a_mean_of_nothing_is_the_worst_whatever_nan_means_in_a_case(tmp_path):
    systems = {"a": columns(dice=[NAN, NAN]), "b": columns(dice=[0.1, 0.1])}
    result = rank(tmp_path, systems, "--nan", "best")
    assert result["ranking"]["mean_rank"] == {"a": 1, "b": 2}
    assert result["position_of_means"]["mean_position"] == {"a": 2, "b": 1}


def test_the_same_ranks_in_another_order_are_equal(tmp_path):
    """Over seven metrics a's ranks are 1 1 1 1.5 2 2 2 and b's 2 2 2 1.5 1 1 1."""
    names = ("dice", "iou", "precision", "recall", "rq", "nsd_0.5", "nsd_1.0")
    a = columns(**dict(zip(names, [[v, v] for v in (3, 3, 3, 2, 1, 1, 1)], strict=True)))
    b = columns(**dict(zip(names, [[v, v] for v in (1, 1, 1, 2, 3, 3, 3)], strict=True)))
    row = compared(rank(tmp_path, {"a": a, "b": b}, "--metrics", *names), MEAN_RANK)
    assert [row[k] for k in ("difference", "n_better", "n_worse", "p")] == [0, 0, 0, 1]


def test_infinite_distances_rank_but_have_no_interval(tmp_path):
    systems = {"a": columns(hd95=[INF, 2.0, INF]), "b": columns(hd95=[9.0, 3.0, INF])}
    result = rank(tmp_path, systems)
    assert result["ranking"]["mean_rank"] == {"a": 1.5, "b": 1.5}
    assert result["ranking"]["mean_score"] is None
    row = compared(result, "hd95 WT")
    assert row["difference"] == -INF
    assert [row[k] for k in ("low", "high", "p")] == [None] * 3
    assert [row[k] for k in ("n", "n_better", "n_worse")] == [3, 1, 1]


def test_volume_rmse_is_one_more_position(tmp_path):
    """As PANTHER ranks: a leads by Dice, b by HD95 and volume."""
    paths = [
        write_results(
            tmp_path / f"{name}.json",
            columns(dice=[dice, dice], hd95=[hd95, hd95]),
            extra={"WT": {"volume_rmse_mm3": {"value": rmse, "n": 2}}},
        )
        for name, dice, hd95, rmse in (("a", 0.9, 8.0, 70.0), ("b", 0.8, 7.0, 60.0))
    ]
    result = rank_files(tmp_path, paths)
    positions = result["position_of_means"]
    assert positions["mean_position"] == pytest.approx({"a": 5 / 3, "b": 4 / 3})
    assert positions["columns"][-1]["mean"] == {"a": 70, "b": 60}
    assert result["ranking"]["mean_rank"] == {"a": 1.5, "b": 1.5}


def test_means_of_a_pair_are_over_what_both_have(tmp_path):
    systems = {
        "a": columns(dice=[0.5, 0.75, 0.25], hd95=[4.0, 2.0, NAN]),
        "b": columns(dice=[0.75, NAN, 0.5], hd95=[2.0, 3.0, 9.0]),
    }
    result = rank(tmp_path, systems, "--metrics", "dice", "hd95")
    expected = {"mean score": (0.375, 0.625), "dice WT": (0.375, 0.625), "hd95 WT": (3.0, 2.5)}
    for what, means in expected.items():
        row = compared(result, what)
        assert (row["first"], row["second"]) == pytest.approx(means)
        assert row["difference"] == pytest.approx(means[1] - means[0])
    ranks = compared(result, "mean rank")
    assert ranks["difference"] == pytest.approx(ranks["second"] - ranks["first"])


def test_a_third_system_changes_no_pair_but_its_rank_among_all(tmp_path):
    rng = np.random.default_rng(0)
    systems = {name: columns(dice=list(rng.random(15))) for name in "abc"}
    two = rank(tmp_path, {name: systems[name] for name in "ab"})
    three = rank(tmp_path, systems)
    for what in (MEAN_SCORE, MEAN_RANK, "dice WT"):
        assert compared(three, what) | {"p_holm": 0} == compared(two, what) | {"p_holm": 0}
    means = three["ranking"]["mean_rank"]
    assert compared(three, RANK_AMONG_ALL)["difference"] == pytest.approx(means["b"] - means["a"])
    assert RANK_AMONG_ALL not in {row["what"] for row in two["pairs"][0]["comparisons"]}


def test_the_order_of_files_and_cases_changes_nothing(tmp_path):
    rng = np.random.default_rng(1)
    systems = {name: columns(dice=list(rng.random(16)), hd95=list(rng.random(16))) for name in "ab"}
    turned = {name: dict(reversed(systems[name].items())) for name in "ba"}
    there, back = rank(tmp_path, systems), rank(tmp_path, turned)
    assert there["ranking"]["mean_rank"] == back["ranking"]["mean_rank"]
    for what in (MEAN_SCORE, MEAN_RANK, "hd95 WT"):
        first, second = compared(there, what), compared(back, what)
        assert first["p"] == second["p"]
        assert first["low"] == pytest.approx(-second["high"])
        assert first["n_better"] == second["n_worse"]


def test_a_region_that_is_both_absent_ranks_before_a_false_one(tmp_path):
    """`right` sees that k has no cavity; `wrong` predicts one, and cannot be scored in m."""
    labels, facts = {"RC": 4}, {}
    for name, false_voxels in (("right", 0), ("wrong", 7)):
        table = np.array([[90 - false_voxels, false_voxels], [0, 0]])
        facts[name] = {"k": Facts("p", "r", 1.0, table, {})}
    cases = {
        "right": {"k": {"RC": {"dice": NAN}}, "m": {"RC": {"dice": 0.1}}},
        "wrong": {"k": {"RC": {"dice": 0.0}}, "m": {"RC": {"dice": NAN}}},
    }
    paths = []
    for name in cases:
        results = Results("2026-gli", cases[name], labels, {"RC": ("RC",)}, facts=facts[name])
        paths.append(tmp_path / f"{name}.json")
        write_json(results, paths[-1])
    assert rank_files(tmp_path, paths)["ranking"]["mean_rank"] == {"right": 1, "wrong": 2}
    swapped = rank_files(tmp_path, paths, "--nan", "worst")["ranking"]["mean_rank"]
    assert swapped == {"right": 1.5, "wrong": 1.5}
