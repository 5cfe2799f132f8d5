"""From files to an artefact with gates: `lab gate` after a search, freeze, and refinement."""

import json
import re
import shutil

import numpy as np
import pytest
from files import write_nifti
from lookalikes import GLI, SCORER, lookalike

from challenge.provenance import content_sha256, from_json, read_provenance
from challenge.volume import read_volume
from lab.__main__ import main
from lab.evaluation.formats import read_results
from lab.learned_gates import fit_gates, gate_images
from lab.learned_gates.classifiers import CLASSIFIERS
from lab.metrics.objective import objective_values
from lab.metrics.search_columns import search_columns
from lab.rule_search.image_scores import ScoreMismatch
from postprocess.__main__ import main as refine
from postprocess.artefacts import load_artefacts
from postprocess.component_gates import apply_gates

pytestmark = pytest.mark.xdist_group("gates")  # what takes long is made once for all

CASES = 20
ARTEFACT = ["clusters.npz", "gates.npz", "postprocess.json"]


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A cohort whose false islands no size tells, searched for rules; one classifier for speed."""
    root = tmp_path_factory.mktemp("cohort")
    for seed in range(CASES):
        refine_input, reference = lookalike(seed)
        id = refine_input.case.id
        for channel, image in enumerate(refine_input.case.images.values()):
            write_nifti(root / "raw" / "imagesTr" / f"{id}_{channel:04d}.nii.gz", image)
        write_nifti(root / "raw" / "labelsTr" / f"{id}.nii.gz", reference)
        write_nifti(root / "oof" / f"{id}.nii.gz", refine_input.labels)
    dataset = {
        "channel_names": {str(i): name for i, name in enumerate(GLI.sequences)},
        "labels": {"background": 0, **GLI.labels},
        "file_ending": ".nii.gz",
    }
    (root / "raw" / "dataset.json").write_text(json.dumps(dataset))
    words = ["--cohort", root / "raw", "--predictions", root / "oof", "--scheme", GLI.name]
    assert main(["features", *map(str, words), "--out", str(root / "work")]) == 0
    assert main(["fit", str(root / "work"), "--clusters", "1"]) == 0
    assert main(["search", str(root / "work"), "--scorer", SCORER.name]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_gates, "CLASSIFIERS", CLASSIFIERS[1:2])
        yield root


@pytest.fixture(scope="module")
def gated(searched):
    assert main(["gate", str(searched / "work")]) == 0
    return searched


def test_gates_ship_where_they_gain_and_say_so(gated, capsys) -> None:
    content = json.loads((gated / "work" / "gate.json").read_text())
    assert content["ships"] is True and content["low"] > 0.1
    assert content["scorer"] == SCORER.name
    assert len(content["before"]) == CASES and content["held_out_gates"] == [["WT"]] * CASES
    record = from_json(content["provenance"], gated / "work" / "gate.json")
    assert (record.verb, record.inputs["search"].verb) == ("gate", "search")
    artefacts = load_artefacts(gated / "work" / "decided", GLI)
    assert [gate.name for gate in artefacts.gates] == ["WT"]
    assert artefacts.fit["gates"]["worth_removing"] == content["worth_removing"]
    assert "before" not in artefacts.fit["gates"]
    assert "case-000" not in (gated / "work" / "decided" / "postprocess.json").read_text()
    capsys.readouterr()
    assert main(["freeze", str(gated / "work"), "--out", str(gated / "frozen")]) == 0
    assert "gate on WT, " in capsys.readouterr().out
    assert sorted(path.name for path in (gated / "frozen").iterdir()) == ARTEFACT


def test_evaluate_on_the_held_out_labels_gives_the_held_out_number(gated, tmp_path) -> None:
    folder, out = gated / "work" / "held_out_gates", tmp_path / "results.json"
    options = ["--predictions", folder, "--references", gated / "raw" / "labelsTr", "--out", out]
    assert main(["evaluate", "--scorer", SCORER.name, *map(str, options)]) == 0
    results, columns = read_results(out), search_columns(SCORER, GLI)
    scores = np.stack([results.column(*column) for column in columns], axis=-1)
    content = json.loads((gated / "work" / "gate.json").read_text())
    values = objective_values(scores[:, None], columns, "overlap")[:, 0]
    np.testing.assert_allclose(values, content["after"], rtol=0, atol=1e-9)
    record = read_provenance(folder)
    assert (record.verb, record.sha256) == ("gate", content_sha256(folder))


def test_explain_says_what_gates_rest_on_gain_and_removed(gated, tmp_path, capsys) -> None:
    """True islands are rough, false ones smooth."""
    capsys.readouterr()
    page = tmp_path / "page.html"
    assert main(["explain", str(gated / "work"), "--html", str(page)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"gates ship, on WT: overlap \S+ with, .* on 20 held-out cases$", lines[0])
    (weighing,) = [line for line in lines if line.startswith("WT: logistic, C 0.1, ")]
    assert "from probability" in weighing
    assert re.search(r"speaks for it: less t1c_(deviation|roughness) ", weighing)
    removed = [line for line in lines if line.startswith("example: case-")]
    assert len(removed) == 4 and all(re.search(r"mm3, probability \S+: \+0", r) for r in removed)
    html = page.read_text()
    assert html.startswith("<!DOCTYPE html>") and "<h2>Learned gates</h2>" in html
    assert "Learned gates ship too; see below." in html
    assert html.count("WT component of") == 2 * 4  # its picture's name, and below it
    work = tmp_path / "work"
    shutil.copytree(gated / "work", work)
    (work / "gate.json").unlink()
    assert main(["explain", str(work), "--html", str(page)]) == 0
    assert "gates were not evaluated" in capsys.readouterr().out
    assert "Gates were not evaluated" in page.read_text()


@pytest.mark.slow
def test_labels_whose_score_differs_are_a_fault_that_names_the_case(
    gated, tmp_path, monkeypatch
) -> None:
    work = tmp_path / "work"
    shutil.copytree(gated / "work", work)
    monkeypatch.setattr(gate_images, "apply_gates", lambda case, gates: apply_gates(case, ()))
    with pytest.raises(ScoreMismatch, match=r"case-\d+: 0\.\d+ on the image, 1\.0 before"):
        main(["gate", str(work)])


def test_the_frozen_gate_removes_the_look_alikes_of_other_cases(gated, tmp_path, capsys) -> None:
    references = {}
    for seed in range(100, 104):
        refine_input, references[seed] = lookalike(seed)
        id = refine_input.case.id
        for channel, image in enumerate(refine_input.case.images.values()):
            write_nifti(tmp_path / "scans" / f"{id}_{channel:04d}.nii.gz", image)
        write_nifti(tmp_path / "maps" / f"{id}.nii.gz", refine_input.labels)
    folders = ["--labels", tmp_path / "maps", "--artefact", gated / "work" / "decided"]
    outputs = [["--output", tmp_path / name] for name in ("with", "without")]
    capsys.readouterr()
    assert refine(list(map(str, [*folders, "--images", tmp_path / "scans", *outputs[0]]))) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(row["voxels"] for line in lines for row in line["gates"]) > 0
    for seed, reference in references.items():
        refined = read_volume(tmp_path / "with" / f"case-{seed}.nii.gz", np.uint8).array
        np.testing.assert_array_equal(refined, reference.T)  # nibabel's axes are x, y, z
    assert refine(list(map(str, [*folders, *outputs[1]]))) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["skipped"] for line in lines for row in line["gates"]} == {
        "no image of sequence t1c, t1n, t2f, t2w"
    }


@pytest.mark.slow
def test_a_limit_of_lost_lesions_that_cannot_be_shown_ships_none(gated, tmp_path, capsys) -> None:
    work = tmp_path / "work"
    shutil.copytree(gated / "work", work)
    assert main(["gate", str(work), "--lost-at-most", "0.02"]) == 0
    out = capsys.readouterr().out
    assert "ships: no gates" in out and "gates do not pass: " in out
    assert load_artefacts(work / "decided", GLI).gates == ()
    assert load_artefacts(work / "decided", GLI).fit["gates"]["ships"] is False
    assert main(["search", str(work), "--scorer", SCORER.name]) == 0
    assert "gates" not in load_artefacts(work / "decided", GLI).fit
    assert not (work / "gate.json").exists()


def test_a_search_of_an_older_program_and_a_missing_one_are_refused(
    gated, tmp_path, capsys
) -> None:
    work = tmp_path / "work"
    shutil.copytree(gated / "work", work)
    search = json.loads((work / "search.json").read_text())
    for key in ("held_out_rules", "far"):
        older = {name: value for name, value in search.items() if name != key}
        (work / "search.json").write_text(json.dumps(older))
        assert main(["gate", str(work)]) == 2
        assert "search.json: of an older program; run lab search again" in capsys.readouterr().err
    search["cases"] = search["cases"][1:]
    (work / "search.json").write_text(json.dumps(search))
    assert main(["gate", str(work)]) == 2
    assert "search.json: not the cases of the cohort" in capsys.readouterr().err
    (work / "search.json").unlink()
    assert main(["gate", str(work)]) == 2
    assert "`python -m lab search` makes it" in capsys.readouterr().err
