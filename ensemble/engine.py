"""Where networks run: the device, and what is done when it fails or its memory runs out."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch

from ensemble.backends import AUTO, find_backend, reason_against
from ensemble.budget import Budget
from ensemble.device import empty_cache, set_autotune, synchronize
from ensemble.device_errors import DeviceFailed, Failure, Rung, answers, step_down
from ensemble.loaded_networks import LoadedNetwork, LoadedNetworks
from ensemble.manifest import Member
from ensemble.sliding_window import LogitAccumulator, TileSlices, mean_over_mirrorings

log = logging.getLogger("podium")

CPU = torch.device("cpu")
# With less time left a GPU's convolutions are not tuned: that takes from seconds to a minute.
LEAST_AUTOTUNE_S = 240.0
T = TypeVar("T")


@dataclass
class Engine:
    """One device and its networks.

    When a GPU fails or its memory runs out, it goes down a ladder and tries again: networks that
    are kept for other cases are dropped, fewer tiles run together, the reference backend runs, the
    volume and the sums move to the host, and at last the case is run anew on the CPU. Slow beats
    dead, the platform gives no second chance.
    """

    device: torch.device
    backend: str = AUTO
    keeps_networks: bool = False  # loaded, from case to case
    seconds: dict[str, float] = field(default_factory=dict)  # of each stage, wall

    def __post_init__(self) -> None:
        """Look for the backend; one that cannot run here is replaced, with a warning.

        Raises:
            BackendError: there is no such backend.
        """
        if self.backend != AUTO and (reason := reason_against(self.backend, self.device)):
            log.warning("backend %s cannot be used (%s); another one is", self.backend, reason)
            self.backend = AUTO
        if self.backend != AUTO:
            find_backend(self.backend, self.device)
        self.run_s = 0.0  # of the last `run`: its networks, warm and without failed attempts
        self.case_errors: list[str] = []  # what failed on the device in this case, and what was done
        self._now = time.perf_counter
        self._first_device = self.device
        self._is_lost = self._on_host = False
        self._volume: tuple[torch.Tensor, torch.Tensor] | None = None  # on the host, on the device
        self._networks = LoadedNetworks(self.device, self.backend, self.keeps_networks)
        self._device_networks = self._networks
        self._timing = threading.Lock()

    @property
    def is_fast(self) -> bool:
        """Return whether networks run on a GPU: a tile takes no time to speak of."""
        return self.device.type != "cpu"

    @property
    def runs_as(self) -> dict[str, dict[str, str | int]]:
        """Return the backend and the batch of each member that was loaded, by name."""
        return self._device_networks.runs_as | self._networks.runs_as

    @property
    def sums_device(self) -> torch.device:
        """Device of the sums of logits."""
        return CPU if self._on_host else self.device

    def start_case(self, budget: Budget) -> None:
        """Return to the device of the start, unless it is lost, with a case's time."""
        self.case_errors, self._now, self._volume = [], budget.now, None
        if self._is_lost:
            self.case_errors.append("the GPU was lost in an earlier case")
        elif self.device != self._first_device:
            self._networks.clear()
            self.device, self._networks = self._first_device, self._device_networks
        if self.is_fast:
            set_autotune(not budget.is_limited or budget.left_s() > LEAST_AUTOTUNE_S)

    def load(self, member: Member, tiles: int = 1, flips: int = 1) -> LoadedNetwork:
        """Return a member's network, ready and warm to run so many tiles, flipped so often.

        Raises:
            DeviceFailed: see `attempt`.
        """
        return self.attempt(lambda: self._load(member, tiles, flips))

    def tiles_together(self, member: Member, flips: int) -> int:
        """Return how many tiles of a member, which is loaded, run in one batch with all flips."""
        return max(1, self._networks.load(member, 1, 1).batch // flips)

    def release(self) -> None:
        """Free the networks that no other case needs, before memory is needed for labels."""
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
            started, forward = self._now(), self._networks.forward(network)
            logits = mean_over_mirrorings(forward, tiles, axes, network.batch, known)
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

    def with_sums(self, sums: LogitAccumulator, operation: Callable[[], T]) -> T:
        """Do something with sums, which move to the host if the GPU is full.

        Raises:
            DeviceFailed: see `attempt`.
        """

        def once() -> T:
            sums.move(self.sums_device)
            return operation()

        return self.attempt(once)

    def attempt(self, operation: Callable[[], T]) -> T:
        """Do something on the device; if it fails there, go down the ladder and do it again.

        Raises:
            DeviceFailed: no rung is left; from now on this case runs on the CPU.
            RuntimeError: it failed on the CPU.
        """
        while True:
            try:
                return operation()
            except RuntimeError as error:
                if not self.is_fast:
                    raise
                failure = Failure.of(error)
            # Outside the block: the traceback, and the tensors it holds, are freed by now.
            self._step_down(failure)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the wall seconds of the block to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            with self._timing:
                seconds = self.seconds.get(stage, 0.0) + time.perf_counter() - started
                self.seconds[stage] = seconds

    def _load(self, member: Member, tiles: int, flips: int) -> LoadedNetwork:
        with self.timed("load"):
            return self._networks.load(member, tiles, flips)

    def _on_device(self, volume: torch.Tensor) -> torch.Tensor:
        """Return a volume where tiles are cut out of it; it is copied once."""
        if self._on_host:
            return volume
        if self._volume is None or self._volume[0] is not volume:
            self._volume = None
            self._volume = volume, volume.to(self.device)
        return self._volume[1]

    def _step_down(self, failure: Failure) -> None:
        self._is_lost = not failure.is_memory and not answers(self.device)
        is_useless = self._is_lost or failure.spoilt_sums
        rungs = (
            Rung("networks", self._drop_networks),
            Rung("batch", self._run_fewer_together),
            Rung("backend", self._use_reference),
            Rung("sums", self._move_to_host),
        )
        try:
            done = step_down(failure, () if is_useless else rungs)
        except DeviceFailed as error:
            self._use_cpu()
            self._report(str(error))
            raise
        self._report(done)
        if not self._is_lost:
            empty_cache(self.device)

    def _report(self, sentence: str) -> None:
        log.warning(sentence)
        self.case_errors.append(sentence)

    def _drop_networks(self) -> str | None:
        return "networks of other members are dropped" if self._networks.drop_others() else None

    def _run_fewer_together(self) -> str | None:
        fewer = self._networks.fewer_together()
        return None if fewer is None else f"{fewer} tile{'s' * (fewer > 1)} together"

    def _use_reference(self) -> str | None:
        return "the torch backend runs" if self._networks.use_reference() else None

    def _move_to_host(self) -> str | None:
        if self._on_host:
            return None
        self._on_host, self._volume = True, None
        return "volume and sums are on the host"

    def _use_cpu(self) -> None:
        self._volume = None
        self._networks.clear()
        if not self._is_lost:
            empty_cache(self.device)
        self.device, self._networks = CPU, LoadedNetworks(CPU, AUTO, self.keeps_networks)
