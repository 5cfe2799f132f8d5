"""Checkpoints as training writes them: opened without code, and slim."""

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from ensemble.network import CheckpointError
from lab.training.checkpoints import read_training_checkpoint, slim_checkpoint


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    source = tiny.train(tmp_path / "trained", tiny.plans(), tiny.dataset())
    return source / "fold_0" / "checkpoint_final.pth"


def rewrite(path: Path, is_zip: bool = True, **changes: object) -> Path:
    content = torch.load(path, weights_only=False)
    torch.save(content | changes, path, _use_new_zipfile_serialization=is_zip)
    return path


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "before torch 1.6"])
def test_a_log_of_numpy_1_opens_as_nnunet_opens_it(checkpoint: Path, is_zip: bool) -> None:
    log = {
        "ema": [np.float64(0.5), np.float32(0.25)],
        "lr": np.linspace(0, 1, 5),
        "s": np.str_("x"),
    }
    log |= {"epoch": np.int32(7), "empty": np.zeros(0), "when": np.datetime64("2023-01-02")}
    rewrite(checkpoint, is_zip, logging=log, current_epoch=np.int64(1000))
    tiny.as_numpy_1(checkpoint)
    assert b"numpy.core" in checkpoint.read_bytes()
    theirs = torch.load(checkpoint, map_location="cpu", weights_only=False)  # as nnU-Net does
    ours = read_training_checkpoint(checkpoint)
    assert ours["current_epoch"] == theirs["current_epoch"] == 1000
    np.testing.assert_array_equal(ours["logging"]["lr"], theirs["logging"]["lr"])
    assert ours["logging"]["ema"] == theirs["logging"]["ema"]
    for key, value in theirs["network_weights"].items():
        assert torch.equal(ours["network_weights"][key], value)


def test_prefixes_of_ddp_and_compile_go_in_any_order(checkpoint: Path) -> None:
    weights = read_training_checkpoint(checkpoint)["network_weights"]
    for prefix in ("module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."):
        content = {
            "network_weights": {f"{prefix}{key}": value for key, value in weights.items()},
            "init_args": {"configuration": "3d_fullres"},
        }
        assert set(slim_checkpoint(content)["network_weights"]) == set(weights)


def test_a_value_too_large_for_half_precision_stays_single() -> None:
    content = {"network_weights": {"a": torch.tensor([1e6])}, "init_args": {"configuration": "c"}}
    assert slim_checkpoint(content, half=True)["network_weights"]["a"].dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_weights_keep_every_bit_that_stocks_network_takes(dtype: torch.dtype) -> None:
    third = torch.tensor([1 / 3], dtype=dtype)
    content = {"network_weights": {"a": third}, "init_args": {"configuration": "c"}}
    (packed,) = slim_checkpoint(content)["network_weights"].values()
    assert packed.float() == third.float()
    assert packed.dtype == (torch.float32 if dtype == torch.float64 else dtype)


def test_views_of_one_storage_stay_what_they_are() -> None:
    whole = torch.arange(6.0)
    content = {
        "network_weights": {"a": whole, "b": whole[:2], "c": whole, "d": whole.view(2, 3)},
        "init_args": {"configuration": "c"},
    }
    weights = slim_checkpoint(content)["network_weights"]
    assert [tuple(value.shape) for value in weights.values()] == [(6,), (2,), (6,), (2, 3)]
    assert weights["a"] is weights["c"]


def test_mirroring_axes_become_plain_numbers() -> None:
    content = {"network_weights": {}, "init_args": {"configuration": "c"}}
    axes = slim_checkpoint(
        content | {"inference_allowed_mirroring_axes": [np.int64(0), np.int8(2)]}
    )
    assert axes["inference_allowed_mirroring_axes"] == (0, 2)
    assert type(axes["inference_allowed_mirroring_axes"][0]) is int
    for none in (content, content | {"inference_allowed_mirroring_axes": None}):
        assert slim_checkpoint(none)["inference_allowed_mirroring_axes"] is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"network_weights": {}}, "holds no network_weights"),
        ({"state_dict": {}}, "holds no network_weights"),
        ([1, 2], "holds no network_weights"),
        ({"network_weights": {"a": np.zeros(3)}}, "network_weights 'a' is no tensor"),
        (
            {"network_weights": {"a": torch.ones(1)}, "log": Path("x")},
            "it holds pathlib.PosixPath, and only code of its own could read that",
        ),
        (
            {"network_weights": {"a": torch.ones(1)}, "log": np.array([{}], dtype=object)},
            "numpy type 'O8' is neither number nor text nor date",
        ),
    ],
)
def test_anything_else_is_one_sentence(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "checkpoint_final.pth"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=message) as refused:
        read_training_checkpoint(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value) and "weights_only" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"\x80", b"PK\x03\x04", b"not a checkpoint", bytes(999)])
def test_what_is_no_checkpoint_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint_final.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be opened as plain tensors"):
        read_training_checkpoint(path)
    with pytest.raises(CheckpointError, match="cannot be opened as plain tensors"):
        read_training_checkpoint(tmp_path)  # a folder


def test_a_checkpoint_that_was_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.pth"
    whole = {"network_weights": {"a": torch.ones(3)}, "log": [np.float32(1)]}
    torch.save(whole, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    for length in range(0, len(content) - 1, 7):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            read_training_checkpoint(path)
