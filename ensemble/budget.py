"""Deadline -> how much of the ensemble to run. Pure arithmetic; clocks are handed in.

What is skipped, in this order: mirroring axes, then the overlap of tiles, then members of least
weight. The first member that is run through is never skipped, unless time is already over.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

Clock = Callable[[], float]

STEPS = (0.5, 0.75, 1.0)  # of the patch between tiles; larger ones lose the overlap
RESERVE_S = 10.0  # for refining and writing, until measured on a case
RESERVE_SHARE = 0.1  # of a limit, where that is less
CAUTION = 1.5  # times what was measured


@dataclass(frozen=True)
class Effort:
    """How much of an ensemble is run on a case."""

    members: int  # those of most weight
    step: float  # between tiles, as a share of the patch
    mirror_axes: tuple[int, ...]

    @property
    def passes_a_tile(self) -> int:
        """Return how often a network sees each tile."""
        return int(2 ** len(self.mirror_axes))


class Budget:
    """The seconds that are left for a case."""

    def __init__(self, seconds: float = math.inf, clock: Clock = time.monotonic) -> None:
        """Start now; `clock` returns seconds."""
        self._clock = clock
        self._end = clock() + seconds
        self._reserve_s = min(RESERVE_S, RESERVE_SHARE * seconds) if seconds < math.inf else 0.0

    @property
    def is_limited(self) -> bool:
        """Return whether there is a limit at all."""
        return self._end < math.inf

    def now(self) -> float:
        """Return the time of the clock, in seconds."""
        return self._clock()

    def left_s(self) -> float:
        """Return the seconds left for networks; negative where time is over."""
        return self._end - self._clock() - self._reserve_s

    def reserve(self, seconds: float) -> None:
        """Reserve time for work after the networks that took `seconds` before."""
        self._reserve_s = max(self._reserve_s, CAUTION * seconds)

    def share(self, cases: int) -> "Budget":
        """Return an equal part of the time left, for one of `cases` cases."""
        part = Budget(clock=self._clock)
        if self.is_limited:
            left = self._end - self._clock()
            part._end = self._clock() + left / cases
            part._reserve_s = min(self._reserve_s, RESERVE_SHARE * max(left / cases, 0.0))
        return part


class DeviceQueue:
    """Hands the device to one case at a time, with a share of the time that is left."""

    def __init__(self, budget: Budget, cases: int) -> None:
        """Share a budget among `cases` cases."""
        self._budget, self._left = budget, cases
        self._device = threading.Lock()

    @contextmanager
    def take(self) -> Iterator[Budget]:
        """Wait for the device, and hold it for a case."""
        with self._device:
            yield self._budget.share(max(self._left, 1))

    def done(self) -> None:
        """Count a case as finished, whether it succeeded or failed."""
        self._left -= 1


def degradation_steps(full: Effort) -> Iterator[Effort]:
    """Yield efforts from the full one down to one member without mirroring or overlap."""
    axes = full.mirror_axes
    for n in range(len(axes), -1, -1):
        yield Effort(full.members, full.step, axes[:n])
    steps = [step for step in STEPS if step > full.step]
    for step in steps:
        yield Effort(full.members, step, ())
    largest = max(steps, default=full.step)
    for members in range(full.members - 1, 0, -1):
        yield Effort(members, largest, ())


def affordable(
    efforts: Iterable[Effort], cost_s: Callable[[Effort], float], left_s: float
) -> Effort:
    """Return the first effort whose rest costs no more than what is left, else the last one.

    Raises:
        ValueError: no efforts to choose from.
    """
    chosen = None
    for chosen in efforts:
        if cost_s(chosen) <= left_s:
            return chosen
    if chosen is None:
        raise ValueError("no efforts to choose from")
    return chosen


class DeadlinePlanner:
    """Decides, tile by tile, how much of the rest of a case is affordable.

    Members are numbered by falling weight. Member 0 runs first; the order of the others is the
    caller's.
    """

    def __init__(
        self,
        full: Effort,
        tiles: Sequence[Mapping[float, int]],
        voxels: Sequence[int],
        budget: Budget,
    ) -> None:
        """Start with nothing run.

        Args:
            full: all that would be run if time were no matter.
            tiles: for each member, how many tiles cover the volume at each step.
            voxels: of each member's tile; the cost of a pass is estimated from it until measured.
            budget: of the case.
        """
        self.full, self.budget = full, budget
        self._tiles, self._voxels = tiles, voxels
        self._pass_s: dict[int, float] = {}
        self._finished: set[int] = set()
        self._least = full

    @property
    def members_run(self) -> int:
        """Return how many members were run through."""
        return len(self._finished)

    def effort(self, member: int, step: float, done: int) -> Effort | None:
        """Return the effort for a member's next tile; None where there is no time for it.

        Args:
            member: that runs now.
            step: between its tiles.
            done: tiles done at this step; after the first one the step may still grow.
        """
        if not self.budget.is_limited:
            return self.full
        left_s = self.budget.left_s()
        if left_s <= 0:
            return None
        if not self._pass_s:  # the first tile of all measures what a tile costs
            return self.full

        def cost_s(effort: Effort) -> float:
            remaining = self._tiles[member][step] - done
            if effort.step > step and done <= 1:
                remaining = self._tiles[member][effort.step]
            seconds = remaining * self._estimate_s(member) if member < effort.members else 0.0
            for other in range(effort.members):
                if other != member and other not in self._finished:
                    seconds += self._tiles[other][effort.step] * self._estimate_s(other)
            return seconds * effort.passes_a_tile

        effort = affordable(degradation_steps(self.full), cost_s, left_s)
        return effort if member < effort.members else None

    def record_tile(self, member: int, effort: Effort, seconds: float) -> None:
        """Record how long a tile of a member took at an effort."""
        self._pass_s[member] = seconds / effort.passes_a_tile
        if effort.passes_a_tile < self._least.passes_a_tile:
            self._least = replace(self._least, mirror_axes=effort.mirror_axes)

    def finish_member(self, member: int, step: float) -> None:
        """Record that a member was run through, at a step."""
        self._finished.add(member)
        if step > self._least.step:
            self._least = replace(self._least, step=step)

    def is_early(self) -> bool:
        """Return whether there is a limit, one member was run, and others follow."""
        return self.budget.is_limited and len(self._finished) == 1 < self.full.members

    def rest_s(self) -> float:
        """Return the seconds that the members not yet run through would take in full."""
        rest = set(range(self.full.members)) - self._finished
        tiles_s = sum(self._tiles[m][self.full.step] * self._estimate_s(m) for m in rest)
        return tiles_s * self.full.passes_a_tile

    def skipped(self) -> list[str]:
        """Return what was skipped, in words; nothing where all was run."""
        words, full = [], self.full
        if axes := len(full.mirror_axes) - len(self._least.mirror_axes):
            words.append(f"mirroring along {axes} of {len(full.mirror_axes)} axes")
        if self._least.step > full.step:
            words.append(f"overlap of tiles (step {self._least.step:g} instead of {full.step:g})")
        if missing := full.members - len(self._finished):
            words.append(f"{missing} of {full.members} members")
        return words

    def _estimate_s(self, member: int) -> float:
        """Return the seconds of one pass, measured of this member or scaled from another."""
        if member in self._pass_s:
            return self._pass_s[member]
        if not self._pass_s:
            return 0.0
        measured, seconds = next(reversed(self._pass_s.items()))
        return seconds * self._voxels[member] / self._voxels[measured]
