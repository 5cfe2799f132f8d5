"""Deadline -> how much of the ensemble to run. Pure arithmetic; clocks are handed in.

What is skipped, in this order: mirroring axes, then the overlap of tiles, then members of least
weight. The first member that is run through is never skipped, unless time is already over. Nothing
is skipped that time allows: without mirroring the labels are no longer stock nnU-Net's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ensemble.budget import Budget

STEPS = (0.5, 0.75, 1.0)  # of the patch between tiles; larger ones lose the overlap
# Of the time left, what the first tile may take in full before anything is planned: a pass alone is
# a rough measure, since the first one warms up what runs it.
FIRST_TILE_SHARE = 0.25


@dataclass(frozen=True)
class Effort:
    """How much of an ensemble is run on a case."""

    members: int  # those of most weight
    step: float  # between tiles, as a share of the patch
    axes: int  # that each member is mirrored along at most, the first ones of its own


@dataclass(frozen=True)
class Work:
    """What one member would run on a case."""

    tiles: Mapping[float, int]  # at each step, how many tiles cover the volume
    voxels: int  # of a tile; a pass takes about as long as they are many
    mirror_axes: tuple[int, ...] = ()  # that the network was mirrored along in training

    def axes(self, effort: Effort) -> tuple[int, ...]:
        """Return the axes that the network is mirrored along at an effort."""
        return self.mirror_axes[: effort.axes]

    def passes_a_tile(self, effort: Effort) -> int:
        """Return how often the network sees each tile at an effort."""
        return int(2 ** len(self.axes(effort)))


def degradation_steps(full: Effort) -> Iterator[Effort]:
    """Yield efforts from the full one down to one member without mirroring or overlap."""
    for axes in range(full.axes, -1, -1):
        yield Effort(full.members, full.step, axes)
    steps = [step for step in STEPS if step > full.step]
    for step in steps:
        yield Effort(full.members, step, 0)
    largest = max(steps, default=full.step)
    for members in range(full.members - 1, 0, -1):
        yield Effort(members, largest, 0)


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

    def __init__(self, step: float, work: Sequence[Work], budget: Budget) -> None:
        """Start with nothing run.

        Args:
            step: between tiles, if time were no matter.
            work: of each member.
            budget: of the case.
        """
        axes = max((len(each.mirror_axes) for each in work), default=0)
        self.full, self.budget, self.work = Effort(len(work), step, axes), budget, work
        self._pass_s: dict[int, float] = {}
        self._finished: set[int] = set()
        self._least = self.full

    @property
    def members_run(self) -> int:
        """Return how many members were run through."""
        return len(self._finished)

    def effort(self, member: int, step: float, done: int, spent_s: float = 0.0) -> Effort | None:
        """Return the effort for a member's next tile; None where there is no time for it.

        Args:
            member: that runs now.
            step: between its tiles.
            done: tiles done at this step; after the first one the step may still grow.
            spent_s: seconds that went into that tile already.
        """
        if not self.budget.is_limited:
            return self.full
        left_s = self.budget.left_s()
        if left_s <= 0:
            return None
        if not self._pass_s:  # the first tile of all measures what a tile costs
            return self.full

        def cost_s(effort: Effort) -> float:
            remaining = self.work[member].tiles[step] - done
            if effort.step > step and done <= 1:
                remaining = self.work[member].tiles[effort.step]
            seconds = remaining * self._tile_s(member, effort) if member < effort.members else 0.0
            for other in range(effort.members):
                if other != member and other not in self._finished:
                    tiles = self.work[other].tiles[effort.step]
                    seconds += tiles * self._tile_s(other, effort)
            return seconds

        effort = affordable(degradation_steps(self.full), cost_s, left_s + spent_s)
        return effort if member < effort.members else None

    def first_pass_is_apart(self, member: int) -> bool:
        """Return whether one pass of a member is measured before its first tile is mirrored.

        On a processor all mirrorings of one large tile may take longer than there is.
        """
        is_mirrored = bool(self.work[member].mirror_axes)
        return self.budget.is_limited and member not in self._pass_s and is_mirrored

    def effort_after_first_pass(
        self, member: int, step: float, planned: Effort, seconds: float
    ) -> Effort | None:
        """Return the effort for a member's first tile, of which one pass took `seconds`.

        It is the one that was planned where the tile takes little of the time left; the tile then
        measures better than the pass does. None where another member is to answer alone.
        """
        rest_s = (self.work[member].passes_a_tile(planned) - 1) * seconds
        if rest_s <= FIRST_TILE_SHARE * self.budget.left_s():
            return planned
        self._pass_s[member] = seconds
        unmirrored = None if self._finished else replace(planned, axes=0)
        return self.effort(member, step, 0, seconds) or unmirrored

    def record_tile(self, member: int, effort: Effort, seconds: float) -> None:
        """Record how long a tile of a member took at an effort."""
        work = self.work[member]
        self._pass_s[member] = seconds / work.passes_a_tile(effort)
        if work.passes_a_tile(effort) < work.passes_a_tile(self._least):
            self._least = replace(self._least, axes=effort.axes)

    def finish_member(self, member: int, step: float) -> None:
        """Record that a member was run through, at a step."""
        self._finished.add(member)
        if step > self._least.step:
            self._least = replace(self._least, step=step)

    def restart_member(self, member: int) -> None:
        """Record that a member is to be run anew."""
        self._finished.discard(member)

    def is_early(self) -> bool:
        """Return whether there is a limit, one member was run, and others follow."""
        return self.budget.is_limited and len(self._finished) == 1 < self.full.members

    def rest_s(self) -> float:
        """Return the seconds that the members not yet run through would take in full."""
        rest = set(range(self.full.members)) - self._finished
        full = self.full
        return sum(self.work[m].tiles[full.step] * self._tile_s(m, full) for m in rest)

    def seconds_of(self, other: "DeadlinePlanner") -> float:
        """Return the seconds that another planner's members would take in full, as measured here.

        0 where nothing was measured.
        """
        full = other.full
        return sum(
            work.tiles[full.step] * work.passes_a_tile(full) * self._scaled_s(work)
            for work in other.work
        )

    def skipped(self) -> list[str]:
        """Return what was skipped, in words; nothing where all was run."""
        words, full = [], self.full
        if axes := full.axes - self._least.axes:
            words.append(f"mirroring along {axes} of {full.axes} axes")
        if self._least.step > full.step:
            words.append(f"overlap of tiles (step {self._least.step:g} instead of {full.step:g})")
        if missing := full.members - len(self._finished):
            words.append(f"{missing} of {full.members} members")
        return words

    def _tile_s(self, member: int, effort: Effort) -> float:
        """Return the seconds of a member's tile at an effort."""
        return self._estimate_s(member) * self.work[member].passes_a_tile(effort)

    def _estimate_s(self, member: int) -> float:
        """Return the seconds of one pass, measured of this member or scaled from another."""
        if member in self._pass_s:
            return self._pass_s[member]
        return self._scaled_s(self.work[member])

    def _scaled_s(self, work: Work) -> float:
        """Return the seconds of one pass of other tiles, scaled from the member measured last."""
        if not self._pass_s:
            return 0.0
        measured, seconds = next(reversed(self._pass_s.items()))
        return seconds * work.voxels / self.work[measured].voxels
