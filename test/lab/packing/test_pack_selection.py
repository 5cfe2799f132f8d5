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
from challenge.scheme import SCHEMES
from ensemble.engine import Engine
from ensemble.manifest import verify_model
from ensemble.predict import predict
from lab.__main__ import main as lab
from lab.member_selection.probability_maps import Candidate, write_candidate

GLI = SCHEMES["brats-gli"]
IMAGES = {s: files.head(i).astype(np.float32) for i, s in enumerate(GLI.sequences)}
CASE = Case("a", IMAGES, (1.0, 1.0, 1.0))


def probabilities(folder: Path) -> np.ndarray:
    model = verify_model(folder / "MANIFEST.json")
    return list(predict(CASE, model, Engine(torch.device("cpu"), "torch")))[-1].probabilities


@pytest.fixture
def selection(tmp_path: Path) -> Path:
    """Write the selection of two packed candidates of one plan: two folds and one."""
    candidates = {}
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
        candidates[name] = str(home)
    content = {
        "schema": 2,
        "scheme": "brats-gli",
        "scorer": "2025-gli",
        "objective": "overlap",
        "cases": 9,
        "ships": "greedy",
        "weights": {"default": 0.75, "strong": 0.25},
        "candidates": candidates,
        "strategies": {"greedy": {"gain": 0.01, "interval": [0.005, 0.015]}},
    }
    path = tmp_path / "selection.json"
    path.write_text(json.dumps(content))
    return path


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
    assert manifest["answers"] == ["brats-ssa", "brats-gli"]
    expected = 0.75 * probabilities(tmp_path / "packed" / "default")
    expected += 0.25 * probabilities(tmp_path / "packed" / "strong")
    packed_maps = probabilities(tmp_path / "weights" / "both")
    np.testing.assert_allclose(packed_maps, expected, atol=2e-3)


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
        (["--selection", str(path)], f"{path}: schema 1, this program reads 2"),
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
