"""The networks on one device: what runs each, how many tiles together, and which stay loaded."""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from ensemble.architectures import multiples_of
from ensemble.backends import (
    BACKENDS,
    REFERENCE,
    SINGLE,
    Backend,
    BackendError,
    Forward,
    choose_backend,
    find_backend,
    usable,
)
from ensemble.batch_size import (
    MOST_VOXELS,
    PassMemory,
    batch_sizes,
    batch_that_fits,
    largest_power_of_two,
    trace_pass,
)
from ensemble.device import free_bytes, synchronize
from ensemble.manifest import Member
from ensemble.member_network import empty_member, load_member
from ensemble.plans import Plan

log = logging.getLogger("podium")

AUTO = "auto"
MOST_MIRRORINGS = 8
# What takes less is not worth comparing backends for, which takes a GPU the autotuning of each.
LONG_RUN_S = {"cpu": 60.0, "cuda": 300.0}

Kind = tuple[object, ...]  # equal for networks that run alike


@dataclass
class LoadedNetwork:
    """A network that is ready to run."""

    forward: Forward
    backend: Backend
    batch: int = 1  # tiles that run together at most
    warm: set[object] = field(default_factory=set)  # batch sizes that ran before


class LoadedNetworks:
    """The networks on one device.

    Networks start on the backend that is most likely fastest; where what is left would take long
    at the measured pace, all exact ones are compared and the fastest goes on.
    """

    def __init__(self, device: torch.device, backend: str, keeps_networks: bool) -> None:
        """Nothing is loaded yet; `backend` may be AUTO."""
        self.device, self.backend, self.keeps_networks = device, backend, keeps_networks
        self.runs_as: dict[str, dict[str, str | int]] = {}  # member -> backend and batch, to report
        self._loaded: dict[str, LoadedNetwork] = {}
        self._running: Member | None = None
        self._tried_batch = 0  # of the network that was loaded last
        self._chosen: dict[Kind, Backend] = {}
        self._plain: set[Kind] = set()  # the reference alone runs these
        self._single: set[str] = set()  # members that run in single precision
        self._most_together: dict[Kind, int] = {}
        self._pass_s: dict[Kind, float] = {}  # the fastest pass so far
        self._warm: dict[Kind, set[object]] = {}

    def load(self, member: Member, tiles: int, flips: int) -> LoadedNetwork:
        """Return a member's network, ready and warm to run so many tiles, flipped so often."""
        self._running, self._tried_batch = member, 0
        if self._is_worth_comparing(member, tiles * flips):
            self._compare(member)
        if member.name not in self._loaded:
            self.release()
            self._loaded[member.name] = self._make(member)
        network = self._loaded[member.name]
        network.batch = largest_power_of_two(min(self.most_together(member), tiles * flips))
        self._tried_batch = network.batch
        if self.device.type != "cpu":
            self._warm_up(member, network, tiles, flips)
        self.runs_as[member.name] = {"backend": network.backend.name, "batch": network.batch}
        return network

    def most_together(self, member: Member) -> int:
        """Return how many tiles of a member may run together; on a CPU a batch gains nothing."""
        if self.device.type == "cpu":
            return 1
        kind = self._kind(member)
        if kind not in self._most_together:
            voxels = math.prod(member.plan.patch)
            most = max(MOST_MIRRORINGS, MOST_VOXELS // voxels)
            free = free_bytes(self.device)
            self._most_together[kind] = batch_that_fits(_pass_memory(member), free, most)
        return self._most_together[kind]

    def release(self) -> None:
        """Free the networks that no other case needs."""
        if not self.keeps_networks:
            self._loaded.clear()

    def clear(self) -> None:
        """Free all networks."""
        self._loaded.clear()

    def drop_others(self) -> bool:
        """Free the networks that are kept for other cases, and keep none from now on."""
        running = self._running.name if self._running else None
        others = [name for name in self._loaded if name != running]
        for name in others:
            del self._loaded[name]
        self.keeps_networks = self.keeps_networks and not others
        return bool(others)

    def fewer_together(self) -> bool:
        """Run half as many tiles together as were tried last, if that were several."""
        if self._running is None or self._tried_batch <= 1:
            return False
        fewer = largest_power_of_two(self._tried_batch - 1)
        self._most_together[self._kind(self._running)] = self._tried_batch = fewer
        return True

    def use_reference(self) -> bool:
        """Run the network that runs now on the reference backend from now on, if it does not."""
        if self._running is None:
            return False
        kind = self._kind(self._running)
        if kind in self._plain or self._backend(self._running).name in (REFERENCE, SINGLE):
            return False
        self._plain.add(kind)
        self._loaded.pop(self._running.name, None)
        return True

    @contextmanager
    def single_precision(self, member: Member) -> Iterator[None]:
        """Run a member in single precision within the block."""
        self._single.add(member.name)
        self._loaded.pop(member.name, None)
        try:
            yield
        finally:
            self._single.remove(member.name)
            self._loaded.pop(member.name, None)

    def note_pace(self, member: Member, pass_s: float) -> None:
        """Remember how long a pass of a network took that was warm."""
        kind = self._kind(member)
        self._pass_s[kind] = min(pass_s, self._pass_s.get(kind, math.inf))

    def _make(self, member: Member) -> LoadedNetwork:
        shape = (self.most_together(member), member.channels_in, *member.plan.patch)
        backend = self._backend(member)
        if self.device.type == "cpu" and (named := member.cpu_backend):
            log.warning("%s was packed for %s; %s runs it", member.name, named, backend.name)
        try:
            made = LoadedNetwork(backend.make(load_member(member), shape, self.device), backend)
        except ValueError as error:
            log.warning("backend %s does not take %s (%s)", backend.name, member.name, error)
            backend = BACKENDS[REFERENCE]
            made = LoadedNetwork(backend.make(load_member(member), shape, self.device), backend)
        if not backend.per_network:  # what the first pass finds out, it finds out for all alike
            made.warm = self._warm.setdefault((*self._kind(member), backend.name), set())
        return made

    def _warm_up(self, member: Member, network: LoadedNetwork, tiles: int, flips: int) -> None:
        """Run zeros in each batch size that will run for the first time, and wait for it."""
        group = max(1, network.batch // flips)
        passes = {min(tiles, group) * flips, tiles % group * flips}
        for size in sorted({n for each in passes for n in batch_sizes(each, network.batch)}):
            if size in network.warm:
                continue
            shape = (size, member.channels_in, *member.plan.patch)
            network.forward(torch.zeros(shape, device=self.device))
            synchronize(self.device)
            network.warm.add(size)

    def _backend(self, member: Member) -> Backend:
        if member.name in self._single and self.device.type != "cpu":
            return BACKENDS[SINGLE]
        if self._kind(member) in self._plain:
            return BACKENDS[REFERENCE]
        if self.backend != AUTO:
            return find_backend(self.backend, self.device)
        if self.device.type == "cpu" and member.cpu_backend:
            return BACKENDS[member.cpu_backend]
        likely = next(backend for backend in usable(self.device) if backend.exact)
        return self._chosen.get(self._kind(member), likely)

    def _kind(self, member: Member) -> Kind:
        plan = member.plan
        return (plan.network, str(plan.arguments), plan.patch, member.channels_in)

    def _is_worth_comparing(self, member: Member, passes: int) -> bool:
        kind = self._kind(member)
        is_open = self.backend == AUTO and kind not in self._chosen and kind not in self._plain
        is_open = is_open and not (self.device.type == "cpu" and member.cpu_backend)
        return is_open and passes * self._pass_s.get(kind, 0.0) > LONG_RUN_S[self.device.type]

    def _compare(self, member: Member) -> None:
        running = self._backend(member)
        on_cpu = self.device.type == "cpu"
        sides = half_patch(member.plan) if on_cpu else member.plan.patch
        shape = (self.most_together(member), member.channels_in, *sides)
        best = choose_backend(lambda: load_member(member), shape, self.device)
        self._chosen[self._kind(member)] = best
        if best is not running:
            self._loaded.clear()


def backend_or_auto(name: str, device: torch.device) -> str:
    """Return a backend's name, or AUTO with a warning where it cannot run here.

    Raises:
        BackendError: there is no such backend.
    """
    try:
        return name if name == AUTO else find_backend(name, device).name
    except BackendError as error:
        if name not in BACKENDS:
            raise
        log.warning("%s; the backend is chosen", error)
        return AUTO


def half_patch(plan: Plan) -> tuple[int, ...]:
    """Return about half the sides of a plan's patch, as its network can still halve them.

    A network that takes one size of patch gets that.
    """
    halves = zip(plan.patch, multiples_of(plan), strict=True)
    # Two voxels at the bottom where the patch has them: over a single one nothing is normalised.
    return tuple(
        min(side // stride, max(2, side // 2 // stride)) * stride for side, stride in halves
    )


def _pass_memory(member: Member) -> PassMemory:
    shape = (member.channels_in, *member.plan.patch)
    try:
        return trace_pass(empty_member(member), shape)
    except RuntimeError:  # an exported program may name a precision, which half ones do not fit
        return trace_pass(empty_member(member), shape, torch.float)
