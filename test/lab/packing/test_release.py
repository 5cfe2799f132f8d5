"""A release has a card, tells its origin, and loads in a new process."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
from packer import change_checkpoint, pack

from lab.__main__ import main as lab
from lab.packing.release import ReleaseError, check_reload
from lab.packing.reload_check import answer

Run = Callable[..., tuple[int, str, str]]


def test_a_foreign_trainer_is_in_the_manifest_and_on_the_card(
    tmp_path: Path, run_pack: Run
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    change_checkpoint(source, trainer_name="Own")
    code, out, _ = run_pack(source, tmp_path, "--foreign-trainer", "--release")
    assert code == 0 and "trainer 'Own' does not ship with nnU-Net 2.8.1" in out
    folder = tmp_path / "weights" / "m"
    provenance = json.loads((folder / "MANIFEST.json").read_text())["members"][0]["provenance"]
    assert (provenance["trainer"], provenance["foreign_trainer"]) == ("Own", True)
    assert "| Own, not nnU-Net's own |" in (folder / "MODEL_CARD.md").read_text()


def test_a_release_has_a_card_and_was_loaded_in_a_new_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    artefact = Path(__file__).resolve().parents[3] / "weights" / "brats-gli"
    words = ["--release", "--artefact", str(artefact), "--data", "Cubes.", "--note", "for tests"]
    folder = pack(source, tmp_path / "weights", *words, "--foreign")
    out, err = capsys.readouterr()
    assert f"{artefact}: made from predictions of model " in err
    assert "2 members load in a new process, within " in out
    card = (folder / "MODEL_CARD.md").read_text()
    for message in (
        "# m",
        "for tests",
        "Cubes.",
        "| 4 | RC | yes |",
        "| trained | 1 |",
        "No medical device",
        "| precision | float32 |",
        "| mirroring | axes 0, 1, 2, as trained |",
        "| agreement | random tiles: 0 of 8,192 voxels differ from nnU-Net 2.8.1 |",
        "| agreement | synthetic case: 0 of 1,428 voxels differ from stock, 100.0000% agree |",
        "pooled, fitted for something else; nothing is known of its gain here",
    ):
        assert message in card
    fit = json.loads((artefact / "postprocess.json").read_text())["fit"]
    assert f"{fit['score_with_rules']:.4f}" not in card  # of the model that they were fitted on
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    assert {"MODEL_CARD.md", "postprocess.json", "clusters.npz"} < set(manifest["files"])


def test_a_release_that_answers_otherwise_in_a_new_process_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    folder = pack(source, tmp_path / "weights")
    with monkeypatch.context() as here:
        here.setattr("lab.packing.release.answer", lambda member: answer(member) * 1.01)
        with pytest.raises(ReleaseError, match="answer otherwise in a new process"):
            check_reload(folder / "MANIFEST.json")
    (folder / "trained" / "plans.json").unlink()
    reason = "does not load in a new process: .*plans.json: listed in MANIFEST.json but missing"
    with pytest.raises(ReleaseError, match=reason):
        check_reload(folder / "MANIFEST.json")


def test_a_folds_origin_is_packed_without_the_machines_paths(tmp_path: Path) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    message = {
        "stage": "full",
        "commit": "abc",
        "start": "/home/x/y.pth",
        "start_sha256": "1f",
        "settings": {"lr": 0.01},
        "hours": 3.0,
    }
    (source / "fold_1" / "provenance.json").write_text(json.dumps(message))
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out", str(tmp_path)])
    text = (tmp_path / "m" / "MANIFEST.json").read_text()
    first, second = (entry["provenance"] for entry in json.loads(text)["members"])
    assert "recipe" not in first
    assert second["recipe"] == {
        "stage": "full",
        "commit": "abc",
        "start_sha256": "1f",
        "settings": {"lr": 0.01},
    }
    assert "/home" not in text
