"""The chain of a product, printed as a tree; what has no record is of unknown origin."""

import json
from pathlib import Path

import pytest
import tiny

from challenge.provenance import NAME, Provenance, folder_record, write_provenance
from lab.__main__ import main as lab
from lab.provenance.records import model_record, networks_sha256

ROOT = Path(__file__).resolve().parents[3]


def packed(folder: Path, *flags: str, seed: int = 0) -> Path:
    source = tiny.train(folder / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1), seed=seed)
    words = ["--model", "m", "--scheme", "brats-gli", "--out", str(folder), *flags]
    assert lab(["pack", str(source), *words]) == 0
    return folder / "m"


def test_a_models_identity_is_its_networks(tmp_path: Path) -> None:
    first = model_record(packed(tmp_path / "a"))
    second = model_record(packed(tmp_path / "b", "--note", "another note"))
    third = model_record(packed(tmp_path / "c", seed=7))
    half_step = model_record(packed(tmp_path / "d", "--step", "0.25"))
    assert first.sha256 == second.sha256
    assert len({first.sha256, third.sha256, half_step.sha256}) == 3


def test_a_label_name_changes_a_models_identity(tmp_path: Path) -> None:
    manifest = json.loads((packed(tmp_path) / "MANIFEST.json").read_text())
    before = networks_sha256(manifest)
    manifest["members"][0]["labels"] = {"1": "SNFH", "2": "NETC", "3": "ET", "4": "RC"}
    assert networks_sha256(manifest) != before


def test_files_changed_after_their_verb_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_text("1")
    outside = folder_record(tmp_path, "label maps", [tmp_path / "a.nii.gz"])
    assert (outside.verb, outside.facts) == ("", {"files": 1})
    record = Provenance("label maps", "oof", outside.sha256, verb="out-of-fold")
    write_provenance(tmp_path, record)
    assert folder_record(tmp_path, "label maps", []) == record
    (tmp_path / "a.nii.gz").write_text("2")
    with pytest.raises(ValueError, match="files were changed, added or removed after `lab out-of"):
        folder_record(tmp_path, "label maps", [])
    write_provenance(tmp_path, Provenance("label maps", "oof", "", verb="out-of-fold"))
    with pytest.raises(ValueError, match="was stopped before all was written; run it again"):
        folder_record(tmp_path, "label maps", [])


def test_the_chain_is_a_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort = Provenance("cohort", "Dataset1", "c" * 64, facts={"cases": 3})
    model = Provenance("model", "m", "b" * 64, verb="pack", options={"step": 0.5}, version="1")
    inputs = {"model": model, "cohort": cohort}
    labels = Provenance("label maps", "oof", "a" * 64, verb="out-of-fold", inputs=inputs)
    write_provenance(tmp_path, labels)
    assert lab(["trace", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "label maps oof, sha256 aaaaaaaaaaaa, by `lab out-of-fold`",
        "├── model m, sha256 bbbbbbbbbbbb, by `lab pack --step 0.5`, version 1",
        "└── cohort Dataset1, sha256 cccccccccccc, from outside, cases 3",
    ]


def test_a_folds_training_is_the_end_of_the_chain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {"stage": "long", "dataset": "Dataset504", "settings": {"epochs": 40}}
    (tmp_path / NAME).write_text(json.dumps(content))
    assert lab(["trace", str(tmp_path)]) == 0
    assert "by `lab train`" in (line := capsys.readouterr().out)
    assert "stage long, dataset Dataset504, settings {epochs 40}" in line


@pytest.mark.parametrize("name", ["brats-gli", "panther-t1", "panther-t2"])
def test_weights_that_ship_have_a_chain(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab(["trace", str(ROOT / "weights" / name)]) == 0
    lines = capsys.readouterr().out.splitlines()
    members = model_record(ROOT / "weights" / name).facts["members"]
    assert lines[0].startswith(f"model {name}, sha256 ")
    assert sum("checkpoint" in line for line in lines) == members
    (rules,) = (number for number, line in enumerate(lines) if "── rules search.json" in line)
    assert rules == members + 1
    # Rules were fitted on predictions of this model, whose members are not listed twice.
    (model,) = (line for line in lines[rules:] if "── model " in line)
    (maps,) = (line for line in lines[rules:] if "probability maps" in line)
    assert model.endswith("inputs as above") and maps.endswith("inputs as above")


def test_what_has_no_record_is_of_unknown_origin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("")
    assert lab(["trace", str(tmp_path / "a.txt")]) == 2
    assert "a.txt: of unknown origin; no record in" in capsys.readouterr().err
