"""A report shows why an ensemble has its members; a file that is no selection is named."""

import json

import pytest
from report_cases import NAMES, NASTY, Page, cohort, write_report

from lab.__main__ import main
from lab.evaluation.results import write_json

SELECTION = {
    "schema": 3,
    "scorer": "panther",
    "objective": "overlap",
    "cases": 12,
    "baseline": "equal",
    "ships": "greedy",
    "reason": ["greedy ships: +0.1250 mean overlap over equal weights"],
    "weights": {"left": 0.5, NASTY: 0.5},
    "strategies": {
        name: {
            "held_out": 0.6125,
            "gain": 0.125,
            "in_sample_gain": 0.25,
            "members": 4,
            "case_s": 2.5,
            "interval": [0.0625, 0.1875],
            "p": 0.0005,
        }
        for name in ("equal", "greedy", "simplex")
    },
    "cost_curve": [{"members": 4, "case_s": 2.5, "gain": 0.1, "interval": [0.05, 0.15]}],
    "per_candidate": [
        {
            "candidate": name,
            "region": "tumour",
            "metric": metric,
            "value": value,
            "interval": [value - 0.1, value + 0.1],
            "over_first": value / 8,
            "over_first_interval": [0.015625, 0.03125],
        }
        for name in ("left", NASTY)
        for metric, value in (("dice", 0.4375), ("hd95", 7.25))
    ],
}


def test_a_selection_is_shown_beside_the_results(tmp_path):
    write_json(cohort(tmp_path / "after", NAMES), tmp_path / "after.json")
    (tmp_path / "selection.json").write_text(json.dumps(SELECTION))
    result = write_report(tmp_path, "after.json", "--selection", str(tmp_path / "selection.json"))
    reason = "greedy ships: +0.1250 mean overlap over equal weights"
    for message in ("Why these members", "+0.125", "+0.062 to +0.188", "7.25", "0.438", reason):
        assert message in result["html"]
        assert message in result["md"]
    assert NASTY not in result["html"]
    page = Page(result["html"])
    assert len(page.ids) == len(set(page.ids))
    assert json.loads(result["json"])["selection"]["weights"]["left"] == 0.5
    assert "ever more networks" in result["html"]
    (tmp_path / "selection.json").write_text(json.dumps(SELECTION | {"cost_curve": []}))
    result = write_report(tmp_path, "after.json", "--selection", str(tmp_path / "selection.json"))
    assert "ever more networks" not in result["html"]
    assert "None" not in result["html"].split("Why these members")[1].split("</section>")[0]


def test_weights_by_region_are_shown_as_such(tmp_path):
    write_json(cohort(tmp_path / "after", NAMES), tmp_path / "after.json")
    weights = {"left": {"WT": 1.0, "ET": 0.25}, NASTY: {"WT": 0.0, "ET": 0.75}}
    content = SELECTION | {"schema": 4, "weights": weights}
    (tmp_path / "selection.json").write_text(json.dumps(content))
    result = write_report(tmp_path, "after.json", "--selection", str(tmp_path / "selection.json"))
    for text in (result["html"], result["md"]):
        assert "left (WT 1, ET 0.25), " in text
        assert "(WT 0, ET 0.75)" in text


@pytest.mark.parametrize(
    "change",
    [{"schema": 9}, {"strategies": {"equal": {}}}, {"objective": "luck"}, {"cost_curve": None}],
)
def test_what_is_no_selection_is_named(tmp_path, capsys, change):
    write_json(cohort(tmp_path / "after", NAMES), tmp_path / "after.json")
    (tmp_path / "s.json").write_text(json.dumps(SELECTION | change))
    flags = ["--html", str(tmp_path / "r.html"), "--selection", str(tmp_path / "s.json")]
    assert main(["report", str(tmp_path / "after.json"), *flags]) == 2
    assert "s.json: not a selection" in capsys.readouterr().err
