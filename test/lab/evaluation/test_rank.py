"""`python -m lab rank`: by hand on small cohorts, and as published on the official numbers."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from challenge.provenance import Provenance
from lab.__main__ import main
from lab.evaluation.number_text import letter
from lab.evaluation.pair import MEAN_RANK, MEAN_SCORE, RANK_AMONG_ALL, Pair, PairedDifference
from lab.evaluation.pair_text import sentence
from lab.evaluation.results import Facts, Results, write_json

NAN, INF = math.nan, math.inf
OVERLAP = ("--metrics", "dice", "nsd_0.5", "nsd_1.0")


def write(path: Path, cases: dict, **more) -> Path:
    write_json(Results(**{"scorer": "2025-ssa", "cases": cases} | more), path)
    return path


def columns(**metrics: list[float]) -> dict:
    """Cases c0, c1, ... whose WT has these metrics."""
    rows = zip(*metrics.values(), strict=True)
    return {f"c{i}": {"WT": dict(zip(metrics, row, strict=True))} for i, row in enumerate(rows)}


def rank(tmp_path: Path, systems: dict[str, dict], *options: str) -> dict:
    """Write the systems' cases, rank them, and return the JSON."""
    paths = [write(tmp_path / f"{name}.json", cases) for name, cases in systems.items()]
    return rank_files(tmp_path, paths, *options)


def rank_files(tmp_path: Path, paths: list[Path], *options: str) -> dict:
    out = tmp_path / "out.json"
    assert main(["rank", *map(str, paths), *options, "--out", str(out)]) == 0
    return json.loads(out.read_text(), parse_constant=pytest.fail)


def compared(result: dict, what: str, pair: int = 0) -> dict:
    return next(row for row in result["pairs"][pair]["comparisons"] if row["what"] == what)


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
        write(
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


def test_the_same_scores_twice_show_nothing(tmp_path, capsys):
    result = rank(tmp_path, {"a": columns(dice=[0.1, 0.2]), "b": columns(dice=[0.1, 0.2])})
    assert result["ranking"]["place"] == {"a": 1, "b": 1}
    assert compared(result, MEAN_SCORE)["p"] == 1
    assert "b against a: no difference shown" in capsys.readouterr().out


def test_what_is_printed_says_how_to_read_it(tmp_path, capsys):
    systems = {"plain": columns(dice=[0.5] * 8, hd95=[3.0] * 8)}
    systems["better"] = columns(dice=[0.6] * 8, hd95=[2.0] * 8)
    rank(tmp_path, systems, "--ties", "competition", "--seed", "7")
    out = capsys.readouterr().out
    printed = " ".join(out.split())
    for message in (
        "2 systems, scorer 2025-ssa, n = 8 cases",
        "Higher is better: dice. Lower is better: hd95.",
        "Ties: competition",
        "10000 resamples",
        "Seed 7",
        "B - A: better minus plain",
        "better is better than plain: mean score +0.1000 [+0.1000, +0.1000], p = 0.0078; "
        "mean rank -1.0000",
    ):
        assert message in printed
    assert [line.split() for line in out.splitlines() if line.startswith("hd95")] == [
        ["hd95", "WT", "lower", "3.0000", "(2)", "2.0000", "(1)"],
        ["hd95", "WT", "lower", "-1.0000", "[-1.0000,", "-1.0000]", "0.0078", "8", "8", "0"],
    ]


def test_cases_left_out_are_named_on_stderr(tmp_path, capsys):
    systems = {"a": columns(dice=[0.1, 0.2, 0.3]), "b": columns(dice=[0.1, 0.2])}
    assert rank(tmp_path, systems)["cases"] == 2
    assert "a.json: c2 not in every file, left out" in capsys.readouterr().err
    assert main(["rank", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--strict"]) == 2


def test_files_without_a_common_case_name_what_each_has(tmp_path, capsys):
    for name, ids in (("a", ("x", "y")), ("b", ("u", "v"))):
        cases = {id: {"WT": {"dice": 0.5}} for id in ids}
        write(tmp_path / f"{name}.json", cases)
    assert main(["rank", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 2
    assert capsys.readouterr().err == (
        f"0 case in all of a, b, but a ranking needs two: {tmp_path / 'a.json'} has 2 (x, y); "
        f"{tmp_path / 'b.json'} has 2 (u, v)\n"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["missing.json"], "missing.json: not a result file"),
        (["--metrics", "beauty"], "metric beauty: not known"),
        (["--published", "--ties", "average"], "--published sets --ties"),
        (["--summary-rows"], "no summary row"),
        (["--out", "a.json/out.json"], "a.json: this folder cannot be made (File exists)"),
        (["--out", "folder"], "folder: is a folder"),
        (["--out", "a.json"], "a.json: is one of the result files"),
    ],
)
def test_wrong_usage_is_named_and_2(options, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name in "ab":
        write(tmp_path / f"{name}.json", columns(dice=[0.1, 0.2]))
    assert main(["rank", "a.json", "b.json", *options]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def row(what: str, difference: float, p: float) -> PairedDifference:
    better = "lower" if what == MEAN_RANK else "higher"
    means = (1.0, 1.0 + difference)
    interval = (difference - 0.1, difference + 0.2)
    return PairedDifference(what, better, *means, difference, *interval, p, p, 9, 5, 4)


@pytest.mark.parametrize(
    ("score", "rank", "message"),
    [
        ((0.3, 0.01), (-0.4, 0.02), "b is better than a: mean score +0.3000 [+0.2000, +0.5000], p"),
        ((-0.3, 0.01), (0.4, 0.02), "a is better than b: mean score +0.3000 [+0.1000, +0.4000], p"),
        (
            (-0.3, 0.01),
            (0.4, 0.20),
            "a is better than b: mean score +0.3000 [+0.1000, +0.4000], "
            "p = 0.0100; not shown by mean rank -0.4000",
        ),
        ((0.3, 0.01), (0.4, 0.02), "b against a: score and rank contradict each other; mean score"),
        ((0.3, 0.06), (-0.4, 0.05), "b against a: no difference shown; mean score +0.3000"),
        ((NAN, NAN), (-0.4, 0.05), "b against a: no difference shown; mean score -, not tested;"),
    ],
)
def test_the_sentence_says_what_is_shown(score, rank, message):
    pair = Pair("a", "b", (row(MEAN_SCORE, *score), row(MEAN_RANK, *rank)))
    assert sentence(pair).startswith(message)


def test_a_difference_must_be_shown_after_the_adjustment():
    output = row(MEAN_SCORE, 0.3, 0.01)
    assert sentence(Pair("a", "b", (output,))).startswith("b is better than a")
    adjusted = replace(output, p_holm=0.06)
    assert sentence(Pair("a", "b", (adjusted,))) == (
        "b against a: no difference shown; mean score +0.3000 [+0.2000, +0.5000], "
        "p = 0.0100 (Holm 0.0600)."
    )


def test_letters_do_not_run_out():
    assert [letter(i) for i in (0, 25, 26, 53)] == ["A", "Z", "A2", "B3"]


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


def test_goat_is_ranked_by_whole_masks_and_says_so(tmp_path, capsys):
    """Better in what ranks, worse in what is only reported: first all the same."""
    better = {"dice": [0.1, 0.1], "global_dice": [0.9, 0.9], "global_nsd_1.0": [0.9, 0.9]}
    worse = {"dice": [0.9, 0.9], "global_dice": [0.8, 0.8], "global_nsd_1.0": [0.8, 0.8]}
    paths = []
    for name, result in (("a", better), ("b", worse)):
        cases = {
            f"c{i}": {"WT": {metric: values[i] for metric, values in result.items()}}
            for i in range(2)
        }
        paths.append(write(tmp_path / f"{name}.json", cases, scorer="2026-goat"))
    result = rank_files(tmp_path, paths)
    assert result["ranking"]["place"] == {"a": 1, "b": 2}
    assert result["ranked_by"] == ["global_dice", "global_nsd_1.0"]
    assert result["not_ranked"] == ["dice"]
    out = " ".join(capsys.readouterr().out.split())
    assert "the organisers of 2026-goat rank by: global_dice, global_nsd_1.0." in out
    assert "Reported, not ranked: dice." in out


# Systems that are scored on the cases that they were fitted on


def refined(state: str, **facts: int) -> Provenance:
    """Return the record of scores of label maps in a held-out state."""
    maps = Provenance("label maps", "refined", "0" * 64, facts={"held_out": state, **facts})
    return Provenance("scores", "b.json", "", verb="evaluate", inputs={"predictions": maps})


def test_rules_fitted_on_the_cases_that_are_scored_show_nothing(tmp_path, capsys):
    low = columns(dice=[0.5 + 0.01 * i for i in range(12)])
    high = columns(dice=[0.6 + 0.01 * i for i in range(12)])
    record = refined("in-sample", training_cases=12, cases=12)
    plain, better = write(tmp_path / "plain.json", low), tmp_path / "refined.json"
    write(better, high, provenance=record)
    out = tmp_path / "out.json"
    words = "refined is refined by rules that were fitted on 12 of its 12 cases"
    assert main(["rank", str(plain), str(better), "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert said.out.startswith(f"IN SAMPLE: {words}.")
    assert f"refined against plain: no verdict; {words}." in " ".join(said.out.split())
    assert "is better than" not in said.out
    assert "--in-sample accepts this" in said.err
    content = json.loads(out.read_text())
    assert content["in_sample"] == {
        "refined": "refined by rules that were fitted on 12 of its 12 cases"
    }
    assert "no verdict" in content["pairs"][0]["sentence"]
    assert main(["rank", str(plain), str(better), "--in-sample"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("IN SAMPLE: refined is refined")
    assert "refined is better than plain: mean score +0.1000" in " ".join(said.out.split())


@pytest.mark.parametrize("state", ["held-out", "unknown", None])
def test_held_out_maps_and_those_of_unknown_origin_are_compared(tmp_path, capsys, state):
    more = {"provenance": refined(state, training_cases=0, cases=12)} if state else {}
    plain = write(tmp_path / "plain.json", columns(dice=[0.5 + 0.01 * i for i in range(12)]))
    other = write(tmp_path / "b.json", columns(dice=[0.6 + 0.01 * i for i in range(12)]), **more)
    assert main(["rank", str(plain), str(other)]) == 0
    said = capsys.readouterr().out
    assert "IN SAMPLE" not in said
    assert "b is better than plain" in said


def test_a_third_system_in_sample_takes_no_verdict_from_the_other_two(tmp_path, capsys):
    record = refined("in-sample")
    paths = [
        write(tmp_path / "a.json", columns(dice=[0.5 + 0.01 * i for i in range(12)])),
        write(tmp_path / "b.json", columns(dice=[0.6 + 0.01 * i for i in range(12)])),
        write(tmp_path / "c.json", columns(dice=[0.7] * 12), provenance=record),
    ]
    assert main(["rank", *map(str, paths)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "b is better than a" in said
    assert said.count("no verdict; c is made with what was fitted on its cases.") == 2
