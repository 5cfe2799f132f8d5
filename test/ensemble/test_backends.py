"""Every backend gives the logits of the reference; which one runs is logged."""

import logging
from collections.abc import Callable

import pytest
import torch
from networks import NETWORKS, TRANSFORMERS, network
from torch import nn

from ensemble import backend_needs as needs
from ensemble import backends as module
from ensemble.backends import (
    BACKENDS,
    REFERENCE,
    Backend,
    BackendError,
    choose_backend,
    find_backend,
    usable,
)
from ensemble.openvino_graph import NotConvertible, convert

CPU = torch.device("cpu")
SHAPE = (1, 4, 16, 16, 24)
SMALL = (1, 4, 8, 8, 12)
# Largest difference of a logit to the reference, in standard deviations of its logits.
TOLERANCE = {
    "torch": 0.0,
    "openvino": 1e-4,
    "openvino-bf16": 0.2,
    "channels-last": 1e-4,
    "compile": 1e-4,
}
TAKEN = ("plain", "residual", "gated", "residual-both", "bottleneck")
# What OpenVINO's graph has no operation for -> what it says of it.
REFUSED = {
    "batch-norm": r"encoder\.stages\.0\.0\.convs\.0\.norm: BatchNorm3d",
    "residual-batch-norm": r"encoder\.stem\.convs\.0\.norm: BatchNorm3d",
    "group-norm": r"encoder\.stages\.0\.0\.convs\.0\.norm: GroupNorm",
    "other-activation": r"encoder\.stages\.0\.0\.convs\.0\.nonlin: PReLU",
    "mednext": r"Conv3d\(4, 4, .*groups=4",
    "mednext-5": r"Conv3d\(4, 4, .*groups=4",
    **{name: "Primus.* cannot be traced" for name in TRANSFORMERS},
}
NETWORKS_OF = {
    "openvino": tuple(name for name in NETWORKS if name not in REFUSED),
    "openvino-bf16": TAKEN,
    "compile": ("plain", "residual", "gated"),  # it takes all; each costs half a minute
}


def tile(seed: int = 0) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "backend",
    [
        "torch",
        "openvino",
        "openvino-bf16",
        "channels-last",  # its device is a GPU; the layout itself runs anywhere
        pytest.param("compile", marks=pytest.mark.slow),
    ],
)
def test_a_backend_gives_the_references_logits(backend: str, name: str) -> None:
    if reason := BACKENDS[backend].why_not(CPU):
        pytest.skip(reason)
    if name not in NETWORKS_OF.get(backend, NETWORKS):
        pytest.skip(f"{backend} is not tried on it")
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


@pytest.mark.parametrize("name", REFUSED)
def test_openvino_says_what_it_does_not_take(name: str) -> None:
    with pytest.raises(NotConvertible, match=REFUSED[name]):
        convert(network(name), SHAPE)


@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_no_tile_changes_the_answer_to_another(name: str) -> None:
    built = network(name)
    tiles = torch.cat([tile(seed) for seed in range(3)])
    together = built(tiles)
    for i in range(3):
        single = built(tiles[i : i + 1])[0]
        assert float((together[i] - single).abs().max() / together.std()) < 1e-4


def test_unusable_backends_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendError, match=r"no backend 'abacus', only openvino, torch, graphs"):
        find_backend("abacus", CPU)
    with pytest.raises(BackendError, match="backend channels-last runs on cuda, not cpu"):
        find_backend("channels-last", CPU)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(BackendError, match="needs a C\\+\\+ compiler, no-such-compiler"):
        find_backend("compile", CPU)
    monkeypatch.setattr(needs, "find_spec", lambda name: None)
    with pytest.raises(BackendError, match="openvino is not installed"):
        find_backend("openvino", CPU)
    assert REFERENCE in [backend.name for backend in usable(CPU)]


def test_on_a_gpu_torch_comes_first_until_it_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """InstanceNorm3d drops channels_last_3d, which makes that layout the slower one."""
    gpu = torch.device("cuda")
    monkeypatch.setattr(needs, "find_spec", lambda name: None)
    monkeypatch.setattr(needs.shutil, "which", lambda name: None)
    exact = [backend.name for backend in usable(gpu) if backend.exact]
    assert exact == ["torch", "graphs", "channels-last"]
    with pytest.raises(BackendError, match="backend compile: triton is not installed"):
        find_backend("compile", gpu)


def seconds(monkeypatch: pytest.MonkeyPatch, **known: float) -> None:
    """Put times into the mouth of the stopwatch, a backend each, the reference first."""
    times = iter(known.values())
    monkeypatch.setattr(module, "_time", lambda *_: next(times))


def test_the_fastest_exact_backend_is_chosen(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "podium")
    seconds(monkeypatch, torch=0.2, openvino=0.3)
    assert choose_backend(lambda: network("plain"), SHAPE, CPU).name == "torch"
    assert "backend torch (tiles of 1x4x16x16x24: torch 0.200 s, openvino 0.300 s)" in caplog.text
    seconds(monkeypatch, torch=0.2, openvino=0.1)
    assert choose_backend(lambda: network("plain"), SHAPE, CPU).name == "openvino"


def stand_in(name: str, make: Callable[..., object]) -> Backend:
    return Backend(name, ("cpu",), make, lambda _: None, True, "a stand-in")  # type: ignore[arg-type]


def test_each_backend_is_timed_on_a_newly_built_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What one backend does to the module (another layout, half weights) no other one sees."""
    built: list[nn.Module] = []

    def build() -> nn.Module:
        built.append(network("plain"))
        return built[-1]

    taken: list[nn.Module] = []

    def make(module: nn.Module, *_: object) -> object:
        assert all(p.dtype == torch.float32 for p in module.parameters())
        taken.append(module.half())
        return lambda tiles: tiles

    rows = {name: stand_in(name, make) for name in ("first", "second")}
    monkeypatch.setattr(module, "BACKENDS", rows)
    choose_backend(build, SMALL, CPU)
    assert taken == built
    assert len({id(network) for network in taken}) == 2


def test_the_first_run_of_a_backend_never_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tunes for a minute; from then on it is the faster one."""
    clock = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])

    def taking(*seconds: float) -> Callable[..., object]:
        costs = iter(seconds)

        def make(*_: object) -> object:
            def forward(tiles: torch.Tensor) -> torch.Tensor:
                clock[0] += next(costs, seconds[-1])
                return tiles

            return forward

        return make

    rows = {
        "tuned": stand_in("tuned", taking(90.0, 0.1)),
        "plain": stand_in("plain", taking(0.2)),
    }
    monkeypatch.setattr(module, "BACKENDS", rows)
    assert choose_backend(lambda: network("plain"), SMALL, CPU).name == "tuned"


@pytest.mark.parametrize("when", ["make", "run"])
def test_a_backend_that_fails_is_named_and_passed_over(
    when: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> torch.Tensor:
        raise RuntimeError("GET was unable to find\n an engine")

    broken = stand_in("broken", fail if when == "make" else lambda *_: fail)
    sound = stand_in("sound", lambda *_: lambda tiles: tiles)
    monkeypatch.setattr(module, "BACKENDS", {"broken": broken, "sound": sound})
    assert choose_backend(lambda: network("plain"), SMALL, CPU).name == "sound"
    expected = "backend broken cannot run this network here (GET was unable to find an engine)"
    assert expected in caplog.text


@pytest.mark.parametrize("wrong", [1.02, float("nan")])
def test_a_backend_with_another_answer_is_named_and_passed_over(
    wrong: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However fast: a kernel that is wrong on some card decides no case."""
    rows = {
        "wrong": stand_in("wrong", lambda *_: lambda tiles: tiles * wrong),
        "close": stand_in("close", lambda *_: lambda tiles: tiles * 1.001),
        REFERENCE: stand_in(REFERENCE, lambda *_: lambda tiles: tiles),
    }
    monkeypatch.setattr(module, "BACKENDS", rows)
    times = {"torch": 0.3, "wrong": 0.1, "close": 0.2}
    seconds(monkeypatch, **times)
    assert choose_backend(lambda: network("plain"), SMALL, CPU).name == "close"
    assert "backend wrong answers otherwise than torch here" in caplog.text
    assert "close answers" not in caplog.text


def test_time_is_read_when_the_device_has_done_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU a call returns before the work is done: each clock reading waits for it."""
    events: list[str] = []
    monkeypatch.setattr(module, "synchronize", lambda _: events.append("wait"))
    monkeypatch.setattr(module.time, "perf_counter", lambda: events.append("clock") or 1.0)
    module._seconds_of(lambda tiles: events.append("run") or tiles, torch.zeros(SMALL))
    assert events == ["wait", "clock", "run", "wait", "clock"]


def test_a_network_that_a_backend_does_not_know_goes_to_the_reference() -> None:
    class Doubled(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cumsum(x, 1)

    with pytest.raises(NotConvertible, match="call_function"):
        convert(Doubled(), SHAPE)
    with pytest.raises(NotConvertible, match="BatchNorm3d"):
        convert(nn.Sequential(nn.BatchNorm3d(4)), SHAPE)
    assert choose_backend(Doubled, SMALL, CPU).name == REFERENCE


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: torch.cat([x, x], 2),
        lambda x: torch.cat([x, x]),
        lambda x: torch.cat([x, x], dim=-1),
        lambda x: x + 1,
        lambda x: x * 2.0,
    ],
)
def test_what_is_not_between_tensors_or_along_channels_is_not_taken_for_it(
    wrong: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    class Wrong(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return wrong(x)

    with pytest.raises(NotConvertible, match="call_function"):
        convert(Wrong(), SHAPE)
