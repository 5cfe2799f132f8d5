"""A team's folds, from a folder or an export zip, become a model that verifies."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch
from packer import change_checkpoint, pack

from ensemble.manifest import accepts_missing_sequences, verify_model
from lab.__main__ import main as lab
from lab.training.checkpoints import read_training_checkpoint

Run = Callable[..., tuple[int, str, str]]


def test_a_manifest_has_members_hashes_and_settings(tmp_path: Path) -> None:
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
        True,
    )


def test_missing_sequences_are_accepted_where_the_packer_says_so(tmp_path: Path) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    for flag in ("--missing-sequences", "--accepts-missing"):
        manifest = pack(source, tmp_path / flag, flag) / "MANIFEST.json"
        assert json.loads(manifest.read_text())["settings"]["accepts_missing"] is True
        assert accepts_missing_sequences(manifest)
    assert not accepts_missing_sequences(pack(source, tmp_path / "weights") / "MANIFEST.json")


@pytest.mark.parametrize(
    ("flags", "dtype"), [((), torch.float32), (("--half",), torch.float16)], ids=["exact", "half"]
)
def test_weights_are_packed_as_trained_each_tensor_once_and_stock_opens_them(
    tmp_path: Path, flags: tuple[str, ...], dtype: torch.dtype
) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    folder = pack(source, tmp_path / "weights", *flags)
    slim = folder / "trained" / "fold_0" / "checkpoint_final.pth"
    content = torch.load(slim, weights_only=True)
    weights = content["network_weights"]
    values = {v.untyped_storage().data_ptr(): v.numel() for v in weights.values()}
    trained = read_training_checkpoint(source / "fold_0" / "checkpoint_final.pth")
    assert {v.dtype for v in weights.values()} == {dtype}
    assert set(weights) == set(trained["network_weights"])
    for name, value in trained["network_weights"].items():
        assert torch.equal(weights[name], value.to(dtype))
    kernel = next(v for v in trained["network_weights"].values() if v.dim() == 5)
    assert not torch.equal(kernel, kernel.half().float())  # rounding would show
    assert sum(values.values()) < sum(v.numel() for v in weights.values()) / 2
    assert slim.stat().st_size < sum(values.values()) * dtype.itemsize + 60_000

    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(str(slim.parents[1]), (0,))
    assert predictor.allowed_mirroring_axes == (0, 1, 2)


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


def test_a_checkpoint_of_numpy_1_is_packed(tmp_path: Path) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    tiny.as_numpy_1(source / "fold_0" / "checkpoint_final.pth")
    assert len(verify_model(pack(source, tmp_path / "weights") / "MANIFEST.json").members) == 1


@pytest.mark.parametrize("checkpoint", ["best", "latest"])
def test_another_checkpoint(tmp_path: Path, checkpoint: str) -> None:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset(), folds=(0, 1))
    for fold in (0, 1):
        path = source / f"fold_{fold}" / "checkpoint_final.pth"
        path.rename(path.with_name(f"checkpoint_{checkpoint}.pth"))
    folder = pack(source, tmp_path / "weights", "--checkpoint", checkpoint)
    names = [m.checkpoint.name for m in verify_model(folder / "MANIFEST.json").members]
    assert names == [f"checkpoint_{checkpoint}.pth"] * 2


def test_a_batch_norm_trainer_is_packed_as_it_was_built(tmp_path: Path) -> None:
    plans = tiny.plans()
    settings = plans["configurations"]["3d_fullres"]
    settings["architecture"]["arch_kwargs"]["norm_op"] = "torch.nn.BatchNorm3d"
    source = tiny.train(tmp_path / "trained", plans, tiny.dataset())
    (source / "plans.json").write_text(json.dumps(tiny.plans()))  # names instance norm, as always
    change_checkpoint(source, trainer_name="nnUNetTrainerBN")
    folder = pack(source, tmp_path / "weights", "--release")
    (member,) = verify_model(folder / "MANIFEST.json").members
    assert member.plan.arguments["norm_op"].endswith("BatchNorm3d")
