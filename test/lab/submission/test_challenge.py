"""A challenge's description printed, checked, and drafted from grand-challenge's own."""

import json
import tomllib
from pathlib import Path

import pytest

from challenge.challenges import FOLDER, SCHEMES
from challenge.read_challenge import read_challenges
from lab.__main__ import main as lab

# As grand-challenge's forge describes a phase: an image and a JSON file in, two images out.
PHASE = {
    "slug": "final-test",
    "inputs": [
        {
            "slug": "t1-brain-mri",
            "kind": "Image",
            "super_kind": "Image",
            "relative_path": "images/t1-brain-mri",
        },
        {
            "slug": "stroke-metadata",
            "kind": "Anything",
            "super_kind": "Value",
            "relative_path": "stroke-metadata.json",
        },
    ],
    "outputs": [
        {
            "slug": "lesion-probability-map",
            "kind": "Heat Map",
            "super_kind": "Image",
            "relative_path": "images/lesion-probability-map",
        },
        {
            "slug": "stroke-lesion-segmentation",
            "kind": "Segmentation",
            "super_kind": "Image",
            "relative_path": "images/stroke",
        },
    ],
}


def flagged(socket: dict[str, str]) -> dict[str, object]:
    """A socket as grand-challenge describes it since 2026: flags instead of kinds."""
    flags = {"Image": ("is_image_kind", "is_panimg_kind"), "Value": ("is_json_kind",)}
    facts = {key: socket[key] for key in ("slug", "relative_path")}
    return facts | dict.fromkeys(flags[socket["super_kind"]], True)


@pytest.mark.parametrize("name", SCHEMES)
def test_every_challenge_is_printed_without_a_fault(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab(["challenge", name]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for label, value in SCHEMES[name].labels.items():
        assert f"{value} {label}" in out
    for socket in (*SCHEMES[name].inputs, *SCHEMES[name].outputs):
        assert f"{socket.slug} " in out and str(socket.location) in out
    for source in SCHEMES[name].sources.values():
        assert source in out


def test_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert lab(["challenge"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(SCHEMES)


@pytest.mark.parametrize(
    ("old", "new", "code", "reason"),
    [
        ('"panther"', '"panter"', 1, "FAULT mine: default_scorer is 'panter', not one of "),
        ('"rank"', '"runk"', 1, "FAULT mine: selection_objective is 'runk'"),
        ('"half-of', '"third-of', 1, "FAULT mine: when_empty is 'third-of-maximum'"),
        ("tumour = 1,", "tumour = 2,", 2, "mine.toml: labels: 2 stands for two labels"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, code: int, reason: str
) -> None:
    text = (FOLDER / "panther-t1.toml").read_text()
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new))
    assert lab(["challenge", str(tmp_path / "mine.toml")]) == code
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("form", ["pack", "older pack", "phase of 2026", "interfaces", "list"])
def test_a_draft_from_grand_challenge_says_what_it_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """With what is left to the reader filled in, it is a description."""
    older = {f"algorithm_{key}": value for key, value in PHASE.items() if key != "slug"}
    content = {
        "pack": {"challenge": {"slug": "isles", "phases": [PHASE]}},
        "older pack": {"challenge": {"slug": "isles", "phases": [{"slug": "a", **older}]}},
        "phase of 2026": {
            "challenge": {"slug": "isles"},
            "slug": "final-test",
            "algorithm_interfaces": [{k: [*map(flagged, PHASE[k])] for k in ("inputs", "outputs")}],
        },
        "interfaces": {"algorithm_interfaces": [PHASE]},
        "list": [PHASE],
    }[form]
    (tmp_path / "forge.json").write_text(json.dumps(content))
    assert lab(["challenge", "--from", str(tmp_path / "forge.json")]) == 0
    draft = capsys.readouterr().out
    for blank, word in (("<label>", "lesion"), ("<region>", "whole"), ("<seconds a case>", "420")):
        assert blank in draft
        draft = draft.replace(blank, word)
    (tmp_path / "isles.toml").write_text(draft)
    scheme = read_challenges(tmp_path)["isles"]
    assert [(s.slug, s.sequence, str(s.location)) for s in scheme.inputs] == [
        ("t1-brain-mri", "t1-brain-mri", "images/t1-brain-mri"),
        ("stroke-metadata", "", "stroke-metadata.json"),
    ]
    assert [(o.slug, o.kind, o.region, str(o.location)) for o in scheme.outputs] == [
        ("stroke-lesion-segmentation", "labels", "", "images/stroke"),
        ("lesion-probability-map", "probability", "whole", "images/lesion-probability-map"),
    ]


def test_a_file_that_is_no_json_is_named_in_the_draft(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of an algorithm, as its own page describes it."""
    mesh = {"slug": "a-mesh", "super_kind": "File", "relative_path": "mesh.stl"}
    interface = {"inputs": PHASE["inputs"], "outputs": [*PHASE["outputs"], mesh]}
    content = {"algorithm": {"slug": "ours", "algorithm_interfaces": [interface]}}
    (tmp_path / "forge.json").write_text(json.dumps(content))
    assert lab(["challenge", "--from", str(tmp_path / "forge.json")]) == 0
    draft = capsys.readouterr().out
    assert "# a-mesh: neither one image nor JSON, not read or written" in draft
    assert 'slug = "a-mesh"' not in draft


def test_the_inputs_of_a_case_give_a_draft_without_outputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """inputs.json lies in every template that the platform hands out."""
    series = {"slug": "a-series", "relative_path": "images/a-series", "is_dicom_image_kind": True}
    rows = [{"socket": flagged(socket), "file": None} for socket in PHASE["inputs"]]
    (tmp_path / "inputs.json").write_text(json.dumps([*rows, {"interface": series}]))
    assert lab(["challenge", "--from", str(tmp_path / "inputs.json")]) == 0
    draft = capsys.readouterr().out
    assert "# a-series: neither one image nor JSON, not read or written" in draft
    assert "ignores_further_inputs = true" in draft
    assert draft.count("[[inputs]]") == 2 and "# No output is named here.\n[[outputs]]" in draft
    assert 'sequences = ["t1-brain-mri"]' in draft


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not JSON"),
        ("{}", "no phases"),
        ('[{"inputs": [{}], "outputs": []}]', "without 'slug'"),
    ],
)
def test_a_file_that_describes_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, reason: str
) -> None:
    (tmp_path / "forge.json").write_text(content)
    assert lab(["challenge", "--from", str(tmp_path / "forge.json")]) == 2
    assert reason in capsys.readouterr().err


def test_the_example_in_the_docs_is_a_description(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "platforms.md").read_text()
    example = page.split("```toml\n")[1].split("```")[0]
    assert tomllib.loads(example)["labels"] == {"lesion": 1}
    (tmp_path / "lung-2027.toml").write_text(example)
    scheme = read_challenges(tmp_path)["lung-2027"]
    assert [socket.slug for socket in (*scheme.inputs, *scheme.outputs)] == [
        "thorax-ct",
        "lung-lesions",
    ]
