"""Candidates judged apart ship together: their folds, the chosen shares, the same probabilities."""

import json
from pathlib import Path

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


def test_a_selection_becomes_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    candidates = {}
    for name, folds in (("default", (0, 1)), ("strong", (2,))):  # one plan, two recipes
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
    selection = {
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
    path.write_text(json.dumps(selection))
    flags = ["--scheme", "brats-gli", "--out", str(tmp_path / "weights"), "--model", "both"]
    assert lab(["pack", "--selection", str(path), *flags]) == 0
    manifest = json.loads((tmp_path / "weights" / "both" / "MANIFEST.json").read_text())
    assert [entry["weight"] for entry in manifest["members"]] == [0.375, 0.375, 0.25]
    assert manifest["selection"]["gain"] == 0.01
    assert manifest["answers"] == ["brats-ssa", "brats-gli"]
    expected = 0.75 * probabilities(tmp_path / "packed" / "default")
    expected += 0.25 * probabilities(tmp_path / "packed" / "strong")
    packed_maps = probabilities(tmp_path / "weights" / "both")
    np.testing.assert_allclose(packed_maps, expected, atol=2e-3)

    other = tmp_path / "packed" / "strong" / "MANIFEST.json"
    other.write_text(json.dumps(json.loads(other.read_text()) | {"answers": ["brats-gli"]}))
    flags[-1] = "third"
    capsys.readouterr()
    assert lab(["pack", "--selection", str(path), *flags]) == 2
    assert "candidates answer different challenges" in capsys.readouterr().err
    assert lab(["pack", "--selection", str(path), *flags, "--answers", "brats-gli"]) == 0
    manifest = json.loads((tmp_path / "weights" / "third" / "MANIFEST.json").read_text())
    assert manifest["answers"] == ["brats-gli"]

    path.write_text(json.dumps(selection | {"schema": 1}))
    flags[-1] = "other"
    capsys.readouterr()
    for words, message in (
        (["--selection", str(path)], f"{path}: schema 1, this program reads 2"),
        ([], "either sources or --selection"),
        (["--selection", str(path), "--mirroring"], f"{path}: --mirroring is of sources"),
        (["--selection", str(tmp_path / "none.json")], "none.json: missing"),
    ):
        assert lab(["pack", *words, *flags]) == 2
        assert message in capsys.readouterr().err
    del selection["strategies"]
    path.write_text(json.dumps(selection))
    assert lab(["pack", "--selection", str(path), *flags]) == 2
    assert f"{path}: not a selection (KeyError('strategies'))" in capsys.readouterr().err
