"""Groups of cases in a report: the scores of each, and what `rank --groups` says of the change."""

import json
from pathlib import Path

import pytest

from lab.__main__ import main
from lab.drawing.page import difference, number
from lab.evaluation.case_groups import Grouping, for_cases
from lab.evaluation.results import Results, write_json

SITES = "case,site\n" + "".join(f"c{i:02},{'Ulm' if i < 8 else 'Bern'}\n" for i in range(12))
# 0.1 better in Ulm, and 0.1 worse in Bern, which has four cases.
BEFORE = [0.5 + 0.01 * i for i in range(12)]
AFTER = [value + (0.1 if i < 8 else -0.1) for i, value in enumerate(BEFORE)]


def write_scores(path: Path, values: list[float]) -> Path:
    cases = {f"c{i:02}": {"WT": {"dice": value}} for i, value in enumerate(values)}
    write_json(Results("2025-ssa", cases), path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_scores(tmp_path / "after.json", AFTER)
    write_scores(tmp_path / "before.json", BEFORE)
    (tmp_path / "sites.csv").write_text(SITES)
    return tmp_path


def report(folder: Path, *options: str) -> dict[str, str]:
    page, words = folder / "report.html", ["report", str(folder / "after.json"), "--html"]
    assert main([*words, str(page), "--groups", str(folder / "sites.csv"), *options]) == 0
    return {e: page.with_suffix(f".{e}").read_text() for e in ("html", "json", "md")}


def test_every_group_has_its_scores_on_the_page_and_beside_it(folder):
    written = report(folder)
    (table,) = json.loads(written["json"])["groups"]["tables"]
    assert [(row["group"], row["n"]) for row in table["rows"]] == [("Bern", 4), ("Ulm", 8)]
    means = [row["regions"]["WT"]["value"] for row in table["rows"]]
    assert means == pytest.approx([sum(AFTER[8:]) / 4, sum(AFTER[:8]) / 8])
    for page in (written["html"], written["md"]):
        assert "Groups of cases" in page
        for mean in means:
            assert number(mean) in page


def test_a_comparison_says_of_each_group_what_rank_says(folder, capsys):
    written = report(folder, "--compare", str(folder / "before.json"))
    printed = capsys.readouterr().out
    groups = json.loads(written["json"])["changes"][0]["groups"]
    bern, ulm = groups["tables"][0]["rows"]
    assert groups["what"] == "mean score"
    assert (ulm["gain"]["verdict"], bern["gain"]["verdict"]) == ("better", "too few cases")
    assert (ulm["before"], ulm["after"]) == pytest.approx((sum(BEFORE[:8]) / 8, sum(AFTER[:8]) / 8))
    for page in (written["html"], written["md"]):
        assert difference(ulm["gain"]["gain"]) in page
        assert "too few cases" in page
    numbers = folder / "rank.json"
    files = [str(folder / f"{name}.json") for name in ("before", "after")]
    words = ["rank", *files, "--groups", str(folder / "sites.csv"), "--out", str(numbers)]
    assert main(words) == 0
    of_rank = json.loads(numbers.read_text())["subgroups"]
    assert [row["gains"][0] for row in of_rank] == [bern["gain"], ulm["gain"]]
    table = printed[printed.index("SUBGROUPS") : printed.rindex("tau")]
    assert table in capsys.readouterr().out


def test_a_gain_within_the_seeds_is_marked(folder):
    seed = write_scores(folder / "seed.json", [value + 0.2 for value in BEFORE])
    compare = ("--compare", str(folder / "before.json"), "--seed-floor", str(seed))
    written = report(folder, *compare)
    assert "better, within seeds" in written["html"]
    assert "better, within seeds" in written["md"]


def test_cases_that_only_one_file_has_are_in_no_compared_group(folder):
    write_scores(folder / "before.json", BEFORE[:8])
    written = report(folder, "--compare", str(folder / "before.json"))
    content = json.loads(written["json"])
    (row,) = content["changes"][0]["groups"]["tables"][0]["rows"]
    assert (row["group"], row["n"]) == ("Ulm", 8)
    assert [row["group"] for row in content["groups"]["tables"][0]["rows"]] == ["Bern", "Ulm"]


def test_without_a_table_there_are_no_groups(folder):
    page = folder / "plain.html"
    assert main(["report", str(folder / "after.json"), "--html", str(page)]) == 0
    assert "Groups of cases" not in page.read_text()
    assert json.loads(page.with_suffix(".json").read_text())["groups"]["tables"] == []


def test_a_table_of_other_cases_is_refused_by_name(folder, capsys):
    (folder / "sites.csv").write_text("case,site\nx,Ulm\ny,Ulm\n")
    words = ["report", str(folder / "after.json"), "--html", str(folder / "report.html")]
    assert main([*words, "--groups", str(folder / "sites.csv")]) == 2
    assert "sites.csv: no row of any scored case (c00, c01" in capsys.readouterr().err


def test_a_grouping_holds_for_other_cases_by_their_ids():
    grouping = Grouping("site", {"Ulm": (0, 1), "Bern": (2,)}, ("d",))
    other = for_cases(grouping, ["a", "b", "c", "d"], ["d", "b", "x"])
    assert other == Grouping("site", {"Ulm": (1,)}, ("d",))
