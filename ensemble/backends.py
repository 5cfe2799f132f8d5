"""What runs a network: one row a backend, from a torch network to a function of tiles."""

import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from challenge.process import return_freed_memory
from challenge.refusal import Refusal

log = logging.getLogger("podium")

# Tiles (n, channel, z, y, x) float32 on the backend's device -> logits (n, channel, z, y, x) there.
# The output may be overwritten by the next call.
Forward = Callable[[torch.Tensor], torch.Tensor]

SHORT_S = 0.1


class BackendError(Refusal):
    """A backend cannot run here, or not this network."""


@dataclass(frozen=True)
class Backend:
    """One way to run networks.

    `exact` backends give stock nnU-Net's labels and may be chosen automatically; others run only
    when they are named.
    """

    name: str
    devices: tuple[str, ...]
    make: Callable[[nn.Module, tuple[int, ...], torch.device], Forward]
    why_not: Callable[[], str | None]  # the reason why it cannot run here, if any
    exact: bool
    description: str


def usable(device: torch.device) -> list[Backend]:
    """Return the backends that run on a device here, the one that is most likely fastest first."""
    return [b for b in BACKENDS.values() if device.type in b.devices and b.why_not() is None]


def find_backend(name: str, device: torch.device) -> Backend:
    """Return a backend by name.

    Raises:
        BackendError: unknown, of another device, or not installed.
    """
    if name not in BACKENDS:
        raise BackendError(f"no backend {name!r}, only {', '.join(BACKENDS)}")
    backend = BACKENDS[name]
    if device.type not in backend.devices:
        raise BackendError(f"backend {name} runs on {', '.join(backend.devices)}, not {device}")
    if reason := backend.why_not():
        raise BackendError(f"backend {name}: {reason}")
    return backend


def choose_backend(network: nn.Module, small: tuple[int, ...], device: torch.device) -> Backend:
    """Choose the fastest exact backend for a network by timing each on a small tile.

    Args:
        network: with its weights.
        small: shape (1, channel, z, y, x) of a tile that the network takes.
        device: where it runs.
    """
    timed: list[tuple[float, Backend]] = []
    for backend in usable(device):
        if not backend.exact:
            continue
        try:
            seconds = _time(backend.make(network, small, device), small, device)
        except (ValueError, RuntimeError) as error:  # whatever a library says, another one may do
            log.info("backend %s does not take this network (%s)", backend.name, error)
            continue
        timed.append((seconds, backend))
    if not timed:
        return BACKENDS[REFERENCE]
    best = min(timed, key=lambda pair: pair[0])[1]
    timings = ", ".join(f"{backend.name} {seconds:.3f} s" for seconds, backend in timed)
    log.info("backend %s (a tile of %s: %s)", best.name, "x".join(map(str, small[2:])), timings)
    return best


def _time(forward: Forward, shape: tuple[int, ...], device: torch.device) -> float:
    """Return the wall seconds of the faster of two runs; a short first one is not repeated."""
    tile = torch.zeros(shape, device=device)
    seconds = math.inf
    for _ in range(2):
        started = time.perf_counter()
        forward(tile).float().sum().item()  # waits for the device
        seconds = min(seconds, time.perf_counter() - started)
        if seconds < SHORT_S:
            break
    return seconds


def _torch(network: nn.Module, shape: tuple[int, ...], device: torch.device) -> Forward:
    """Stock nnU-Net's way: float32 on the CPU, half-precision autocast on a GPU."""
    network = network.to(device)

    def forward(tiles: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device.type, enabled=device.type == "cuda"):
            logits: torch.Tensor = network(tiles)
        return logits

    return forward


def _channels_last(network: nn.Module, shape: tuple[int, ...], device: torch.device) -> Forward:
    """The layout that tensor cores read, and cuDNN's fastest kernel for it."""
    torch.backends.cudnn.benchmark = True
    network = network.to(device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    plain = _torch(network, shape, device)
    return lambda tiles: plain(tiles.contiguous(memory_format=torch.channels_last_3d))


def _compile(network: nn.Module, shape: tuple[int, ...], device: torch.device) -> Forward:
    compiled = torch.compile(network.to(device), dynamic=False)
    return _torch(compiled, shape, device)  # type: ignore[arg-type]  # a callable, moved already


def _openvino(precision: str) -> Callable[[nn.Module, tuple[int, ...], torch.device], Forward]:
    def make(network: nn.Module, shape: tuple[int, ...], device: torch.device) -> Forward:
        import openvino

        from ensemble.openvino_graph import convert

        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # two containers on a host would share the same cores
        }
        model = openvino.Core().compile_model(convert(network, shape), "CPU", settings)
        request = model.create_infer_request()
        return_freed_memory()

        def forward(tiles: torch.Tensor) -> torch.Tensor:
            request.infer([tiles.contiguous().numpy()], share_inputs=True)
            return torch.from_numpy(request.get_output_tensor(0).data)

        return forward

    return make


def _no_openvino() -> str | None:
    from importlib.util import find_spec

    return None if find_spec("openvino") else "openvino is not installed"


def _no_compiler() -> str | None:
    compiler = os.environ.get("CXX", "g++")
    return None if shutil.which(compiler) else f"torch.compile needs a C++ compiler, {compiler}"


REFERENCE = "torch"
BACKENDS: Mapping[str, Backend] = {
    backend.name: backend
    for backend in (
        Backend("openvino", ("cpu",), _openvino("f32"), _no_openvino, True, "OpenVINO in float32"),
        Backend(
            "channels-last",
            ("cuda",),
            _channels_last,
            lambda: None,
            True,
            "stock precision, channels last, cuDNN's autotuner",
        ),
        Backend(
            REFERENCE,
            ("cpu", "cuda"),
            _torch,
            lambda: None,
            True,
            "torch as stock nnU-Net runs it, the reference",
        ),
        Backend(
            "compile",
            ("cpu", "cuda"),
            _compile,
            _no_compiler,
            False,
            "torch.compile; minutes to start",
        ),
        Backend(
            "openvino-bf16",
            ("cpu",),
            _openvino("bf16"),
            _no_openvino,
            False,
            "OpenVINO in bfloat16, for processors that have it",
        ),
    )
}
