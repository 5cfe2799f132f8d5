"""A network's passes as CUDA graphs: recorded once for each shape, then started as a whole."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

WARM_UP_RUNS = 3


class CaptureError(RuntimeError):
    """A pass could not be recorded."""


@dataclass(frozen=True)
class Captured:
    """A recorded pass: it reads `tiles` and writes `logits`."""

    graph: torch.cuda.CUDAGraph
    tiles: torch.Tensor
    logits: torch.Tensor


class GraphedForward:
    """A function of tiles whose kernels are started by one call for each shape of its tiles.

    The logits of a call are overwritten by the next one of the same shape. Graphs share their
    memory, so no two of a process may run at the same time; on one stream they never do.
    """

    def __init__(
        self, name: str, run: Callable[[torch.Tensor], torch.Tensor], device: torch.device
    ) -> None:
        """Record `run` on a device; `name` is the backend's, for errors."""
        self._name, self._run, self._device = name, run, device
        self._captured: dict[torch.Size, Captured] = {}

    @torch.inference_mode()
    def __call__(self, tiles: torch.Tensor) -> torch.Tensor:
        """Return the logits of tiles (n, channel, z, y, x), which may lie on any device.

        Raises:
            torch.OutOfMemoryError: there is no memory for a new shape.
            CaptureError: a new shape cannot be recorded; the message names the backend.
        """
        captured = self._captured.get(tiles.shape)
        if captured is None:
            captured = self._captured[tiles.shape] = self._capture(tiles)
        captured.tiles.copy_(tiles)
        captured.graph.replay()
        return captured.logits

    def _capture(self, tiles: torch.Tensor) -> Captured:
        # A capture that breaks can leave its own stream the current one; this sets it back.
        with torch.cuda.stream(torch.cuda.current_stream(self._device)):
            try:
                return self._record(tiles)
            except RuntimeError as error:
                # Ending a capture that broke fails too, and that error comes last.
                first = error.__context__ if isinstance(error.__context__, RuntimeError) else error
                kind = CaptureError
                if isinstance(first, torch.OutOfMemoryError):
                    kind = torch.OutOfMemoryError  # type: ignore[assignment]
                shape = "x".join(map(str, tiles.shape))
                raise kind(
                    f"backend {self._name}: tiles of {shape} cannot be captured ({first})"
                ) from error

    def _record(self, tiles: torch.Tensor) -> Captured:
        """Warm up on a side stream and record one pass, as torch's notes on CUDA graphs ask for."""
        static = torch.empty_like(tiles, device=self._device, memory_format=torch.contiguous_format)
        static.copy_(tiles)
        side = torch.cuda.Stream(self._device)
        side.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_RUNS):
                self._run(static)  # cuDNN tunes and lazily loaded kernels load here
        torch.cuda.current_stream(self._device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # Other threads (which read and write cases) may use the device meanwhile.
        with torch.cuda.graph(graph, pool=memory_pool(), capture_error_mode="thread_local"):
            logits = self._run(static)
        return Captured(graph, static, logits)


@functools.cache
def memory_pool() -> Any:
    """Return the memory pool that all graphs of this process share."""
    return torch.cuda.graph_pool_handle()
