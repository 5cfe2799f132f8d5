"""What runs a network: one row a backend, from a torch network to a function of tiles."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from challenge.process import return_freed_memory
from challenge.refusal import Refusal
from ensemble import backend_needs as needs
from ensemble.device import synchronize
from ensemble.openvino_settings import settings_of
from ensemble.torch_backends import (
    Forward,
    channels_last,
    compiled,
    fused,
    fused_graphs,
    graphs,
    single,
    stock,
)

log = logging.getLogger("podium")

SHORT_S = 0.3  # runs of a backend are repeated until they have taken so long
MOST_APART = {"cpu": 1e-2, "cuda": 0.1}  # logits, in standard deviations; OpenVINO: 5e-4


class BackendError(Refusal):
    """A backend cannot run here, or not this network."""


@dataclass(frozen=True)
class Backend:
    """One way to run networks.

    `make` gets a network, which it may change, the shape (n, channel, z, y, x) of the largest batch
    of tiles that will come, and the device; smaller batches may come too. `exact` backends give
    stock nnU-Net's labels and may be chosen automatically; others run only when they are named.
    """

    name: str
    devices: tuple[str, ...]
    make: Callable[[nn.Module, tuple[int, ...], torch.device], Forward]
    why_not: Callable[[torch.device], str | None]  # why it cannot run there, if it cannot
    exact: bool
    description: str
    per_network: bool = False  # its first pass prepares something for one network alone


def usable(device: torch.device) -> list[Backend]:
    """Return the backends that run on a device here, the one that is most likely fastest first."""
    return [b for b in BACKENDS.values() if device.type in b.devices and b.why_not(device) is None]


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
    if reason := backend.why_not(device):
        raise BackendError(f"backend {name}: {reason}")
    return backend


def choose_backend(
    build: Callable[[], nn.Module], shape: tuple[int, ...], device: torch.device
) -> Backend:
    """Choose the fastest exact backend for a network by timing each on tiles of noise.

    A backend that fails here, whatever its library says, or whose answer is another than that of
    the reference, is logged and passed over.

    Args:
        build: returns the network with its weights, anew at each call: backends convert it.
        shape: (n, channel, z, y, x) of the tiles to time, which the network takes.
        device: where it runs.
    """
    tiles = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    timed: list[tuple[float, Backend]] = []
    expected: torch.Tensor | None = None
    exact = (backend for backend in usable(device) if backend.exact)
    for backend in sorted(exact, key=lambda backend: backend.name != REFERENCE):
        try:
            forward = backend.make(build(), shape, device)
            answer = _answer(forward, tiles)  # not timed: it tunes, compiles or captures
            seconds = _time(forward, tiles)
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            log.warning("backend %s cannot run this network here (%s)", backend.name, reason)
            continue
        finally:
            if device.type == "cuda":
                torch.cuda.empty_cache()  # the next one is timed with the same memory
        if backend.name == REFERENCE:
            expected = answer
        if expected is None or _are_alike(expected, answer, device):
            timed.append((seconds, backend))
        else:
            log.warning("backend %s answers otherwise than %s here", backend.name, REFERENCE)
    if not timed:
        return BACKENDS[REFERENCE]
    _, best = min(timed, key=lambda pair: pair[0])
    timings = ", ".join(f"{backend.name} {seconds:.3f} s" for seconds, backend in timed)
    log.info("backend %s (tiles of %s: %s)", best.name, "x".join(map(str, shape)), timings)
    return best


@torch.inference_mode()
def _answer(forward: Forward, tiles: torch.Tensor) -> torch.Tensor:
    """Return a backend's logits, which it may write over at its next pass, in float32."""
    return forward(tiles).to("cpu", torch.float32, copy=True)


def _are_alike(expected: torch.Tensor, answer: torch.Tensor, device: torch.device) -> bool:
    apart = (expected - answer).abs().max() / expected.std().clamp_min(1e-9)
    return bool(apart <= MOST_APART[device.type])  # never where one is not a number


@torch.inference_mode()
def _time(forward: Forward, tiles: torch.Tensor) -> float:
    """Return the wall seconds of the fastest of up to three runs; a long one is not repeated."""
    fastest = total = _seconds_of(forward, tiles)
    for _ in range(2):
        if total > SHORT_S:
            break
        seconds = _seconds_of(forward, tiles)
        fastest, total = min(fastest, seconds), total + seconds
    return fastest


def _seconds_of(forward: Forward, tiles: torch.Tensor) -> float:
    synchronize(tiles.device)
    started = time.perf_counter()
    forward(tiles)
    synchronize(tiles.device)
    return time.perf_counter() - started


def _openvino(precision: str) -> Callable[[nn.Module, tuple[int, ...], torch.device], Forward]:
    def make(network: nn.Module, shape: tuple[int, ...], device: torch.device) -> Forward:
        import openvino

        from ensemble.onnx_network import OnnxNetwork
        from ensemble.openvino_graph import convert

        if isinstance(network, OnnxNetwork):
            network.precision = precision
            return network
        model = openvino.Core().compile_model(
            convert(network, shape), "CPU", settings_of(precision)
        )
        request = model.create_infer_request()
        return_freed_memory()

        def forward(tiles: torch.Tensor) -> torch.Tensor:
            request.infer([tiles.contiguous().numpy()], share_inputs=True)
            return torch.from_numpy(request.get_output_tensor(0).data)

        return forward

    return make


REFERENCE = "torch"
SINGLE = "float32"
CPU, CUDA = ("cpu",), ("cuda",)
BACKENDS: Mapping[str, Backend] = {
    backend.name: backend
    for backend in (
        Backend("openvino", CPU, _openvino("f32"), needs.openvino, True, "OpenVINO in float32"),
        Backend(
            REFERENCE,
            CPU + CUDA,
            stock,
            needs.nothing,
            True,
            "torch as stock nnU-Net runs it, the reference",
        ),
        Backend(
            "graphs",
            CUDA,
            graphs,
            needs.nothing,
            True,
            "torch's kernels, started as one CUDA graph",
            per_network=True,
        ),
        Backend(
            "channels-last",
            CUDA,
            channels_last,
            needs.nothing,
            True,
            "stock precision, channels last through norms and pooling",
        ),
        Backend(
            "fused",
            CUDA,
            fused,
            needs.triton,
            True,
            "channels-last, norm, sum and LeakyReLU as one operation in Triton",
        ),
        Backend(
            "fused-graphs",
            CUDA,
            fused_graphs,
            needs.triton,
            True,
            "fused's kernels, started as one CUDA graph",
            per_network=True,
        ),
        Backend(
            SINGLE,
            CUDA,
            single,
            needs.nothing,
            False,
            "torch in single precision, for a network that overflows in half",
        ),
        Backend(
            "compile",
            CPU + CUDA,
            compiled,
            needs.torch_compile,
            False,
            "torch.compile; minutes to start",
            per_network=True,
        ),
        Backend(
            "openvino-bf16",
            CPU,
            _openvino("bf16"),
            needs.openvino,
            False,
            "OpenVINO in bfloat16, for processors that have it",
        ),
    )
}
