"""`python -m lab report` writes one self-contained page, and the same numbers beside it."""

import json
import re
from dataclasses import replace

import pytest
from report_cases import NAMES, NASTY, Page, cohort, results, table, write_report

from challenge.provenance import Provenance
from lab.__main__ import main
from lab.drawing.page import difference, number
from lab.evaluation.results import Problem, Results, write_json


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Write the report of three cases, with a comparison, and return its three files' texts."""
    tmp_path = tmp_path_factory.mktemp("report")
    write_json(cohort(tmp_path / "after", NAMES), tmp_path / "after.json")
    write_json(cohort(tmp_path / "before", dict.fromkeys(NAMES, 1)), tmp_path / "before.json")
    return write_report(tmp_path, "after.json", "--compare", str(tmp_path / "before.json"))


def script_of(html):
    """Return what stands in the page's only script."""
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    return script


def test_page_and_markdown_have_the_numbers_of_the_json(written):
    content = json.loads(written["json"])
    output = [number(row["value"], row["unit"]) for row in content["cover"]["headline"]]
    # Dice of WT: 1, 0.8 and 0.4 (cubes of 5 voxels a side, shifted by 0, 1 and 3).
    assert output[0] == f"{(1 + 0.8 + 0.4) / 3:.3f}"
    overlap = content["overlap"]["rows"]
    output += [number(value) for row in overlap for value in row["macro"].values()]
    changed = content["changes"][0]["rows"]
    output += [difference(row["difference"]["value"], row["unit"]) for row in changed]
    for message in output:
        assert message in written["html"]
        assert message in written["md"]
    for id in NAMES:
        assert id in written["html"]
        assert id in written["md"]


def test_the_page_refers_to_nothing_outside_itself(written):
    page = Page(written["html"])
    assert "http" not in written["html"]
    assert not {"link", "iframe", "input", "button"} & set(page.tags)
    assert page.tags.count("script") == 1  # sorts the table of cases
    assert not re.search(r"fetch|XMLHttp|import|eval|innerHTML", script_of(written["html"]))
    assert [
        link for link in page.links if not link.startswith(("#", "data:image/png;base64,"))
    ] == []
    assert len(page.ids) == len(set(page.ids))
    # Whatever a figure uses by its id is there.
    used = {link[1:] for link in page.links if link.startswith("#")}
    used |= set(re.findall(r"url\(#([^)]*)\)", written["html"]))
    assert used <= set(page.ids)


def test_pictures_are_drawn_and_their_error_is_named(written):
    assert len(re.findall("(axial|coronal|sagittal) slice [0-9]", written["html"])) == 9
    worst = json.loads(written["json"])["extremes"]["worst"]
    assert [row["case"] for row in worst] == ["missed", "shifted by one", "good"]
    assert worst[0]["largest_error"]["volume_mm3"] > worst[1]["largest_error"]["volume_mm3"] > 0
    assert worst[2]["largest_error"]["voxels"] == 0
    assert "No voxel differs" in written["html"]


def test_an_infinite_distance_is_shown_as_one(written):
    row = json.loads(written["json"])["cover"]["headline"][1]
    assert (row["metric"], row["value"], row["n_infinite"]) == ("hd95", float("inf"), 1)
    assert "∞" in written["html"]


def test_strings_from_files_are_escaped(tmp_path):
    result = cohort(tmp_path, {NASTY: 1, "b": 0})
    nasty = Results(
        NASTY,
        result.cases,
        result.labels,
        result.regions,
        result.scheme,
        NASTY,
        result.facts,
        (Problem(NASTY, NASTY, NASTY, False),),
    )
    write_json(nasty, tmp_path / "r.json")
    compared = ["--compare", str(tmp_path / "r.json"), "--name", NASTY]
    texts = write_report(tmp_path, "r.json", *compared)
    texts["html"] = texts["html"].replace(f"<script>{script_of(texts['html'])}</script>", "")
    for ending in ("html", "md"):
        assert "<script" not in texts[ending]
        assert "&lt;script&gt;" in texts[ending]


def test_region_names_may_hold_markup_and_dollars(tmp_path):
    odd = Results("x", {id: {"<b>$x_$": {"dice": 0.5}} for id in "ab"})
    write_json(odd, tmp_path / "r.json")
    html = write_report(tmp_path, "r.json")["html"]
    assert "<b>$x_$" not in html
    assert "&lt;b&gt;$x_$" in html


def test_without_voxel_counts_the_page_says_what_is_left_out(tmp_path):
    (tmp_path / "r.csv").write_text("scan_id,LesionWise_Dice_WT\na,0.25\nb,0.75\n")
    texts = write_report(tmp_path, "r.csv", "--compare", str(tmp_path / "r.csv"))
    (left_out,) = re.findall("Left out: (.*?) need the voxel counts", texts["html"])
    assert re.split(", | and the ", left_out) == [
        "volume shares",
        "voxel-wise overlap",
        "Dice over size",
        "cross-class correlation",
        "false-positive volume",
        "detection by size",
        "confusion matrix",
    ]
    for heading in ("Voxel-wise overlap", "Does Dice depend", "Which lesions", "Which label"):
        assert heading not in texts["html"]
    assert "whether both come from the same one is not known" in texts["html"]
    assert "a table of another program" in texts["html"].replace("&#39;", "’")
    assert "0.500" in texts["html"]
    assert json.loads(texts["json"])["overlap"] is None
    assert "for want of voxel counts" in texts["md"]


def test_a_shifted_label_map_heads_the_page_and_is_reported(tmp_path, capsys):
    shifted = results({id: table((1, 1, 70), (2, 2, 10), (3, 3, 20)) for id in "abc"})
    write_json(shifted, tmp_path / "r.json")
    page = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "r.json"), "--html", str(page)]) == 0
    html = page.read_text()
    assert html.index("NETC is 70% of WT") < html.index("Voxel-wise overlap")
    assert "NETC is 70% of WT" in page.with_suffix(".md").read_text()
    assert "warning: NETC is 70%" in capsys.readouterr().err
    # Files that are gone leave a sentence in the picture's place.
    assert html.count("no/prediction.nii.gz: no such file") == 3


def test_a_system_scored_where_its_rules_were_fitted_heads_the_page(tmp_path, capsys):
    facts = {"held_out": "in-sample", "training_cases": 2, "cases": 3}
    record = Provenance(
        "scores",
        "r.json",
        "",
        inputs={"predictions": Provenance("label maps", "refined", "0" * 64, facts=facts)},
    )
    usual = results({id: table((1, 1, 20), (2, 2, 60), (3, 3, 20)) for id in "abc"})
    write_json(replace(usual, provenance=record), tmp_path / "r.json")
    write_json(usual, tmp_path / "before.json")
    page, words = tmp_path / "report.html", "refined by rules that were fitted on 2 of its 3 cases"
    files = [str(tmp_path / "r.json"), "--compare", str(tmp_path / "before.json")]
    assert main(["report", *files, "--html", str(page)]) == 0
    assert page.read_text().index(words) < page.read_text().index("Voxel-wise overlap")
    assert f"**Not held out.** r is {words}" in page.with_suffix(".md").read_text()
    assert "label map may be wrong" not in page.read_text()
    assert f"No verdict on r against before: r is {words}" in page.read_text()
    assert capsys.readouterr().err.count(words) == 1


def test_a_case_that_could_not_be_scored_is_not_counted_as_scored(tmp_path):
    result = results({id: table((3, 3, 20)) for id in "ab"})
    nothing = {
        region: dict.fromkeys(row, float("nan")) for region, row in result.cases["a"].items()
    }
    write_json(replace(result, cases={**result.cases, "c": nothing}), tmp_path / "r.json")
    page = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "r.json"), "--html", str(page)]) == 0
    assert "3: 2 with scores, 2 with voxel counts" in page.read_text()
    assert "3: 2 with scores" in page.with_suffix(".md").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--html", "results.html"], "would overwrite the results"),
        (["--html", "report.pdf"], "ends in .html"),
        (["--html", "results.json/report.html"], "results.json: this folder cannot be made"),
        (["--html", "report.html", "--key", "iou"], "no metric 'iou'"),
        (["--html", "report.html", "--images", "nowhere"], "nowhere: no such folder"),
        (["--html", "report.html", "--compare", "none.json"], "none.json: not a result file"),
    ],
)
def test_wrong_usage_is_reported_before_anything_is_written(
    options, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    write_json(results({"a": table((3, 3, 1))}), tmp_path / "results.json")
    before = (tmp_path / "results.json").read_text()
    assert main(["report", "results.json", *options]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert (tmp_path / "results.json").read_text() == before


def test_the_key_and_the_number_of_cases_can_be_chosen(tmp_path):
    write_json(cohort(tmp_path, {"a": 0, "b": 1, "c": 2}), tmp_path / "r.json")
    texts = write_report(tmp_path, "r.json", "--key", "hd95", "--count", "1")
    output = json.loads(texts["json"])["extremes"]
    assert [row["case"] for row in (*output["worst"], *output["best"])] == ["c", "a"]
