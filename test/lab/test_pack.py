"""A team's own folds, from a folder or an export zip, become a model that verifies."""

import json
import zipfile
from pathlib import Path

import pytest
import tiny
import torch

from challenge.scheme import SCHEMES
from ensemble.manifest import verify_model
from lab.__main__ import main as lab
from lab.checkpoints import read_training_checkpoint, slim_checkpoint
from lab.fresh import answer
from lab.label_names import label_names
from lab.release import check_fresh

GLI = SCHEMES["brats-gli"]


def pack(source: Path, out: Path, *flags: str) -> Path:
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out", str(out), *flags])
    return out / "m"


def test_a_manifest_tells_everything(tmp_path: Path) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    folder = pack(source, tmp_path / "weights", "--note", "for tests")
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    first = manifest["members"][0]
    assert (first["fold"], first["checkpoint"], first["weight"]) == ("0", "checkpoint_final", 1)
    assert first["labels"] == {"1": "NETC", "2": "SNFH", "3": "ET", "4": "RC"}
    assert len(first["sha256"]) == 64 and first["size_bytes"] > 0
    assert first["provenance"]["trainer"] == "nnUNetTrainer"
    assert {"trained/plans.json", "trained/dataset.json"} < set(manifest["files"])
    model = verify_model(folder / "MANIFEST.json")
    assert (model.note, len(model.members), model.step, model.mirroring) == (
        "for tests",
        2,
        0.5,
        False,
    )


def test_slim_means_half_precision_each_tensor_once_and_stock_opens_it(tmp_path: Path) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    slim = pack(source, tmp_path / "weights") / "trained" / "fold_0" / "checkpoint_final.pth"
    content = torch.load(slim, weights_only=True)
    weights = content["network_weights"]
    values = {v.untyped_storage().data_ptr(): v.numel() for v in weights.values()}
    trained = read_training_checkpoint(source / "fold_0" / "checkpoint_final.pth")
    assert {v.dtype for v in weights.values()} == {torch.float16}
    assert set(weights) == set(trained["network_weights"])
    assert sum(values.values()) < sum(v.numel() for v in weights.values()) / 2
    assert slim.stat().st_size < sum(values.values()) * 2 + 60_000

    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(str(slim.parents[1]), (0,))
    assert predictor.allowed_mirroring_axes == (0, 1, 2)


def test_a_value_too_large_for_half_precision_stays_single() -> None:
    content = {"network_weights": {"a": torch.tensor([1e6])}, "init_args": {"configuration": "c"}}
    assert slim_checkpoint(content)["network_weights"]["a"].dtype == torch.float32


def test_an_exported_zip(tmp_path: Path) -> None:
    inside = "Dataset999_Tiny/nnUNetTrainer__nnUNetPlans__3d_fullres"
    tiny.train(tmp_path / "results" / inside, tiny.plans(), tiny.dataset())
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in (tmp_path / "results").rglob("*"):
            archive.write(path, path.relative_to(tmp_path / "results"))
    folder = pack(tmp_path / "export.zip", tmp_path / "weights")
    assert len(verify_model(folder / "MANIFEST.json").members) == 1


def test_two_sources_with_one_folder_name(tmp_path: Path) -> None:
    a = tiny.train(tmp_path / "a" / "same", tiny.plans(), tiny.dataset())
    b = tiny.train(tmp_path / "b" / "same", tiny.plans(spacing_mm=(2, 2, 2)), tiny.dataset())
    out = ["--out", str(tmp_path / "weights")]
    lab(["pack", str(a), str(b), "--model", "m", "--scheme", "brats-gli", *out])
    members = verify_model(tmp_path / "weights" / "m" / "MANIFEST.json").members
    assert [m.plan.spacing_mm for m in members] == [(1, 1, 1), (2, 2, 2)]


@pytest.mark.parametrize(
    ("labels", "scheme", "expected"),
    [
        ({"NCR": 1, "ED": 2, "ET": 3}, "brats-ssa", {"NETC": 1, "SNFH": 2, "ET": 3}),
        ({"edema": 1, "necrosis": 2, "enhancing tumor": 3}, "brats-ssa",
         {"SNFH": 1, "NETC": 2, "ET": 3}),
        ({"whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]}, "brats-goat",
         {"NETC": 1, "SNFH": 2, "ET": 3}),
        ({"whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": 3,
          "resection cavity": 4}, "brats-gli", {"SNFH": 1, "NETC": 2, "ET": 3, "RC": 4}),
        ({"tumor": 1}, "panther-t1", {"tumour": 1}),
        ({"pancreas": 1, "cancer lesion": 2, "lesion": 2}, "panther-t1",
         {"pancreas": 1, "tumour": 2}),  # MSD's order
        ({"ET": 1, "NETC": 2, "CC": 3, "ED": 4}, "brats-ped",
         {"ET": 1, "NETC": 2, "CC": 3, "ED": 4}),
    ],
)  # fmt: skip
def test_which_value_is_which_label(labels: dict, scheme: str, expected: dict) -> None:
    dataset = {"labels": {"background": 0, **labels}}
    assert label_names(dataset, SCHEMES[scheme]) == expected


def test_values_without_a_name_must_be_told(tmp_path: Path) -> None:
    labels = {"background": 0, "class 1": 1, "class 2": 2, "class 3": 3}
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(labels))
    with pytest.raises(SystemExit, match="--labels NAME=VALUE"):
        pack(source, tmp_path / "weights")
    folder = pack(source, tmp_path / "weights", "--labels", "ET=1,NETC=2,SNFH=3")
    head = verify_model(folder / "MANIFEST.json").head
    assert head.paints == ("", "ET", "NETC", "SNFH")


def test_foreign_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    path = source / "fold_0" / "checkpoint_final.pth"
    torch.save({"network_weights": {}, "trap": Path.cwd}, path)
    with pytest.raises(SystemExit, match="cannot be opened as numbers and tensors"):
        pack(source, tmp_path / "weights")
    assert not (tmp_path / "weights" / "m").exists()


def test_a_release_has_a_card_and_was_loaded_in_a_fresh_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    artefact = Path(__file__).resolve().parents[2] / "weights" / "brats-gli"
    folder = pack(source, tmp_path / "weights", "--release", "--artefact", str(artefact),
                  "--data", "Cubes.", "--note", "for tests")  # fmt: skip
    assert "2 members load in a fresh process, within " in capsys.readouterr().out
    card = (folder / "MODEL_CARD.md").read_text()
    for told in ("# m", "for tests", "Cubes.", "| 4 | RC | yes |", "| trained | 1 |",
                 "No medical device", "pooled, by 2025-gli on 60 cases"):  # fmt: skip
        assert told in card
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    assert {"MODEL_CARD.md", "postprocess.json", "clusters.npz"} < set(manifest["files"])


def test_a_release_that_answers_otherwise_in_a_fresh_process_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    folder = pack(source, tmp_path / "weights")
    with monkeypatch.context() as here:
        here.setattr("lab.release.answer", lambda member: answer(member) * 1.01)
        with pytest.raises(SystemExit, match="answer otherwise in a fresh process"):
            check_fresh(folder / "MANIFEST.json")
    (folder / "trained" / "plans.json").unlink()
    with pytest.raises(SystemExit, match="does not load in a fresh process"):
        check_fresh(folder / "MANIFEST.json")


def test_a_folds_origin_is_packed_without_the_machines_paths(tmp_path: Path) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    told = {"stage": "full", "commit": "abc", "start": "/home/x/y.pth", "start_sha256": "1f",
            "settings": {"lr": 0.01}, "hours": 3.0}  # fmt: skip
    (source / "fold_1" / "provenance.json").write_text(json.dumps(told))
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out", str(tmp_path)])
    text = (tmp_path / "m" / "MANIFEST.json").read_text()
    first, second = (entry["provenance"] for entry in json.loads(text)["members"])
    assert "recipe" not in first
    assert second["recipe"] == {
        "stage": "full", "commit": "abc", "start_sha256": "1f", "settings": {"lr": 0.01}
    }  # fmt: skip
    assert "/home" not in text
