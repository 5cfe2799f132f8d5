"""What `python -m lab rank` says of a gain: its denominator, its seeds, and how sure it is."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from lab.__main__ import main
from lab.evaluation.results import Facts, Results, write_json

NAN = math.nan
EMPTY, CASES = 18, 60  # cases whose reference has no ET


def facts(reference: int, predicted: int, both: int = 0) -> Facts:
    table = np.array([[10_000 - predicted, predicted], [reference, both]])
    return Facts("p", "r", 1.0, table, {})


def system(path: Path, false_voxels: int, loss: float, nothing: float) -> Path:
    """Write ET scores; the first cases have no ET, where false voxels are 0 and none `nothing`."""
    cases, counts = {}, {}
    for i in range(CASES):
        id = f"c{i:02}"
        dice = 0.8 + 0.001 * i - loss * (i % 3)
        if i < EMPTY:
            dice = 0.0 if false_voxels else nothing
        cases[id] = {"ET": {"dice": dice}}
        counts[id] = facts(0, false_voxels) if i < EMPTY else facts(9, 0, 50)
    results = Results("2025-ssa", cases, {"ET": 3}, {"ET": ("ET",)}, facts=counts)
    write_json(results, path)
    return path


def rank(tmp_path: Path, paths: list[Path], *options: str) -> dict:
    out = tmp_path / "out.json"
    assert main(["rank", *map(str, paths), *options, "--out", str(out)]) == 0
    return json.loads(out.read_text(), parse_constant=pytest.fail)


@pytest.fixture
def filtered(tmp_path) -> list[Path]:
    """A filter that empties 18 regions, which count 1 by convention, and loses 0.005 elsewhere."""
    plain = system(tmp_path / "plain.json", 20, 0.0, 1.0)
    return [plain, system(tmp_path / "filter.json", 0, 0.005, 1.0)]


def test_a_gain_of_the_denominator_gets_no_verdict(filtered, tmp_path, capsys) -> None:
    result = rank(tmp_path, filtered)
    pair = result["pairs"][0]
    row = next(row for row in pair["comparisons"] if row["what"] == "mean score")
    assert row["difference"] > 0.29
    assert row["p_holm"] < 0.05
    assert pair["withheld"] == ["filter"]
    support = pair["support"]["dice ET"]
    assert support["official"] == pytest.approx(row["difference"])
    assert support["difference"] == pytest.approx(-0.005)
    assert support["high"] < 0
    assert (support["n_first"], support["n_second"], support["n"]) == (CASES, CASES, 42)
    assert support["left"] == [f"c{i:02}" for i in range(EMPTY)]
    said = " ".join(capsys.readouterr().out.split())
    assert 'filter against plain: no verdict "better" for filter; over the 42 cases' in said
    assert "18 cases have a score of plain only: c00, c01, c02, c03, c04 and 13 more" in said
    assert "THE MEANS GAIN, COMMON SUPPORT LOSES." in said
    assert "filter is better than" not in said
    assert said.count("No verdict: filter over plain, which scores better where both") == 2


def test_the_page_withholds_the_verdict_beside_maps_and_differences(filtered, tmp_path) -> None:
    html = tmp_path / "rank.html"
    rank(tmp_path, filtered, "--html", str(html), "--rankings", "20")
    page = html.read_text()
    assert "No verdict: filter over plain, which scores better where both have a score" in page
    assert 'B − A <b class="alarm">no verdict</b>' in page
    assert '<b class="alarm">turned</b>' in page
    assert "18 of A only" in page


def test_the_order_of_the_files_gives_no_other_verdict(filtered, tmp_path, capsys) -> None:
    pair = rank(tmp_path, filtered[::-1])["pairs"][0]
    assert pair["withheld"] == ["filter"]
    assert pair["support"]["dice ET"]["entered"] == [f"c{i:02}" for i in range(EMPTY)]
    said = " ".join(capsys.readouterr().out.split())
    assert 'plain against filter: no verdict "better" for filter; over the 42 cases' in said
    assert "lower than that of plain, -0.0050" in said


def test_zeros_that_become_undefined_do_not_rank_a_loser_first_in_words(tmp_path, capsys) -> None:
    """As since 2026: the mean of the filter rises, and it loses where both have a score."""
    paths = [
        system(tmp_path / "plain.json", 20, 0.0, NAN),
        system(tmp_path / "filter.json", 0, 0.005, NAN),
    ]
    result = rank(tmp_path, paths, "--nan", "worst")
    means = result["position_of_means"]["columns"][0]
    assert means["mean"]["filter"] > means["mean"]["plain"]
    assert "plain is better than filter: mean score +0.0050" in result["pairs"][0]["sentence"]
    said = " ".join(capsys.readouterr().out.split())
    assert "Not the same cases count for all systems: dice ET (42 to 60 of 60); see PAIRS." in said


def test_a_filter_that_loses_nothing_is_better(tmp_path, capsys) -> None:
    plain = system(tmp_path / "plain.json", 20, 0.0, 1.0)
    better = system(tmp_path / "filter.json", 0, 0.0, 1.0)
    pair = rank(tmp_path, [plain, better])["pairs"][0]
    assert pair["withheld"] == []
    assert "filter is better than plain" in pair["sentence"]


def test_systems_with_scores_of_the_same_cases_have_nothing_beside(tmp_path, capsys) -> None:
    paths = [
        system(tmp_path / f"{name}.json", 20, loss, 1.0)
        for name, loss in zip("ab", (0, 0.1), strict=True)
    ]
    assert rank(tmp_path, paths)["pairs"][0]["support"] == {}
    assert "common support," not in capsys.readouterr().out


def test_a_difference_below_the_seeds_is_said_to_be(tmp_path, capsys) -> None:
    plain = system(tmp_path / "plain.json", 20, 0.0, 1.0)
    other = system(tmp_path / "b.json", 20, 0.002, 1.0)
    seed = system(tmp_path / "seed2.json", 20, 0.01, 1.0)
    result = rank(tmp_path, [plain, other], "--seed-floor", str(seed))
    floor = result["seed_floor"]["mean score"]
    # A third each of 0, 0.01 and 0.02 in 42 of 60 cases.
    assert floor["value"] == pytest.approx(0.01 * 42 / 60)
    assert (floor["seeds"], floor["cases"]) == (2, CASES)
    assert "mean score" in result["pairs"][0]["below_seed_floor"]
    said = " ".join(capsys.readouterr().out.split())
    assert "Floor: the largest difference between 2 seeds of plain, over 60 cases." in said
    assert "no larger than between 2 seeds (0.0070)" in said
    assert "<= 0.0070" in said


def test_a_seed_that_is_the_system_itself_is_refused(tmp_path, capsys) -> None:
    paths = [system(tmp_path / f"{name}.json", 20, 0.0, 1.0) for name in "ab"]
    assert main(["rank", *map(str, paths), "--seed-floor", str(paths[0])]) == 2
    assert "a.json: given twice, or is the first system" in capsys.readouterr().err


def test_stability_significance_and_tiers_of_three(tmp_path, capsys) -> None:
    """c is behind in every case that has ET; a and b are equal."""
    paths = [
        system(tmp_path / f"{name}.json", 20, loss, 1.0)
        for name, loss in (("a", 0.0), ("b", 0.0), ("c", 0.1))
    ]
    result = rank(tmp_path, paths, "--rankings", "200")
    methods = {each["method"]: each for each in result["stability"]}
    assert list(methods) == ["mean rank", "position of means", "significant wins"]
    for each in methods.values():
        assert each["place"] == {"a": 1, "b": 1, "c": 3}
        assert each["first"] == {"a": 1, "b": 1, "c": 0}
        assert each["share_of_place"]["c"] == [0, 0, 1]
        assert each["kendall_tau_b"]["quantiles"]["0.5"] == 1
    tests = result["significance"]
    assert tests["wins"] == tests["wins_holm"] == {"a": 1, "b": 1, "c": 0}
    assert tests["p"]["a"]["a"] is None
    assert result["tiers"]["tier"] == {"a": 1, "b": 1, "c": 2}
    said = " ".join(capsys.readouterr().out.split())
    assert "STABILITY: 200 bootstrap samples of the 60 cases" in said
    assert "tier 1: A a, B b (p = 0.5000)" in said
    assert "tier 2: C c" in said


def test_a_system_in_sample_is_marked_in_the_tiers(tmp_path, capsys) -> None:
    from challenge.provenance import Provenance

    maps = Provenance("label maps", "r", "0" * 64, facts={"held_out": "in-sample"})
    record = Provenance("scores", "b.json", "", verb="evaluate", inputs={"predictions": maps})
    a = system(tmp_path / "a.json", 20, 0.0, 1.0)
    b = tmp_path / "b.json"
    cases = {f"c{i:02}": {"ET": {"dice": 0.9}} for i in range(CASES)}
    write_json(Results("2025-ssa", cases, {"ET": 3}, {"ET": ("ET",)}, provenance=record), b)
    assert main(["rank", str(a), str(b)]) == 1
    assert "tier 1: B  b (in sample)" in capsys.readouterr().out
