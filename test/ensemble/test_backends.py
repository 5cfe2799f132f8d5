"""Every backend gives the logits of the reference; which one runs is logged."""

import logging

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from ensemble import backends as module
from ensemble.backends import (
    BACKENDS,
    REFERENCE,
    BackendError,
    choose_backend,
    find_backend,
    usable,
)
from ensemble.network import build_network
from ensemble.openvino_graph import NotConvertible, convert
from ensemble.plans import read_plan

CPU = torch.device("cpu")
SHAPE = (1, 4, 16, 16, 24)
SMALL = (1, 4, 8, 8, 12)
# Largest difference of a logit to the reference, in standard deviations of its logits.
TOLERANCE = {"torch": 0.0, "openvino": 1e-4, "openvino-bf16": 0.2, "compile": 1e-4}
NETWORKS = {
    "plain": tiny.plans(),
    "residual": tiny.plans(network="ResidualEncoderUNet"),
    "gated": tiny.plans(network="AttentionUNet"),
}


def network(name: str) -> nn.Module:
    built = build_network(read_plan(NETWORKS[name], "3d_fullres"), 4, 5)
    built.load_state_dict(tiny.random_weights(built, seed=1), assign=True)
    return built.requires_grad_(False).eval()


def tile(seed: int = 0) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "backend",
    ["torch", "openvino", "openvino-bf16", pytest.param("compile", marks=pytest.mark.slow)],
)
def test_a_backend_gives_the_references_logits(backend: str, name: str) -> None:
    if reason := BACKENDS[backend].why_not():
        pytest.skip(reason)
    expected = network(name)(tile())
    with torch.inference_mode():
        forward = BACKENDS[backend].make(network(name), SHAPE, CPU)
        forward(tile(seed=1))  # the logits of another tile do not linger
        logits = forward(tile()).clone()
    assert logits.shape == (1, 5, 16, 16, 24)
    assert logits.dtype == torch.float32
    off = float((logits - expected).abs().max() / expected.std())
    assert off <= TOLERANCE[backend]
    assert expected.std() > 0.1


@pytest.mark.parametrize("name", NETWORKS)
def test_openvino_holds_no_array_of_a_skip_connection_beside_its_parts(name: str) -> None:
    """Concatenated, the two halves at full resolution are the largest array of a pass."""
    operations = [op.get_type_name() for op in convert(network(name), SHAPE).get_ordered_ops()]
    assert "Concat" not in operations
    assert "Convolution" in operations


def test_openvino_reads_weights_where_torch_holds_them() -> None:
    model = convert(nn.Sequential(convolution := nn.Conv3d(4, 3, 3)), SHAPE)
    constants = [op.data for op in model.get_ops() if op.get_type_name() == "Constant"]
    shared = [np.shares_memory(array, convolution.weight.detach().numpy()) for array in constants]
    assert sorted(zip([array.shape for array in constants], shared, strict=True)) == [
        ((1, 3, 1, 1, 1), False),
        ((3, 4, 3, 3, 3), True),
    ]


def test_channels_last_is_another_layout_of_the_same_numbers() -> None:
    """Its device is a GPU; the layout itself runs anywhere."""
    expected = network("plain")(tile())
    with torch.inference_mode():
        logits = BACKENDS["channels-last"].make(network("plain"), SHAPE, CPU)(tile())
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)


def test_unusable_backends_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendError, match=r"no backend 'abacus', only openvino, channels-last"):
        find_backend("abacus", CPU)
    with pytest.raises(BackendError, match="backend channels-last runs on cuda, not cpu"):
        find_backend("channels-last", CPU)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(BackendError, match="needs a C\\+\\+ compiler, no-such-compiler"):
        find_backend("compile", CPU)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BackendError, match="openvino is not installed"):
        find_backend("openvino", CPU)
    assert REFERENCE in [backend.name for backend in usable(CPU)]


def seconds(monkeypatch: pytest.MonkeyPatch, **known: float) -> None:
    """Put times into the mouth of the stopwatch, a backend each in the order of the table."""
    times = iter(known.values())
    monkeypatch.setattr(module, "_time", lambda *_: next(times))


def test_the_fastest_exact_backend_is_chosen(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "podium")
    seconds(monkeypatch, openvino=0.3, torch=0.2)
    assert choose_backend(network("plain"), SMALL, CPU).name == "torch"
    assert "backend torch (a tile of 8x8x12: openvino 0.300 s, torch 0.200 s)" in caplog.text


def test_a_network_that_a_backend_does_not_know_goes_to_the_reference() -> None:
    class Doubled(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cumsum(x, 1)

    with pytest.raises(NotConvertible, match="call_function"):
        convert(Doubled(), SHAPE)
    with pytest.raises(NotConvertible, match="BatchNorm3d"):
        convert(nn.Sequential(nn.BatchNorm3d(4)), SHAPE)
    assert choose_backend(Doubled(), SMALL, CPU).name == REFERENCE
