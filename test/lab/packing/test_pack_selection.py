"""Candidates judged apart ship together: their folds, the chosen shares, the same probabilities."""

import json
from pathlib import Path
from typing import Any

import files
import numpy as np
import pytest
import tiny
import torch

from challenge.case import Case
from challenge.provenance import Provenance, content_sha256, hash_json, write_provenance
from challenge.scheme import SCHEMES
from ensemble.engine import Engine
from ensemble.manifest import verify_model
from ensemble.predict import predict
from lab.__main__ import main as lab
from lab.member_selection.probability_maps import Candidate, write_candidate
from lab.member_selection.summary import SCHEMA
from lab.packing.model_card import card
from lab.provenance.records import model_record
from postprocess.artefacts import load_artefacts

GLI = SCHEMES["brats-gli"]
IMAGES = {s: files.head(i).astype(np.float32) for i, s in enumerate(GLI.sequences)}
CASE = Case("a", IMAGES, (1.0, 1.0, 1.0))


def probabilities(folder: Path) -> np.ndarray:
    model = verify_model(folder / "MANIFEST.json")
    return list(predict(CASE, model, Engine(torch.device("cpu"), "torch")))[-1].probabilities


@pytest.fixture
def selection(tmp_path: Path) -> Path:
    """Write the selection of two packed candidates of one plan: two folds and one."""
    candidates, records = {}, {}
    for name, folds in (("default", (0, 1)), ("strong", (2,))):
        source = tiny.train(tmp_path / name, tiny.plans(), tiny.dataset(), folds=folds)
        flags = ["--model", name, "--scheme", "brats-gli", "--out", str(tmp_path / "packed")]
        answers = ["--answers", "brats-ssa,brats-gli"]  # which the selection inherits
        assert lab(["pack", str(source), *flags, *answers]) == 0
        packed = tmp_path / "packed" / name
        head = verify_model(packed / "MANIFEST.json").head
        home = tmp_path / "maps" / name
        home.mkdir(parents=True)
        write_candidate(Candidate(name, home, GLI, head, {}, 1.0, packed))
        (home / "a.npz").write_text(name)
        maps = mark_maps(home, packed)
        candidates[name] = str(home)
        records[f"candidate {name}"] = maps
    content = {
        "schema": SCHEMA,
        "scheme": "brats-gli",
        "scorer": "2025-gli",
        "objective": "overlap",
        "cases": 9,
        "baseline": "equal",
        "ships": "greedy",
        "reason": ["greedy ships: +0.0100 mean overlap over equal weights"],
        "weights": {"default": 0.75, "strong": 0.25},
        "candidates": candidates,
        "strategies": {"greedy": {"gain": 0.01, "interval": [0.005, 0.015], "p": 0.001}},
    }
    path = tmp_path / "selection.json"
    write_selection(path, content, records)
    return path


def mark_maps(folder: Path, packed: Path) -> Provenance:
    """Write and return the record of maps that a packed model made out of fold."""
    inputs = {"model": model_record(packed, with_rules=False)}
    sha256 = content_sha256(folder)
    record = Provenance("probability maps", folder.name, sha256, "out-of-fold", inputs=inputs)
    write_provenance(folder, record)
    return record


def write_selection(path: Path, content: dict[str, Any], records: dict[str, Provenance]) -> None:
    """Write a selection with its record, as `lab select` does."""
    record = Provenance("selection", path.name, hash_json(content), "select", inputs=records)
    path.write_text(json.dumps(content | {"provenance": record.to_json()}))


def pack(path: Path, model: str, *words: str) -> int:
    flags = ["--scheme", "brats-gli", "--out", str(path.parent / "weights"), "--model", model]
    return lab(["pack", "--selection", str(path), *flags, *words])


def manifest_of(path: Path, model: str) -> dict[str, Any]:
    return dict(json.loads((path.parent / "weights" / model / "MANIFEST.json").read_text()))


def test_a_selection_becomes_a_model(selection: Path, tmp_path: Path) -> None:
    assert pack(selection, "both") == 0
    manifest = manifest_of(selection, "both")
    assert [entry["weight"] for entry in manifest["members"]] == [0.375, 0.375, 0.25]
    assert manifest["selection"]["gain"] == 0.01
    artefacts = load_artefacts(tmp_path / "weights" / "both", GLI)
    text = "\n".join(card(manifest, GLI, artefacts, "", [("precision", "float32")]))
    assert "| precision | float32 |" in text
    assert "Members: greedy, by 2025-gli (overlap) on 9 cases" in text
    assert "- greedy ships: +0.0100 mean overlap over equal weights" in text
    assert manifest["answers"] == ["brats-ssa", "brats-gli"]
    expected = 0.75 * probabilities(tmp_path / "packed" / "default")
    expected += 0.25 * probabilities(tmp_path / "packed" / "strong")
    packed_maps = probabilities(tmp_path / "weights" / "both")
    np.testing.assert_allclose(packed_maps, expected, atol=2e-3)


def test_a_candidate_that_was_a_selection_ships_as_it_was_scored(
    selection: Path, tmp_path: Path
) -> None:
    """Its members' weights stay in proportion, and its groups average their probabilities."""
    assert pack(selection, "both") == 0
    candidates = {}
    for name, packed in (("both", "weights/both"), ("default", "packed/default")):
        model = verify_model(tmp_path / packed / "MANIFEST.json")
        home = tmp_path / "again" / name
        home.mkdir(parents=True)
        write_candidate(Candidate(name, home, GLI, model.head, {}, 1.0, model.folder))
        candidates[name] = str(home)
    content = json.loads(selection.read_text()) | {"candidates": candidates}
    content["weights"] = {"both": 0.8, "default": 0.2}
    del content["provenance"]
    selection.write_text(json.dumps(content))
    assert pack(selection, "second", "--foreign") == 0
    entries = manifest_of(selection, "second")["members"]
    assert [entry["weight"] for entry in entries] == [0.3, 0.3, 0.2, 0.1, 0.1]
    assert len({entry["group"] for entry in entries}) == 3
    expected = 0.8 * probabilities(tmp_path / "weights" / "both")
    expected += 0.2 * probabilities(tmp_path / "packed" / "default")
    packed_maps = probabilities(tmp_path / "weights" / "second")
    np.testing.assert_allclose(packed_maps, expected, atol=2e-3)


def test_shares_by_channel_are_divided_among_a_candidates_folds(
    selection: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads(selection.read_text())
    channels = ("background", "NETC", "SNFH", "ET", "RC")
    most, rest = dict.fromkeys(channels, 0.75), dict.fromkeys(channels, 0.25)
    content["weights"] = {"default": most | {"ET": 0.0}, "strong": rest | {"ET": 1.0}}
    selection.write_text(json.dumps(content))
    assert pack(selection, "both", "--foreign") == 0
    manifest = manifest_of(selection, "both")
    half = dict.fromkeys(channels, 0.375) | {"ET": 0.0}
    assert [entry["weight"] for entry in manifest["members"]] == [half, half, rest | {"ET": 1.0}]
    assert manifest["schema"] == 4
    printed = capsys.readouterr().out
    words = "weight background 0.375, NETC 0.375, SNFH 0.375, ET 0, RC 0.375)"
    assert f"default-default: 0, 1 (checkpoint_final, {words}" in printed
    path = Path(json.loads(selection.read_text())["candidates"]["default"]).parents[1]
    packed = path / "packed" / "default" / "MANIFEST.json"
    entries = json.loads(packed.read_text())
    entries["members"][0]["weight"] = 2.0
    packed.write_text(json.dumps(entries))
    assert pack(selection, "third", "--foreign") == 2
    assert "folds of one network have other weights each" in capsys.readouterr().err


def test_candidates_that_answer_different_challenges_need_answers(
    selection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "packed" / "strong" / "MANIFEST.json"
    other.write_text(json.dumps(json.loads(other.read_text()) | {"answers": ["brats-gli"]}))
    capsys.readouterr()
    assert pack(selection, "third") == 2
    assert "candidates answer different challenges" in capsys.readouterr().err
    assert pack(selection, "third", "--answers", "brats-gli") == 0
    assert manifest_of(selection, "third")["answers"] == ["brats-gli"]


def test_a_selection_that_cannot_be_packed_is_named(
    selection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, content = selection, json.loads(selection.read_text())
    path.write_text(json.dumps(content | {"schema": 1}))
    flags = ["--scheme", "brats-gli", "--out", str(tmp_path / "weights"), "--model", "other"]
    capsys.readouterr()
    for words, message in (
        (
            ["--selection", str(path)],
            f"{path}: schema 1, this program reads {SCHEMA}; run `python -m lab select`",
        ),
        ([], "either sources or --selection"),
        (["--selection", str(path), "--no-mirroring"], f"{path}: --no-mirroring is of sources"),
        (["--selection", str(tmp_path / "none.json")], "none.json: missing"),
    ):
        assert lab(["pack", *words, *flags]) == 2
        assert message in capsys.readouterr().err
    del content["strategies"]
    path.write_text(json.dumps(content))
    assert pack(path, "other") == 2
    assert f"{path}: not a selection (KeyError('strategies'))" in capsys.readouterr().err


def test_maps_and_models_that_changed_after_the_selection_are_refused_by_name(
    selection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tiny.train(tmp_path / "other", tiny.plans(), tiny.dataset(), folds=(2,), seed=5)
    packed = tmp_path / "packed" / "strong"
    packed.rename(tmp_path / "before")
    words = ["--model", "strong", "--scheme", "brats-gli", "--answers", "brats-ssa,brats-gli"]
    assert lab(["pack", str(other), *words, "--out", str(tmp_path / "packed")]) == 0
    capsys.readouterr()
    assert pack(selection, "both") == 2
    message = capsys.readouterr().err
    assert f"{tmp_path / 'maps' / 'strong'}: made from predictions of model strong (" in message
    assert not (tmp_path / "weights" / "both").exists()
    assert pack(selection, "both", "--foreign") == 0
    record = manifest_of(selection, "both")["provenance"]["selection"]
    assert "made from predictions of model strong (" in record["facts"]["foreign"][0]

    (tmp_path / "maps" / "default" / "a.npz").write_text("other")
    assert pack(selection, "third") == 2
    assert "files were changed, added or removed after `lab out-of" in capsys.readouterr().err


def test_a_changed_weight_is_refused(selection: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads(selection.read_text())
    content["weights"]["strong"] = 0.5
    selection.write_text(json.dumps(content))
    assert pack(selection, "both") == 2
    assert f"{selection}: changed after `lab select` wrote it" in capsys.readouterr().err


def test_a_candidate_of_two_sources_predicts_as_its_own_model(tmp_path: Path) -> None:
    """Sources of one candidate average probabilities, though their plans are alike."""
    sources = [
        tiny.train(tmp_path / f"s{seed}", tiny.plans(), tiny.dataset(), (0, 1), seed)
        for seed in (0, 50)
    ]
    words = ["--scheme", "brats-gli", "--out", str(tmp_path / "packed"), "--weight", "3", "1"]
    assert lab(["pack", *map(str, sources), "--model", "pair", *words]) == 0
    packed, home = tmp_path / "packed" / "pair", tmp_path / "maps" / "pair"
    home.mkdir(parents=True)
    head = verify_model(packed / "MANIFEST.json").head
    write_candidate(Candidate("pair", home, GLI, head, {}, 1.0, packed))
    maps = mark_maps(home, packed)
    content = {
        "schema": SCHEMA,
        "scheme": "brats-gli",
        "scorer": "2025-gli",
        "objective": "overlap",
        "cases": 9,
        "baseline": "equal",
        "ships": "greedy",
        "reason": [],
        "weights": {"pair": 1.0},
        "candidates": {"pair": str(home)},
        "strategies": {"greedy": {"gain": 0.01, "interval": [0.005, 0.015], "p": 0.001}},
    }
    write_selection(tmp_path / "selection.json", content, {"candidate pair": maps})
    assert pack(tmp_path / "selection.json", "ships") == 0
    members = manifest_of(tmp_path / "selection.json", "ships")["members"]
    assert [entry["weight"] for entry in members] == [0.375, 0.375, 0.125, 0.125]
    np.testing.assert_array_equal(
        probabilities(tmp_path / "weights" / "ships"), probabilities(packed)
    )
