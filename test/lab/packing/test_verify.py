"""`python -m lab verify` says which file of which model is wrong."""

import json
import re
from pathlib import Path

import pytest
import tiny

from ensemble.manifest import MANIFEST
from lab.__main__ import main
from lab.packing import verify
from lab.packing.write_manifest import write_manifest


@pytest.fixture
def weights(tmp_path, monkeypatch):
    folder = tmp_path / "demo"
    folder.mkdir()
    manifest = {"schema": 1, "model": "demo", "scheme": "brats-gli", "members": [], "files": {}}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    # A model without members is enough for the half that is tested here.
    for name in ("members", "what it is", "synthetic case"):
        monkeypatch.setitem(verify.CHECKS, name, lambda manifest: "not looked at")
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


@pytest.fixture
def stumbling(tmp_path):
    """A model that loads, with hashes that are right, whose network takes no tile of its patch."""
    source = tiny.train(tmp_path / "gli", tiny.plans(), tiny.dataset())
    out = ["--out", str(tmp_path / "weights")]
    assert main(["pack", str(source), "--model", "m", "--scheme", "brats-gli", *out]) == 0
    folder = tmp_path / "weights" / "m"
    plans = json.loads((folder / "gli" / "plans.json").read_text())
    plans["configurations"]["3d_fullres"]["patch_size"] = [16, 16, 18]
    (folder / "gli" / "plans.json").write_text(json.dumps(plans))
    write_manifest(folder, json.loads((folder / MANIFEST).read_text()))
    return tmp_path / "weights"


def test_what_only_a_case_trips_over_fails_by_name(stumbling, capsys):
    assert main(["verify", "--weights", str(stumbling)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "m: members: 1 members, hashes right, checkpoints open" in lines
    (message,) = [line for line in lines if line.startswith("m: synthetic case")]
    assert message.startswith("m: synthetic case FAILED: m: a synthetic case fails (")


def test_quick_tries_no_case_and_says_so(stumbling, capsys):
    assert main(["verify", "--weights", str(stumbling), "--quick"]) == 0
    assert "m: synthetic case: not run, --quick" in capsys.readouterr().out


@pytest.mark.slow
def test_the_weights_that_ship_take_a_case(capsys):
    weights = Path(__file__).resolve().parents[3] / "weights"
    assert main(["verify", "--weights", str(weights)]) == 0
    lines = capsys.readouterr().out.splitlines()
    tried = [line for line in lines if re.match(r"\S+: synthetic case: ", line)]
    assert [line.split(":")[0] for line in tried] == ["brats-gli", "panther-t1", "panther-t2"]
    assert "SNFH 0.0 mL" not in tried[0] and "tumour 0.0 mL" not in tried[1]
