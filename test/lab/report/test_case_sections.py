"""The page's cases: a table that can be sorted, the worst and the best drawn, no box empty."""

import re
from dataclasses import replace

import pytest
from report_cases import Outline, cohort

from lab.__main__ import main
from lab.evaluation.results import write_json

CASES = {f"c{i}": i % 3 for i in range(8)}


def test_worst_and_best_cases_follow_what_changed_and_both_dices_are_named(tmp_path):
    write_json(cohort(tmp_path / "after", CASES), tmp_path / "after.json")
    write_json(cohort(tmp_path / "before", dict.fromkeys(CASES, 1)), tmp_path / "before.json")
    flags = ["--compare", str(tmp_path / "before.json"), "--count", "2"]
    page = tmp_path / "page.html"
    assert main(["report", str(tmp_path / "after.json"), "--html", str(page), *flags]) == 0
    outline = Outline(page.read_text())
    assert outline.headings[1:5] == [
        "Regions",
        "What changed since \u201cbefore\u201d",
        "All cases, the worst first",
        "The 2 worst and the 2 best cases",
    ]
    regions = next(table for table in outline.tables if table["class"] == "regions")
    assert [cell for cell, _ in regions["rows"][0] if cell] == [
        "lesion-wise Dice",
        "voxel-wise Dice",
    ]
    assert [row[0][0] for row in regions["rows"][2:]] == ["WT", "TC", "ET", "NETC", "SNFH"]


@pytest.fixture
def page_of_cases(tmp_path):
    write_json(cohort(tmp_path / "r", CASES), tmp_path / "r.json")

    def write(*options):
        page = tmp_path / "page.html"
        assert main(["report", str(tmp_path / "r.json"), "--html", str(page), *options]) == 0
        return page.read_text()

    return write


def test_the_table_of_cases_can_be_sorted_and_is_complete_without_a_script(page_of_cases):
    html = page_of_cases()
    html = html.replace(re.findall(r"<script>.*?</script>", html, re.DOTALL)[0], "")
    table = next(t for t in Outline(html).tables if t["class"] == "sortable")
    head, *rows = table["rows"][1:]
    names = [attrs["data-name"] for _, attrs in head]
    assert names == [
        *("case", "key", "WT", "TC", "ET"),
        *(f"voxel-wise {name}" for name in ("WT", "TC", "ET", "NETC", "SNFH")),
    ]
    assert len(set(names)) == len(names)
    assert sorted(row[0][0] for row in rows) == sorted(CASES)
    for row in rows:
        assert len(row) == len(names)
        for text, attrs in row[1:]:  # what is shown is what is sorted by
            assert text == (f"{float(attrs['data-value']):.3f}" if attrs["data-value"] else "-")
    keys = [float(row[1][1]["data-value"]) for row in rows]
    assert keys == sorted(keys)  # the worst first, without anything having run
    assert "hidden" not in html
    assert "display: none" not in html.split("@media print")[0]


def test_no_box_on_the_page_is_empty(page_of_cases):
    for count in ("2", "5", "20"):
        html = page_of_cases("--count", count)
        assert "Shown above" not in html
        assert "nopicture" not in html.split("</style>")[1]
        ids = re.findall(r'<div class="shot"><h4>(\w+)', html)
        assert len(ids) == len(set(ids)) == min(2 * int(count), len(CASES))
        assert not re.search(r"<(div|section|figure|p)[^>]*>\s*</\1>", html)
    assert "Among the best too, and drawn with the worst: " in page_of_cases("--count", "5")


def test_a_case_without_a_picture_is_a_sentence(tmp_path):
    result = cohort(tmp_path / "r", CASES)
    gone = {"c2": replace(result.facts["c2"], prediction=None)}
    write_json(replace(result, facts=result.facts | gone), tmp_path / "r.json")
    page = tmp_path / "page.html"
    assert main(["report", str(tmp_path / "r.json"), "--html", str(page)]) == 0
    html = page.read_text()
    assert '<p class="quiet">c2: There is no prediction for this case.</p>' in html
    assert html.count('<div class="shot">') == len(CASES) - 1
