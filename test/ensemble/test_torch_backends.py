"""Half weights are what autocast makes of single ones; layouts and devices are as named."""

import pytest
import torch
from networks import NETWORKS, network
from torch import nn
from torch.nn.modules.conv import _ConvNd

from ensemble import torch_backends
from ensemble.channels_last import ChannelsLastInstanceNorm
from ensemble.torch_backends import channels_last, graphs, halve_convolutions, stock

CPU = torch.device("cpu")
SHAPE = (2, 4, 16, 16, 24)


def tiles() -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_weights_cast_once_give_the_numbers_of_autocast_to_the_bit(name: str) -> None:
    single, half = network(name), halve_convolutions(network(name))
    with torch.autocast("cpu", torch.half):
        expected, logits = single(tiles()), half(tiles())
    assert expected.dtype == torch.half
    assert expected.isfinite().all()
    assert torch.equal(logits, expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_only_convolutions_are_cast(name: str) -> None:
    """Statistics and scales of norms stay in single precision, as autocast leaves them."""
    halved = halve_convolutions(network(name))
    for module in halved.modules():
        precision = torch.half if isinstance(module, _ConvNd) else torch.float32
        for value in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            assert value.dtype in (precision, torch.int64)
    kinds = {type(m) for m in halved.modules() if isinstance(m, _ConvNd)}
    assert kinds == {nn.Conv3d, nn.ConvTranspose3d}


def test_on_the_cpu_nothing_is_cast() -> None:
    built = network("plain")
    with torch.inference_mode():
        logits = stock(built, SHAPE, CPU)(tiles())
    assert logits.dtype == torch.float32
    assert {value.dtype for value in built.parameters()} == {torch.float32}


def test_no_backend_switches_the_tuner_of_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one switch for the whole process, and the engine's."""
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    for make in (stock, channels_last, graphs):
        make(network("plain"), SHAPE, CPU)
    assert torch.backends.cudnn.benchmark is False


def test_channels_last_takes_tiles_in_the_plain_layout() -> None:
    built = network("plain")
    forward = channels_last(built, SHAPE, CPU)
    assert any(isinstance(module, ChannelsLastInstanceNorm) for module in built.modules())
    with torch.inference_mode():
        expected = network("plain")(tiles())
        for n in (1, 2):
            logits = forward(tiles()[:n])
            assert float((logits - expected[:n]).abs().max() / expected.std()) < 1e-4


def test_on_a_gpu_the_forward_runs_halved_weights_under_autocast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The CPU plays the GPU: how autocast is set, and in which precision weights are."""
    settings: list[tuple[object, ...]] = []

    class Autocast(torch.autocast):
        def __init__(self, device_type: str, enabled: bool, cache_enabled: bool) -> None:
            settings.append((device_type, enabled, cache_enabled))
            super().__init__("cpu", torch.half, enabled, cache_enabled)

    monkeypatch.setattr(torch_backends.torch, "autocast", Autocast)
    built = network("plain")
    monkeypatch.setattr(built, "to", lambda device: built)
    with torch.inference_mode():
        logits = stock(built, SHAPE, torch.device("cuda"))(tiles())
    assert settings == [("cuda", True, False)]
    assert logits.dtype == torch.half
    assert next(built.parameters()).dtype == torch.half
