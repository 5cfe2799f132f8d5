"""`python -m lab verify` says which file of which model is wrong."""

import json

import pytest

from ensemble.manifest import MANIFEST
from lab import verify
from lab.__main__ import main


@pytest.fixture
def weights(tmp_path, monkeypatch):
    folder = tmp_path / "demo"
    folder.mkdir()
    manifest = {"schema": 1, "model": "demo", "scheme": "brats-gli", "members": [], "files": {}}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    # A model without members is enough for the half that is tested here.
    monkeypatch.setitem(verify.CHECKS, "members", lambda manifest: "not looked at")
    return tmp_path


def test_a_model_without_rules_passes_and_says_so(weights, capsys):
    assert main(["verify", "--weights", str(weights)]) == 0
    assert "demo: post-processing: none, labels stay" in capsys.readouterr().out


def test_half_an_artefact_fails_by_name(weights, capsys):
    (weights / "demo" / "postprocess.json").write_text("{}")
    assert main(["verify", "--weights", str(weights)]) == 1
    assert "demo: post-processing FAILED" in (out := capsys.readouterr().out)
    assert "clusters.npz: missing" in out


def test_a_folder_without_models_is_refused(tmp_path, capsys):
    assert main(["verify", "--weights", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"{tmp_path}: no {MANIFEST} here or one folder down\n"
