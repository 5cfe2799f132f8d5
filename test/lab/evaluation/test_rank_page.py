"""The page of a ranking: whole in itself, escaped, and with the numbers of the terminal."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from lab.__main__ import main
from lab.evaluation.results import Results, write_json

CASES = 14


def scored(quality: float, seed: int) -> Results:
    noise = np.random.default_rng(seed).normal(0, 0.02, CASES)
    cases = {
        f"c{i:02}": {"WT": {"dice": float(quality + 0.01 * i + noise[i]), "hd95": 5.0}}
        for i in range(CASES)
    }
    return Results("2025-ssa", cases)


def page_of(tmp_path: Path, systems: dict[str, Results], *options: str) -> str:
    paths = [tmp_path / f"{name}.json" for name in systems]
    for path, results in zip(paths, systems.values(), strict=True):
        write_json(results, path)
    html = tmp_path / "rank.html"
    assert main(["rank", *map(str, paths), "--rankings", "40", "--html", str(html), *options]) == 0
    return html.read_text()


class Elements(HTMLParser):
    """Every id, every address, and how often each tag stands."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids, self.addresses, self.tags, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href"):
                self.addresses.append(value)

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> tuple[str, dict]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "groups.csv").write_text(
        "case,site\n" + "".join(f"c{i:02},{'Ulm' if i < 9 else 'Bern'}\n" for i in range(13))
    )
    systems = {"plain": scored(0.6, 0), "better": scored(0.7, 1), "alike": scored(0.7, 2)}
    out = folder / "out.json"
    options = ["--groups", str(folder / "groups.csv"), "--out", str(out)]
    return page_of(folder, systems, *options), json.loads(out.read_text())


def test_the_page_is_whole_in_itself(page) -> None:
    elements = Elements(page[0])
    assert all(address.startswith("#") for address in elements.addresses)
    assert len(set(elements.ids)) == len(elements.ids)
    assert {"script", "link", "img"}.isdisjoint(elements.tags)
    assert elements.tags.count("svg") == 5
    assert 'name="viewport"' in page[0]


def test_the_page_has_the_numbers_of_the_verb(page) -> None:
    text, content = " ".join(Elements(page[0]).text.split()), page[1]
    first = min(content["ranking"]["place"], key=content["ranking"]["place"].get)
    share = content["stability"][0]["first"][first]
    assert f"{first} is first by mean rank, and in {share * 100:.1f}" in text.replace("\u202f", " ")
    for pair in content["pairs"]:
        assert pair["sentence"] in text
    assert "1 case is in no group, the table has nothing for c13." in text
    assert "too few cases" in text  # four of Bern


def test_names_from_files_are_escaped(tmp_path) -> None:
    text = page_of(tmp_path, {"a&lt;<b>x": scored(0.6, 0), "$b_1$": scored(0.7, 1)})
    assert "<b>x" not in text
    assert "a&amp;lt;&lt;b&gt;x" in text
    assert "$b_1$" in text


def test_equal_systems_have_no_tau_and_a_page_all_the_same(tmp_path) -> None:
    text = page_of(tmp_path, {"a": scored(0.6, 0), "b": scored(0.6, 0)})
    assert "It shares the first tier with B" in re.sub(r"\s+", " ", text)


@pytest.mark.slow
def test_twenty_systems_fit(tmp_path, capsys) -> None:
    systems = {f"s{i}": scored(0.5 + 0.01 * i, i) for i in range(20)}
    text = page_of(tmp_path, systems, "--resamples", "50", "--flips", "50")
    assert text.count("<tr><td>") > 190


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rank.txt", "ends in .html"),
        ("a.json", "ends in .html"),
        ("a.json/x.html", "cannot be made"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused_before_anything_is_printed(
    name, message, tmp_path, capsys
) -> None:
    for system in "ab":
        write_json(scored(0.6, 0), tmp_path / f"{system}.json")
    paths = [str(tmp_path / f"{system}.json") for system in "ab"]
    assert main(["rank", *paths, "--html", str(tmp_path / name)]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""
