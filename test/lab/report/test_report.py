"""`python -m lab report` writes one self-contained page, and the same numbers beside it."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import files
import numpy as np
import pytest
from report_cases import GLI, cohort, facts, results, table

from challenge.provenance import Provenance
from lab.__main__ import main
from lab.drawing.page import bins, difference, interval, markdown_cell, number, signed
from lab.evaluation.results import Facts, Problem, Results, write_json
from lab.report.errors import largest_error, most_central
from lab.report.pictures import outline, picture
from lab.report.scans import index_images, radiological_flips, scans_of

NAMES = {"good": 0, "shifted by one": 1, "missed": 3}
NASTY = '<script>alert("x")</script>|$a$'


class Page(HTMLParser):
    """Collects ids and everything that refers elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.tags = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href"):
                self.links.append(value)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Write the report of three cases, with a comparison, and return its three files' texts."""
    tmp_path = tmp_path_factory.mktemp("report")
    write_json(cohort(tmp_path / "after", NAMES), tmp_path / "after.json")
    write_json(cohort(tmp_path / "before", dict.fromkeys(NAMES, 1)), tmp_path / "before.json")
    return report(tmp_path, "after.json", "--compare", str(tmp_path / "before.json"))


def script_of(html):
    """Return what stands in the page's only script."""
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    return script


def report(folder, name, *options):
    page = folder / "report.html"
    assert main(["report", str(folder / name), "--html", str(page), *options]) == 0
    return {e: page.with_suffix(f".{e}").read_text() for e in ("html", "json", "md")}


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
    texts = report(tmp_path, "r.json", *compared)
    texts["html"] = texts["html"].replace(f"<script>{script_of(texts['html'])}</script>", "")
    for ending in ("html", "md"):
        assert "<script" not in texts[ending]
        assert "&lt;script&gt;" in texts[ending]


def test_markdown_cells_cannot_break_out_of_their_table():
    assert str(markdown_cell("a|b\n![x](y) `c` <b>")) == r"a\|b !\[x\](y) \`c\` &lt;b&gt;"


def test_region_names_may_hold_markup_and_dollars(tmp_path):
    odd = Results("x", {id: {"<b>$x_$": {"dice": 0.5}} for id in "ab"})
    write_json(odd, tmp_path / "r.json")
    html = report(tmp_path, "r.json")["html"]
    assert "<b>$x_$" not in html
    assert "&lt;b&gt;$x_$" in html


def test_without_voxel_counts_the_page_says_what_is_left_out(tmp_path):
    (tmp_path / "r.csv").write_text("scan_id,LesionWise_Dice_WT\na,0.25\nb,0.75\n")
    texts = report(tmp_path, "r.csv", "--compare", str(tmp_path / "r.csv"))
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
    assert "a platform’s CSV" in texts["html"].replace("&#39;", "’")
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
    texts = report(tmp_path, "r.json", "--key", "hd95", "--count", "1")
    output = json.loads(texts["json"])["extremes"]
    assert [row["case"] for row in (*output["worst"], *output["best"])] == ["c", "a"]


def test_the_largest_error_is_the_largest_connected_one():
    reference = np.zeros((7, 9, 9), np.uint8)
    prediction = reference.copy()
    prediction[1, 1, 1:3] = 1
    reference[4:7, 4:7, 4:7] = 2
    result = largest_error(prediction, reference, (3.0, 1.0, 1.0), [1, 2])
    assert result.centre == (5, 5, 5)
    assert (result.voxels, result.prediction_label, result.reference_label) == (27, 0, 2)
    assert largest_error(prediction, reference, (3.0, 1.0, 1.0), [1]).voxels == 2
    assert largest_error(reference, reference, (1.0, 1.0, 1.0), [1, 2]).voxels == 0
    assert largest_error(prediction * 0, reference * 0, (1.0, 1.0, 1.0), [1, 2]) is None


def test_the_centre_of_a_shell_lies_in_the_shell():
    shell = np.ones((9, 9, 9), bool)
    shell[2:7, 2:7, 2:7] = False
    assert shell[most_central(shell, (1.0, 1.0, 1.0))]


def test_an_outline_runs_around_its_voxels_in_mm():
    mask = np.zeros((4, 5), bool)
    mask[1, 2] = True
    numbers = np.array(re.findall(r"[\d.]+", outline(mask, (3.0, 2.0))), float).reshape(-1, 2)
    # Voxel (row 1, column 2) of 3 x 2 mm has its centre at x = 5, y = 4.5.
    assert numbers.min(0).tolist() == [4, 3]
    assert numbers.max(0).tolist() == [6, 6]
    assert outline(mask * False, (1.0, 1.0)) == ""


def labelled(folder, side, affine):
    labels = np.zeros((6, 10, 12), np.uint8)  # (x, y, z)
    labels[1:5, 4:8, 4:9] = 2
    if side == "predictions":
        labels[5, 4:8, 4:9] = 2
    return str(files.write_nifti(folder / side / "a.nii.gz", labels, affine))


def test_slices_have_the_shape_of_the_patient(tmp_path):
    affine = np.diag([-2.0, -1.0, 5.0, 1.0])
    paths = [labelled(tmp_path, side, affine) for side in ("predictions", "references")]
    result = picture(Facts(*paths, 10.0, table(), {}), GLI.labels, GLI.labels, None)
    sizes = {p["plane"]: (p["width_mm"], p["height_mm"]) for p in result["panels"]}
    assert sizes == {"axial": (12, 10), "coronal": (12, 60), "sagittal": (10, 60)}
    error = result["largest_error"]
    assert (error["voxels"], error["volume_mm3"]) == (20, 200)
    assert (error["voxel_xyz"][0], error["prediction"], error["reference"]) == (
        5,
        "SNFH",
        "background",
    )
    # Stored from right to left, so the last x lies at the page's right edge.
    axial = result["panels"][0]
    assert axial["cross_mm"][0] == 11
    assert {(path["side"], path["label"]) for path in axial["paths"]} == {
        ("prediction", "SNFH"),
        ("reference", "SNFH"),
    }


def test_a_scan_stored_the_other_way_round_is_turned(tmp_path):
    # x grows towards the right: the last x must land on the page's left, z still points up.
    affine = np.diag([2.0, -1.0, 5.0, 1.0])
    paths = [labelled(tmp_path, side, affine) for side in ("predictions", "references")]
    result = picture(Facts(*paths, 10.0, table(), {}), GLI.labels, GLI.labels, None)
    axial, coronal, _ = result["panels"]
    assert axial["cross_mm"][0] == 1
    z = result["largest_error"]["voxel_xyz"][2]
    assert coronal["cross_mm"] == [1, (12 - z - 0.5) * 5]


def test_the_smallest_tissue_is_drawn_last(tmp_path):
    result = cohort(tmp_path, {"a": 0})
    axial = picture(result.facts["a"], GLI.labels, GLI.labels, None)["panels"][0]
    outlines = [(path["side"], path["label"]) for path in axial["paths"]]
    assert outlines == [(s, n) for s in ("reference", "prediction") for n in ("SNFH", "ET", "NETC")]


def test_labels_that_are_not_evaluated_cannot_be_the_largest_error(tmp_path):
    result = cohort(tmp_path, {"a": 1})
    output = picture(result.facts["a"], GLI.labels, ["NETC"], None)["largest_error"]
    assert (output["voxels"], {output["prediction"], output["reference"]}) == (
        2,
        {"NETC", "ET"},
    )


def test_axes_in_another_order_are_left_alone():
    class Volume:
        geometry = np.eye(4)[[1, 0, 2, 3]]

    assert radiological_flips(Volume) is None


def test_scans_lie_nested_or_flat_in_any_spelling_of_their_sequence(tmp_path):
    files.write_brats_case(tmp_path / "a", "a")
    files.write_brats_case(tmp_path, "b", "_", ["flair", "t1"])
    images = index_images(tmp_path)
    assert {s: path.name for s, path in scans_of("a", images, GLI).items()} == {
        s: f"a-{s}.nii.gz" for s in ("t1n", "t1c", "t2w", "t2f")
    }
    assert {s: path.name for s, path in scans_of("b", images, GLI).items()} == {
        "t2f": "b_flair.nii.gz",
        "t1n": "b_t1.nii.gz",
    }
    assert scans_of("c", images, GLI) == {}


def test_channel_numbers_are_read_as_dataset_json_names_them(tmp_path):
    for channel in range(4):
        (tmp_path / "imagesTr").mkdir(exist_ok=True)
        (tmp_path / "imagesTr" / f"a_{channel:04}.nii.gz").touch()
    images = index_images(tmp_path / "imagesTr")
    by_scheme = {s: path.name for s, path in scans_of("a", images, GLI).items()}
    assert by_scheme["t2f"] == "a_0003.nii.gz"
    names = {"0": "FLAIR", "1": "T1Gd", "2": "T2", "3": "T1"}
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "imagesTr").rename(other / "imagesTr")
    (other / "dataset.json").write_text(json.dumps({"channel_names": names}))
    for folder in (other, other / "imagesTr"):
        by_name = scans_of("a", index_images(folder), GLI)
        assert {s: path.name for s, path in by_name.items()} == {
            "t2f": "a_0000.nii.gz",
            "t1c": "a_0001.nii.gz",
            "t2w": "a_0002.nii.gz",
            "t1n": "a_0003.nii.gz",
        }


@pytest.mark.parametrize(
    ("reference", "prediction", "sequence"),
    [(2, 0, "t2f"), (0, 2, "t2f"), (3, 0, "t1c"), (3, 2, "t1c"), (1, 3, "t1c"), (2, 2, "t2f")],
)
def test_the_backdrop_is_the_sequence_that_shows_the_label_in_error(
    tmp_path, reference, prediction, sequence
):
    maps = {"predictions": prediction, "references": reference}
    for side, value in maps.items():
        labels = np.zeros((8, 8, 8), np.uint8)
        labels[2:6, 2:6, 2:6] = value
        files.write_nifti(tmp_path / side / "a.nii.gz", labels)
    paths = [str(tmp_path / side / "a.nii.gz") for side in maps]
    values = np.arange(512, dtype=np.float32).reshape(8, 8, 8)
    scans = {
        name: files.write_nifti(tmp_path / f"a-{name}.nii.gz", values)
        for name in ("t1n", "t1c", "t2w", "t2f")
    }
    result = picture(Facts(*paths, 1.0, table(), {}), GLI.labels, GLI.labels, scans)
    assert (result["sequence"], result["note"]) == (sequence, f"Scan: a-{sequence}.nii.gz")
    without = picture(Facts(*paths, 1.0, table(), {}), GLI.labels, GLI.labels, {})
    assert without["note"] == "No scan of this case"


def test_a_scan_that_does_not_fit_is_named_and_replaced(tmp_path):
    result = cohort(tmp_path, {"a": 1})
    files.write_brats_case(tmp_path, "a")
    output = picture(result.facts["a"], GLI.labels, GLI.labels, {"t1c": tmp_path / "a-t1c.nii.gz"})
    assert "a-t1c.nii.gz has another size" in output["note"]
    assert len(output["panels"]) == 3
    missing = Facts(None, "r", 1.0, table(), {})
    assert (
        picture(missing, GLI.labels, GLI.labels, None)["missing"]
        == "There is no prediction for this case."
    )
    assert (
        facts(table()).prediction
        in picture(facts(table()), GLI.labels, GLI.labels, None)["missing"]
    )


def test_numbers_are_formatted_alike_everywhere():
    assert [number(v) for v in (0.12345, None, float("nan"), float("inf"), -0.0001)] == [
        "0.123",
        "-",
        "n/a",
        "∞",
        "0.000",
    ]
    assert (number(1234567.8, "mm3"), number(3.14159, "mm")) == ("1\u202f234\u202f568", "3.14")
    assert [signed(v) for v in (0.5, -0.5, 0.0)] == ["+0.500", "−0.500", "0.000"]
    assert interval({"low": float("nan"), "high": 1.0}) == "no interval"
    assert bins([0, 10, 50, float("inf")]) == ["≤ 10", "10–50", "> 50"]


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
    result = report(tmp_path, "after.json", "--selection", str(tmp_path / "selection.json"))
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
    result = report(tmp_path, "after.json", "--selection", str(tmp_path / "selection.json"))
    assert "ever more networks" not in result["html"]
    assert "None" not in result["html"].split("Why these members")[1].split("</section>")[0]


def test_weights_by_region_are_shown_as_such(tmp_path):
    write_json(cohort(tmp_path / "after", NAMES), tmp_path / "after.json")
    weights = {"left": {"WT": 1.0, "ET": 0.25}, NASTY: {"WT": 0.0, "ET": 0.75}}
    content = SELECTION | {"schema": 4, "weights": weights}
    (tmp_path / "selection.json").write_text(json.dumps(content))
    result = report(tmp_path, "after.json", "--selection", str(tmp_path / "selection.json"))
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
