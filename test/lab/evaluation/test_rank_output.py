"""`lab rank` prints how to read it and what it left out; what cannot be ranked is named."""

import pytest
from ranker import columns, compared, rank, rank_files, write_results

from lab.__main__ import main
from lab.evaluation.pair import MEAN_SCORE


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
        paths.append(write_results(tmp_path / f"{name}.json", cases, scorer="2026-goat"))
    result = rank_files(tmp_path, paths)
    assert result["ranking"]["place"] == {"a": 1, "b": 2}
    assert result["ranked_by"] == ["global_dice", "global_nsd_1.0"]
    assert result["not_ranked"] == ["dice"]
    out = " ".join(capsys.readouterr().out.split())
    assert "the organisers of 2026-goat rank by: global_dice, global_nsd_1.0." in out
    assert "Reported, not ranked: dice." in out


def test_cases_left_out_are_named_on_stderr(tmp_path, capsys):
    systems = {"a": columns(dice=[0.1, 0.2, 0.3]), "b": columns(dice=[0.1, 0.2])}
    assert rank(tmp_path, systems)["cases"] == 2
    assert "a.json: c2 not in every file, left out" in capsys.readouterr().err
    assert main(["rank", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--strict"]) == 2


def test_files_without_a_common_case_name_what_each_has(tmp_path, capsys):
    for name, ids in (("a", ("x", "y")), ("b", ("u", "v"))):
        cases = {id: {"WT": {"dice": 0.5}} for id in ids}
        write_results(tmp_path / f"{name}.json", cases)
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
        write_results(tmp_path / f"{name}.json", columns(dice=[0.1, 0.2]))
    assert main(["rank", "a.json", "b.json", *options]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
