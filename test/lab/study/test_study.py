"""The study at miniature scale: every experiment runs, and its page holds its numbers."""

import json

import pytest

from lab.__main__ import main


@pytest.mark.slow
def test_a_miniature_study_finds_the_direction_and_ships_nothing_where_nothing_is(tmp_path):
    html = tmp_path / "study.html"
    sizes = {"cases": 40, "null-seeds": 1, "null-cases": 24, "fault-seeds": 0, "jobs": 2}
    options = [text for key, value in sizes.items() for text in (f"--{key}", str(value))]
    assert main(["study", "--html", str(html), *options]) == 0
    content = json.loads(html.with_suffix(".json").read_text())
    gains = {row["method"]: row["gain"] for row in content["methods"]}
    assert gains["adaptive, both"] > gains["global, both"] > gains["identity"] == 0
    pairs = {row["method"]: row for row in content["pairs"]}
    assert pairs["adaptive"]["low"] > 0
    assert [row["ships"] for row in content["null"]] == ["identity"]
    configs = {row["config"]: row for row in content["configs"]}
    assert configs["validated"]["agreement"] > configs["published"]["agreement"]
    assert content["rounds"][-1]["changed_cases"] == 0 or len(content["rounds"]) == 4
    assert len(content["features"]) == 4
    page, text = html.read_text(), html.with_suffix(".md").read_text()
    assert "http" not in page
    for words in ("adaptive, both", "Identity ships in 1 of 1", "of 5 planted clusters"):
        assert words in page
        assert words in text
