"""A training's checkpoint is unwrapped as far as the network's names go, and opened as data."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from challenge.refusal import Refusal
from lab.packing.training_weights import fill, read_weights


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        # As MONAI's UNet has it: a prefix of trainers that is the network's.
        self.model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))


NAMES = list(Tiny().state_dict())
STATE = {name: value + 1 for name, value in Tiny().state_dict().items()}


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in STATE.items()}


def write(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("content", "unwrapped"),
    [
        (STATE, ()),
        ({"state_dict": STATE, "epoch": 3}, ("the key 'state_dict'",)),
        ({"model_state_dict": STATE, "loss": np.float64(0.5)}, ("the key 'model_state_dict'",)),
        ({"model": STATE, "optimizer": {"lr": 1}}, ("the key 'model'",)),
        ({"net": {"state_dict": STATE}}, ("the key 'net'", "the key 'state_dict'")),
        (prefixed("module."), ("the prefix 'module.'",)),
        (prefixed("module._orig_mod."), ("the prefix 'module._orig_mod.'",)),
        (
            {"state_dict": prefixed("model.")},
            ("the key 'state_dict'", "the prefix 'model.'"),
        ),
        ({"state_dict": prefixed("_model.")}, ("the key 'state_dict'", "the prefix '_model.'")),
        (
            prefixed("net.") | {"loss.weight": torch.ones(2)},
            ("the prefix 'net.'", "1 tensors that are not the network's, loss.weight first"),
        ),
    ],
)
def test_wrappings_are_taken_off_and_named(tmp_path: Path, content: Any, unwrapped: tuple) -> None:
    weights = read_weights(write(tmp_path / "w.pt", content), NAMES)
    assert weights.unwrapped == unwrapped
    network = Tiny()
    fill(network, weights, tmp_path / "w.pt", "member.json")
    for name, value in network.state_dict().items():
        assert torch.equal(value, STATE[name])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": STATE, "state_dict": STATE}, "weights under state_dict and model; save the one"),
        ({"epoch": 3}, "no state_dict, bare or under"),
        ([1, 2], "it is a list"),
        ({}, "it is a dict"),
        (Tiny(), "cannot be opened as plain tensors"),
    ],
)
def test_what_holds_no_weights_is_named(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(Refusal, match=message) as caught:
        read_weights(write(tmp_path / "w.pt", content), NAMES)
    assert str(tmp_path / "w.pt") in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {name: STATE[name] for name in NAMES[1:]},
            "it lacks 1 tensors, model.0.bias first|it lacks 1 tensors, model.0.weight first",
        ),
        ({**STATE, "model.2.weight": torch.ones(1)}, "1 tensors more, model.2.weight first"),
        (
            {**STATE, "model.1.weight": torch.ones(1, 4)},
            r"model.1.weight first: \(1, 4\) where x.json says \(1, 3\)",
        ),
    ],
)
def test_every_tensor_has_to_be_there_and_of_its_size(
    tmp_path: Path, content: Any, message: str
) -> None:
    path = write(tmp_path / "w.pt", content)
    with pytest.raises(Refusal, match=message):
        fill(Tiny(), read_weights(path, NAMES), path, "x.json")


class Touch:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    path = write(tmp_path / "w.pt", {"state_dict": STATE, "hparams": Touch(tmp_path / "ran")})
    with pytest.raises(Refusal, match="plain tensors"):
        read_weights(path, NAMES)
    assert not (tmp_path / "ran").exists()
