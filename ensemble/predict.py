"""A case through every member: averaged, within the time there is, and the members' votes counted.

Folds of one network average their logits, as stock nnU-Net's folds do; networks that differ in
plan, channels or head average their probabilities on the case's own grid.
"""

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from challenge.case import Case
from challenge.orientation import Turn
from challenge.scheme import Head, labels_from
from ensemble.average import Ballot, Mean
from ensemble.budget import STEPS, Budget, Course, Effort
from ensemble.engine import Engine
from ensemble.groups import by_weight, in_groups, prepared_alike
from ensemble.heads import to_head
from ensemble.manifest import Member, Model
from ensemble.preprocess import (
    Inside,
    Prepared,
    find_inside,
    prepare,
    prepared_shape,
    restore,
)
from ensemble.sliding_window import Sums, count_tiles, pad, tiles

log = logging.getLogger("podium")

# An early answer is worth its cost where the rest takes longer than this.
EARLY_S = 15.0


@dataclass(frozen=True)
class Prediction:
    """What the ensemble says of a case, on the case's own grid."""

    probabilities: np.ndarray  # (channel, z, y, x) float32
    votes: np.ndarray | None = None  # (z, y, x) float32, share of members that see tumour
    members_run: int = 1
    dropped: tuple[str, ...] = ()  # what time did not allow, in words
    is_final: bool = True


def predict(
    case: Case, model: Model, engine: Engine, budget: Budget | None = None,
    count_votes: bool = False,
) -> Iterator[Prediction]:  # fmt: skip
    """Yield the ensemble's answer, which is final, perhaps after an early one of its first member.

    The channels mean what `model.head` says. Each member counts once, with its manifest weight over
    the sum of weights. Memory grows with the case and its channels, not with the members.

    Args:
        case: what to segment.
        model: its members and how they are run.
        engine: where they are run.
        budget: the time there is; without one, all is run. An early answer comes only with one.
        count_votes: whether to tell how many members see tumour where.
    """
    budget = budget or Budget()
    engine.recover()
    crew = by_weight(model.members)
    with engine.timed("prepare"):
        sights = in_axis_orders(case, crew)
    course = _course(sights, model, crew, budget)
    mean = Mean(model.head)
    ballot = Ballot(case.shape) if count_votes else None
    for group, view in _views(sights, crew, engine, model.head):
        sums, weight = engine.new_sums(len(group[0].head.channels), view.shape), 0.0
        finished_before = course.members_run
        for member in group:
            if not run_member(member, crew.index(member), view, sums, engine, course):
                continue
            if ballot is not None:
                own = view.restored(sums.own_logits(view.inner))
                ballot.add(labels_from(own, model.head, model.scheme), model.scheme)
            sums.finish(member.weight)
            weight += member.weight
            if course.is_early() and course.rest_s() > EARLY_S:
                engine.release()
                yield Prediction(view.restored(sums.logits(view.inner)), is_final=False)
        engine.release()
        # A network that saw only a part of the case says nothing of the rest, others did.
        if weight and (mean.is_empty or course.members_run > finished_before):
            with engine.timed("restore"):
                mean.add(view.restored(sums.logits(view.inner)), weight)
    dropped = tuple(course.dropped())
    if dropped:
        log.warning("case=%s time is short, given up: %s", case.id, "; ".join(dropped))
    probabilities = mean.value(case.shape)
    votes = ballot.shares() if ballot else None
    yield Prediction(probabilities, votes, course.members_run, dropped)


@dataclass(frozen=True)
class Sight:
    """A case in the axis order of some members, and the way back to its own."""

    case: Case
    inside: Inside
    turn: Turn | None


def in_axis_orders(case: Case, crew: Sequence[Member]) -> dict[str | None, Sight]:
    """Return the case in each axis order that some member wants it in."""
    sights: dict[str | None, Sight] = {}
    for member in crew:
        if member.orientation not in sights:
            turned = case.oriented(member.orientation)
            inside = find_inside(turned, member.sequences)
            sights[member.orientation] = Sight(turned, inside, case.turn_to(member.orientation))
    return sights


class View:
    """A case as one kind of network sees it, padded to at least one tile."""

    def __init__(self, prepared: Prepared, turn: Turn | None, member: Member, head: Head) -> None:
        self._prepared, self._turn, self._member, self._head = prepared, turn, member, head
        padded, self.inner = pad(prepared.data, member.plan.patch)
        self.volume = torch.from_numpy(padded)
        self.shape = tuple(self.volume.shape[1:])

    def restored(self, logits: np.ndarray) -> np.ndarray:
        """Return probabilities (channel, z, y, x) on the case's own grid, in the wanted head."""
        own = self._member
        probabilities = restore(logits, self._prepared, own.plan, own.head)
        if self._turn is not None:
            probabilities = self._turn.back(probabilities)
        return to_head(probabilities, own.head, self._head)


def run_member(
    member: Member, rank: int, view: View, sums: Sums, engine: Engine, course: Course
) -> bool:
    """Add a member's answer, as far as time allows; return whether there is any."""
    began, step, done, ran = time.perf_counter(), course.full.step, 0, False
    places = list(tiles(view.shape, member.plan.patch, step))
    while done < len(places):
        effort = course.effort(rank, step, done)
        if effort is None:
            break
        if effort.step > step and done <= 1:
            step, done = effort.step, 0
            places = list(tiles(view.shape, member.plan.patch, step))
        passes = (len(places) - done) * effort.passes_a_tile
        loaded = engine.load(member, passes)
        axes = tuple(axis for axis in effort.mirror_axes if axis in loaded.mirror_axes)
        started = course.budget.now()
        logits = engine.run(member, view.volume[(slice(None), *places[done])], axes, sums)
        with engine.timed("blend"):
            sums.add(logits, places[done])
        course.ran(rank, effort, course.budget.now() - started)
        done, ran = done + 1, True
    else:
        course.finish(rank, step)
    log.info("member=%s tiles=%d seconds=%.1f", member.name, done, time.perf_counter() - began)
    return ran


def predict_member(case: Case, member: Member, model: Model, engine: Engine) -> np.ndarray:
    """Return one member's probabilities (channel, z, y, x) in its own head."""
    alone = replace(model, members=(member,), head=member.head)
    return [told.probabilities for told in predict(case, alone, engine)][-1]


def _views(
    sights: Mapping[str | None, Sight], crew: Sequence[Member], engine: Engine, head: Head
) -> Iterator[tuple[list[Member], View]]:
    """Yield every group and what it sees; what is seen alike in a row is prepared once."""
    prepared, before = None, crew[0]
    for group in in_groups(crew):
        first = group[0]
        sight = sights[first.orientation]
        if prepared is None or not prepared_alike(first, before):
            with engine.timed("prepare"):
                prepared = prepare(sight.case, first.sequences, first.plan, sight.inside)
        before = first
        yield group, View(prepared, sight.turn, first, head)


def _course(
    sights: Mapping[str | None, Sight], model: Model, crew: Sequence[Member], budget: Budget
) -> Course:
    """Lay out what there is to run."""
    seen = [(sights[member.orientation], member.plan) for member in crew]
    shapes = [prepared_shape(sight.case, plan, sight.inside) for sight, plan in seen]
    steps = (model.step, *(step for step in STEPS if step > model.step))
    counted = [
        {step: count_tiles(shape, member.plan.patch, step) for step in steps}
        for shape, member in zip(shapes, crew, strict=True)
    ]
    axes = (0, 1, 2) if model.mirroring else ()
    voxels = [math.prod(member.plan.patch) for member in crew]
    return Course(Effort(len(crew), model.step, axes), counted, voxels, budget)
