"""The page answers first: rank's own numbers, regions, what changed, cases, then the rest."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from report_cases import Outline

from lab.__main__ import main
from lab.drawing.page import signed4
from lab.evaluation.common_support import common_support
from lab.evaluation.pair import MEAN_SCORE, Pair, PairedDifference
from lab.evaluation.results import Results, write_json
from lab.report.answer import p_in_words, verdict

REGIONS = ("WT", "TC", "ET", "NETC", "SNFH", "RC")


def scores(seed, shift=0.0):
    """Return results with all regions of post-treatment glioma, in an order of their own."""
    rng = np.random.default_rng(seed)
    cases = {
        f"case{i:02}": {
            region: {"dice": float(rng.uniform(0.4, 0.7) + shift), "hd95": float(rng.uniform(1, 9))}
            for region in sorted(REGIONS)
        }
        for i in range(12)
    }
    return Results("2024-gli", cases)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Return the page, its numbers, and those of `rank` on the same files."""
    folder = tmp_path_factory.mktemp("answer")
    for name, result in {
        "a": scores(1),
        "b": scores(2, 0.15),
        "a2": scores(3),
        "a3": scores(4),
    }.items():
        write_json(result, folder / f"{name}.json")
    a, b = str(folder / "a.json"), str(folder / "b.json")
    page = folder / "page.html"
    flags = ["--compare", a, "--seed-floor", str(folder / "a2.json"), str(folder / "a3.json")]
    assert main(["report", b, "--html", str(page), *flags]) == 0
    assert main(["rank", a, b, "--out", str(folder / "rank.json")]) == 0
    return {
        "folder": folder,
        "html": page.read_text(),
        "md": page.with_suffix(".md").read_text(),
        "json": json.loads(page.with_suffix(".json").read_text()),
        "rank": json.loads((folder / "rank.json").read_text()),
    }


def test_the_answer_has_the_numbers_of_rank(compared):
    by_rank = {row["what"]: row for row in compared["rank"]["pairs"][0]["comparisons"]}
    change = compared["json"]["changes"][0]
    overall = change["overall"]
    for key, value in by_rank["mean score"].items():
        assert overall[key] == value
    assert overall["rank"] == by_rank["mean rank"]
    means = compared["rank"]["ranking"]["mean_score"]
    assert (overall["first"], overall["second"]) == pytest.approx((means["a"], means["b"]))
    assert overall["in_words"] == compared["rank"]["pairs"][0]["sentence"]
    assert len(change["rows"]) == 2 * len(REGIONS)
    for row in change["rows"]:
        same = by_rank[f"{row['metric']} {row['region']}"]
        assert row["difference"]["value"] == pytest.approx(same["difference"], abs=1e-12)
        assert row["difference"]["low"] == pytest.approx(same["low"], abs=1e-12)
        assert row["difference"]["high"] == pytest.approx(same["high"], abs=1e-12)
        assert (row["p"], row["n"], row["n_better"], row["n_worse"]) == tuple(
            same[key] for key in ("p", "n", "n_better", "n_worse")
        )


def test_a_gain_that_common_support_turns_around_is_no_verdict():
    """b turns a zero into 1 by convention, and loses 0.1 in all other cases."""
    values = np.array([[[0.0, 1.0]], *[[[0.6, 0.5]]] * 9])
    defined = np.ones(values.shape, bool)
    defined[0, 0, 1] = False
    support = common_support(values, defined, 100, 100, 0)[0]
    row = PairedDifference(
        MEAN_SCORE, "higher", 0.54, 0.55, 0.01, 0.005, 0.02, 0.01, 0.01, 10, 1, 9
    )
    pair = Pair("a", "b", (row,), support={MEAN_SCORE: support})
    assert verdict(pair) == "b is not called better: it scores worse where both have a score"
    assert verdict(Pair("a", "b", (row,))) == "b is better than a"


def test_the_page_says_which_cases_left_the_mean(tmp_path):
    """b has no score where a had 0 in six cases, and is a little worse in all the others."""
    for name, zero, other in (("a", 0.0, 0.6), ("b", float("nan"), 0.59)):
        cases = {f"case{i:02}": {"ET": {"dice": zero if i < 6 else other}} for i in range(18)}
        write_json(Results("2026-gli", cases), tmp_path / f"{name}.json")
    html = tmp_path / "page.html"
    words = ["report", str(tmp_path / "b.json"), "--compare", str(tmp_path / "a.json")]
    assert main([*words, "--html", str(html)]) == 0
    change = json.loads(html.with_suffix(".json").read_text())["changes"][0]
    of_score, of_column = change["overall"]["common_support"]
    for line in (of_score, of_column):
        assert "(n = 12)" in line and "is +0.1900" in line and "it is -0.0100" in line
        assert line in html.read_text().replace("&#39;", "'")
    assert of_column.endswith(
        "6 cases have a score of a only: case00, case01, case02, case03, case04 and 1 more."
    )
    assert "b is better" not in change["overall"]["verdict"]


def test_the_page_opens_with_one_sentence_and_one_figure(compared):
    overall = compared["json"]["changes"][0]["overall"]
    sentence = (
        f"overall score {overall['second']:.4f} against {overall['first']:.4f}, difference "
        f"{signed4(overall['difference'])} (95 % interval {signed4(overall['low'])} to "
        f"{signed4(overall['high'])}, {p_in_words(overall['p'])}), over 12 common cases."
    )
    assert overall["verdict"] == "b is better than a"
    body = compared["html"][compared["html"].index("<body>") :]
    text = re.sub(r"<figure>", " FIGURE ", body)
    text = " ".join(re.sub(r"<[^>]*>", " ", text).replace("&lt;", "<").split())
    assert re.search(r"b is better than a\s*: " + re.escape(sentence), text)
    start = text.index("b is better than a")
    assert "12 cases, scorer 2024-gli" in text[:start]  # and nothing else stands above it
    assert len(text[:start]) < 100
    assert "b is better than a" in compared["md"].split("## ")[0]
    first_figure = text.index("FIGURE")
    assert start < first_figure < text.index("Regions")
    assert text.count("FIGURE", 0, text.index("What changed")) == 1
    for label in ("overall score", *(f"{region} lesion-wise Dice" for region in REGIONS)):
        assert f"{label}</text>" in compared["html"]


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (0.5, "p = 0.5000"),
        (1 / 10001, "p = 0.0001"),  # of 10,000 random flips; rank prints 0.0001 too
        (2.0**-20, "p < 0.0001"),
        (float("nan"), "not tested"),
    ],
)
def test_p_is_written_as_rank_writes_it(p, words):
    assert p_in_words(p) == words


def test_another_seed_is_the_floor_under_a_difference(compared, tmp_path, capsys):
    overall = compared["json"]["changes"][0]["overall"]
    seeds = [scores(seed) for seed in (1, 3, 4)]
    means = [
        np.mean([row["dice"] for case in seed.cases.values() for row in case.values()])
        for seed in seeds
    ]
    floor = max(means) - min(means)
    assert overall["seed_floor"]["value"] == pytest.approx(floor)
    assert (overall["seed_floor"]["seeds"], overall["seed_floor"]["cases"]) == (3, 12)
    times = f"{overall['difference'] / floor:.1f} times that"
    assert (
        f"3 seeds of a differ by up to {floor:.4f}; this difference is {times}."
        in (compared["html"])
    )
    assert "another seed</text>" in compared["html"]
    folder = compared["folder"]
    flags = ["--seed-floor", str(folder / "b.json"), "--html", str(tmp_path / "page.html")]
    assert (
        main(["report", str(folder / "a2.json"), "--compare", str(folder / "a.json"), *flags]) == 0
    )
    assert "this difference is no larger than that of another seed." in capsys.readouterr().out
    assert main(["report", str(folder / "b.json"), *flags]) == 2
    assert "--seed-floor: of which system?" in capsys.readouterr().err


def test_sections_and_regions_stand_in_reading_order(compared):
    outline = Outline(compared["html"])
    headings = [heading.split("\u201c")[0].strip() for heading in outline.headings]
    assert headings[:4] == [
        "b against a",
        "Regions",
        "What changed since",
        "All cases, the worst first",
    ]
    assert headings[-1] == "About these results"
    regions = next(table for table in outline.tables if table["class"] == "regions")
    assert [row[0][0] for row in regions["rows"][2:]] == list(REGIONS)
    assert "lesion-wise Dice" in [cell for cell, _ in regions["rows"][0]]
    in_markdown = re.findall(r"^\| (\w+) \| lesion-wise Dice", compared["md"], re.MULTILINE)
    assert in_markdown == list(REGIONS)
    order = ["## Regions", "## After (this report)", "## All cases", "## About"]
    assert [compared["md"].index(h) for h in order] == sorted(
        compared["md"].index(h) for h in order
    )


def test_results_that_cannot_be_compared_still_make_a_page(tmp_path, capsys):
    write_json(scores(1), tmp_path / "a.json")
    write_json(replace(scores(1), scorer="2023-gli"), tmp_path / "b.json")
    page = tmp_path / "page.html"
    flags = ["--compare", str(tmp_path / "b.json"), "--html", str(page)]
    assert main(["report", str(tmp_path / "a.json"), *flags]) == 0
    reason = "scorer 2024-gli, but"
    assert "report: a is not compared with b: " in (err := capsys.readouterr().err)
    assert reason in err
    assert "Not compared with b" in (html := page.read_text())
    assert reason in html
    assert "Not compared with b" in page.with_suffix(".md").read_text()
    assert [h for h in Outline(html).headings if h.startswith("What changed")] == []
