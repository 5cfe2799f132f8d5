"""Where networks run: the device, and what is done when it fails or its memory runs out."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch

from ensemble.budget import Budget
from ensemble.device import describe_device, empty_cache, set_autotune, synchronize
from ensemble.device_errors import DeviceFailed, Failure, Rung, answers, step_down
from ensemble.loaded_networks import AUTO, LoadedNetwork, LoadedNetworks, backend_or_auto
from ensemble.manifest import Member
from ensemble.sliding_window import LogitAccumulator, TileSlices, mean_over_mirrorings
from ensemble.stage_seconds import StageSeconds

log = logging.getLogger("podium")

CPU = torch.device("cpu")
# With less time left a GPU's convolutions are not tuned: that takes from seconds to a minute.
LEAST_AUTOTUNE_S = 240.0
T = TypeVar("T")
P = ParamSpec("P")


@dataclass
class Engine:
    """One device and its networks.

    When a GPU fails or its memory runs out, it goes down a ladder (`_step_down`) and tries again,
    at last on the CPU. Slow beats dead, the platform gives no second chance.
    """

    device: torch.device
    backend: str = AUTO
    keeps_networks: bool = False  # loaded, from case to case
    stages: StageSeconds = field(default_factory=StageSeconds)

    def __post_init__(self) -> None:
        """Replace a backend that cannot run here, with a warning.

        Raises:
            BackendError: there is no such backend.
        """
        self.backend = backend_or_auto(self.backend, self.device)
        self.run_s = 0.0  # of the last `run`: its networks, warm and without failed attempts
        self.case_errors: list[str] = []  # of this case on the device, and what was done
        self._now = time.perf_counter
        self._first_device = self.device
        self._is_lost = self._on_host = False
        self._lasting: list[str] = []  # rungs that were taken, which the next case starts from
        self._volume: tuple[torch.Tensor, torch.Tensor] | None = None  # on the host, on the device
        self._networks = LoadedNetworks(self.device, self.backend, self.keeps_networks)
        self._device_networks = self._networks  # of the first device

    @property
    def on_gpu(self) -> bool:
        """Return whether networks run on a GPU."""
        return self.device.type != "cpu"

    def description(self) -> dict[str, Any]:
        """Return the device, and each network's backend and batch, for a run record."""
        networks = self._device_networks.runs_as | self._networks.runs_as
        return {"device": describe_device(self._first_device), "networks": networks}

    @property
    def seconds(self) -> dict[str, float]:
        """Return the wall seconds of each stage so far."""
        return self.stages.seconds

    @property
    def sums_device(self) -> torch.device:
        """Device of the sums of logits."""
        return CPU if self._on_host else self.device

    def start_case(self, budget: Budget) -> None:
        """Return to the device of the start, unless it is lost, with a case's time."""
        self._now, self._volume = budget.now, None
        self.case_errors = [f"since an earlier case: {what}" for what in self._lasting]
        if self._is_lost:
            self.case_errors = ["the GPU was lost in an earlier case"]
        elif self.device != self._first_device:
            self._networks.clear()
            self.device, self._networks = self._first_device, self._device_networks
        if self.on_gpu:
            set_autotune(not budget.is_limited or budget.left_s() > LEAST_AUTOTUNE_S)

    def load(self, member: Member, tiles: int = 1, flips: int = 1) -> LoadedNetwork:
        """Return a member's network, ready and warm to run so many tiles, flipped so often.

        Raises:
            DeviceFailed: see `attempt`.
        """
        return self.attempt(lambda: self._load(member, tiles, flips))

    def tiles_together(self, member: Member, flips: int) -> int:
        """Return how many tiles of a member run in one batch with all their flips."""
        return self.attempt(lambda: max(1, self._networks.most_together(member) // flips))

    def release(self) -> None:
        """Free the volume and the networks that no other case needs: labels need the memory."""
        self._volume = None
        self._networks.release()

    def single_precision(self, member: Member) -> AbstractContextManager[None]:
        """Run a member in single precision within the block."""
        return self._networks.single_precision(member)

    def run(
        self,
        member: Member,
        volume: torch.Tensor,
        positions: Sequence[TileSlices],
        axes: Sequence[int],
        unmirrored: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return a member's mean logits (n, channel, z, y, x) of tiles over all mirrorings.

        Args:
            member: whose network runs.
            volume: (channel, z, y, x) float32, on the host.
            positions: of n tiles in it.
            axes: to mirror along.
            unmirrored: the logits of the tiles as they are, where they are known already.

        Raises:
            DeviceFailed: see `attempt`.
        """

        def once() -> torch.Tensor:
            passes = 2 ** len(axes) - (unmirrored is not None)
            network = self._load(member, len(positions), max(1, passes))
            source = self._on_device(volume)
            tiles = torch.stack([source[(slice(None), *at)] for at in positions]).to(self.device)
            known = None if unmirrored is None else unmirrored.to(self.device)
            started = self._now()
            logits = mean_over_mirrorings(network.forward, tiles, axes, network.batch, known)
            synchronize(self.device)
            self.run_s = self._now() - started
            if passes:
                self._networks.note_pace(member, self.run_s / (passes * len(positions)))
            return logits

        with self.timed("networks"):
            return self.attempt(once)

    def new_sums(self, channels: int, shape: Sequence[int]) -> LogitAccumulator:
        """Return empty sums for a volume (z, y, x), on the host if the GPU is full.

        Raises:
            DeviceFailed: see `attempt`.
        """
        return self.attempt(lambda: LogitAccumulator(channels, shape, self.sums_device))

    def with_sums(
        self,
        sums: LogitAccumulator,
        operation: Callable[Concatenate[LogitAccumulator, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do something with sums, which move to the host if the GPU is full.

        Raises:
            DeviceFailed: see `attempt`.
        """

        def once() -> T:
            sums.move(self.sums_device)
            return operation(sums, *args, **kwargs)

        return self.attempt(once)

    def attempt(self, operation: Callable[[], T]) -> T:
        """Do something on the device; if it fails there, go down the ladder and do it again.

        Raises:
            DeviceFailed: no rung is left; from now on this case runs on the CPU.
            RuntimeError: it failed on the CPU.
        """
        while True:
            try:
                with torch.inference_mode():
                    return operation()
            except RuntimeError as error:
                if not self.on_gpu:
                    raise
                failure = Failure.of(error)
            # Outside the block: the traceback, and the tensors it holds, are freed by now.
            self._step_down(failure)

    def timed(self, stage: str) -> AbstractContextManager[None]:
        """Add the wall seconds of the block to a stage."""
        return self.stages.timed(stage)

    def _load(self, member: Member, tiles: int, flips: int) -> LoadedNetwork:
        with self.timed("load"):
            return self._networks.load(member, tiles, flips)

    def _on_device(self, volume: torch.Tensor) -> torch.Tensor:
        """Return a volume where tiles are cut out of it; it is copied once."""
        if self._on_host:
            return volume
        if self._volume is None or self._volume[0] is not volume:
            self._volume = volume, volume.to(self.device)
        return self._volume[1]

    def _step_down(self, failure: Failure) -> None:
        self._is_lost = not failure.is_memory and not answers(self.device)
        networks = self._networks
        rungs: tuple[Rung, ...] = (
            Rung("networks of other members are dropped", networks.drop_others),
            Rung("fewer tiles run together", networks.fewer_together),
            Rung("the torch backend runs", networks.use_reference),
            Rung("volume and sums are on the host", self._move_to_host),
        )
        if self._is_lost or failure.spoilt_sums:
            rungs = ()
        try:
            rung = step_down(failure, rungs)
        except DeviceFailed as error:
            self._use_cpu()
            self._report(str(error))
            raise
        self._lasting.append(rung.what)
        self._report(f"{failure.reason}: {rung.what}")
        empty_cache(self.device)

    def _report(self, sentence: str) -> None:
        log.warning(sentence)
        self.case_errors.append(sentence)

    def _move_to_host(self) -> bool:
        moves, self._on_host, self._volume = not self._on_host, True, None
        return moves

    def _use_cpu(self) -> None:
        self._volume = None
        self._networks.clear()
        if not self._is_lost:
            empty_cache(self.device)
        self.device, self._networks = CPU, LoadedNetworks(CPU, AUTO, self.keeps_networks)
