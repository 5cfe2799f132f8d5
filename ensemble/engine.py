"""Where networks run: the device, what runs them there, and what to do when memory runs out."""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from ensemble.backends import (
    BACKENDS,
    REFERENCE,
    Backend,
    Forward,
    choose_backend,
    find_backend,
    usable,
)
from ensemble.manifest import Member
from ensemble.network import build_network, load_network
from ensemble.plans import Plan
from ensemble.sliding_window import LogitAccumulator, mean_over_mirrorings

log = logging.getLogger("podium")

AUTO = "auto"
MOST_TOGETHER = 8  # mirrored tiles in one batch on a GPU
LONG_RUN_S = 60.0  # what takes less is not worth comparing backends for


Kind = tuple[object, ...]  # equal for networks that run alike


@dataclass
class Engine:
    """One device and its networks.

    Networks start on the backend that is most likely fastest; where what is left would take long
    at the measured pace, all exact ones are compared and the fastest goes on.

    When a GPU's memory runs out, it first runs fewer mirrored tiles together, then
    accumulates logits on the host, then uses the CPU: slow beats dead, the platform gives
    no second chance.
    """

    device: torch.device
    backend: str = AUTO
    keeps_networks: bool = False  # loaded, from case to case
    seconds: dict[str, float] = field(default_factory=dict)  # of each stage, wall

    def __post_init__(self) -> None:
        """Refuse a backend that cannot run here.

        Raises:
            BackendError: see `find_backend`.
        """
        if self.backend != AUTO:
            find_backend(self.backend, self.device)
        self._first_device, self._first_backend = self.device, self.backend
        # On the CPU a batch costs memory and gains nothing.
        self._together = MOST_TOGETHER if self.device.type == "cuda" else 1
        self._accumulator_on_host = False
        self._chosen: dict[Kind, Backend] = {}
        self._pass_s: dict[Kind, float] = {}  # the fastest pass so far
        self._loaded: dict[str, Forward] = {}

    @property
    def accumulator_device(self) -> torch.device:
        """Device of the sums of logits."""
        return torch.device("cpu") if self._accumulator_on_host else self.device

    def recover(self) -> None:
        """Return to the device of the start for a new case, whatever the last one took."""
        if self.device != self._first_device:
            self.device, self.backend = self._first_device, self._first_backend
            self._chosen.clear()
            self._loaded.clear()

    def load(self, member: Member, passes: int) -> Forward:
        """Return a member's network, ready to run about so many passes."""
        with self.timed("load"):
            if self._is_worth_comparing(member, passes):
                self._compare(member)
            if member.name not in self._loaded:
                self.release()
                self._loaded[member.name] = self._load(member)
            return self._loaded[member.name]

    def release(self) -> None:
        """Free the networks that no other case needs, before memory is needed for labels."""
        if not self.keeps_networks:
            self._loaded.clear()

    def run(
        self,
        member: Member,
        tile: torch.Tensor,
        axes: Sequence[int],
        accumulator: LogitAccumulator,
        unmirrored: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return a member's mean logits (channel, z, y, x) of a tile over all mirrorings.

        Args:
            member: whose network runs.
            tile: (channel, z, y, x) float32.
            axes: to mirror along.
            accumulator: moved to the host where memory runs out.
            unmirrored: the logits of the tile as it is, where they are known already.

        Raises:
            torch.OutOfMemoryError: and nothing is left to reduce.
        """
        with self.timed("networks"):
            while True:
                forward = self.load(member, 1)
                try:
                    started = time.perf_counter()
                    tile = tile.to(self.device)
                    known = None if unmirrored is None else unmirrored.to(self.device)
                    logits = mean_over_mirrorings(forward, tile, axes, self._together, known)
                    if passes := 2 ** len(axes) - (known is not None):
                        self._note_pace(member, (time.perf_counter() - started) / passes)
                    return logits
                except torch.OutOfMemoryError:
                    if not self.reduce_memory(accumulator):
                        raise

    def reduce_memory(self, accumulator: LogitAccumulator | None) -> bool:
        """Use less memory on the GPU; return whether anything could be reduced."""
        if self._together > 1:
            self._together //= 2
            log.warning("out of GPU memory: %d mirrored tiles together", self._together)
        elif self.device.type == "cpu":
            return False
        elif not self._accumulator_on_host:
            self._accumulator_on_host = True
            log.warning("out of GPU memory: logits are accumulated on the host")
        else:
            self.device = torch.device("cpu")
            self.backend = AUTO
            self._chosen.clear()
            self._loaded.clear()
            log.warning("out of GPU memory: the CPU is used, much slower")
        if accumulator is not None and accumulator.device != self.accumulator_device:
            accumulator.move(self.accumulator_device)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return True

    def new_accumulator(self, channels: int, shape: Sequence[int]) -> LogitAccumulator:
        """Return an empty accumulator for a volume (z, y, x), on the host if the GPU is full."""
        while True:
            try:
                return LogitAccumulator(channels, shape, self.accumulator_device)
            except torch.OutOfMemoryError:
                if not self.reduce_memory(None):
                    raise

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the wall seconds of the block to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started

    def _load(self, member: Member) -> Forward:
        network = _network(member)
        shape = (self._together, len(member.sequences), *member.plan.patch)
        backend = self._backend(member)
        try:
            return backend.make(network, shape, self.device)
        except ValueError as error:
            log.warning("backend %s does not take %s (%s)", backend.name, member.name, error)
            return BACKENDS[REFERENCE].make(network, shape, self.device)

    def _backend(self, member: Member) -> Backend:
        if self.backend != AUTO:
            return find_backend(self.backend, self.device)
        likely = next(backend for backend in usable(self.device) if backend.exact)
        return self._chosen.get(self._kind(member), likely)

    def _kind(self, member: Member) -> Kind:
        plan = member.plan
        return (self.device, plan.network, str(plan.arguments), plan.patch, len(member.sequences))

    def _note_pace(self, member: Member, pass_s: float) -> None:
        kind = self._kind(member)
        self._pass_s[kind] = min(pass_s, self._pass_s.get(kind, math.inf))

    def _is_worth_comparing(self, member: Member, passes: int) -> bool:
        kind = self._kind(member)
        is_open = self.backend == AUTO and kind not in self._chosen
        return is_open and passes * self._pass_s.get(kind, 0.0) > LONG_RUN_S

    def _compare(self, member: Member) -> None:
        running = self._backend(member)
        small = (1, len(member.sequences), *half_patch(member.plan))
        best = choose_backend(lambda: _network(member), small, self.device)
        self._chosen[self._kind(member)] = best
        if best is not running:
            self._loaded.clear()


def _network(member: Member) -> nn.Module:
    network = build_network(member.plan, len(member.sequences), len(member.head.channels))
    return load_network(network, member.checkpoint)


def half_patch(plan: Plan) -> tuple[int, ...]:
    """Return about half the sides of a plan's patch, as its network can still halve them."""
    strides = np.prod([np.broadcast_to(stride, 3) for stride in plan.arguments["strides"]], 0)
    halves = zip(plan.patch, strides.tolist(), strict=True)
    # Two voxels at the bottom where the patch has them: over a single one nothing is normalised.
    return tuple(
        min(side // stride, max(2, side // 2 // stride)) * stride for side, stride in halves
    )
