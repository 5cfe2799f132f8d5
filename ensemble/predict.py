"""A case through every member: averaged, within the time there is, and the members' votes counted.

Folds of one network average their logits, as stock nnU-Net's folds do; networks that differ in
plan, channels or head average their probabilities on the case's grid.
"""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from challenge.case import Case
from challenge.scheme import labels_from
from ensemble.average import ProbabilityMean, VoteCount
from ensemble.budget import Budget
from ensemble.deadline import STEPS, DeadlinePlanner, Work
from ensemble.engine import Engine
from ensemble.manifest import Member, Model
from ensemble.network import mirror_axes_of
from ensemble.prepared_case import Orientations, PreparedCase, orient, prepare_groups
from ensemble.preprocess import preprocessed_shape
from ensemble.sliding_window import LogitAccumulator, count_tiles, tiles

log = logging.getLogger("podium")

# An early prediction is worth its cost where the remaining members take longer than this.
EARLY_S = 15.0
# Members that agree in these are folds of one network: their logits are averaged.
SAME_NETWORK = ("group", "plan", "sequences", "head", "orientation")


@dataclass(frozen=True)
class Prediction:
    """The ensemble's prediction of a case, on the case's grid."""

    probabilities: np.ndarray  # (channel, z, y, x) float32
    votes: np.ndarray | None = None  # (z, y, x) float32, share of members that predict tumour
    members_run: int = 1
    skipped: tuple[str, ...] = ()  # what the deadline did not allow, in words
    is_final: bool = True


def predict(
    case: Case,
    model: Model,
    engine: Engine,
    budget: Budget | None = None,
    count_votes: bool = False,
) -> Iterator[Prediction]:
    """Yield the final prediction, perhaps after an early one of the first member.

    The channels mean what `model.head` says. Each member counts once, with its manifest weight over
    the sum of weights. Memory grows with the case and its channels, not with the members.

    Args:
        case: what to segment.
        model: its members and how they are run.
        engine: where they are run.
        budget: the time there is; without one, all is run. An early prediction comes only with one.
        count_votes: whether to count how many members predict tumour in each voxel.
    """
    budget = budget or Budget()
    engine.recover()
    members = by_weight(model.members)
    with engine.timed("prepare"):
        orientations = orient(case, members)
    planner = _deadline_planner(orientations, model, members, budget)
    mean = ProbabilityMean(model.head)
    votes = VoteCount(case.shape) if count_votes else None
    for group, prepared in prepare_groups(orientations, in_groups(members), engine, model.head):
        channels, weight = len(group[0].head.channels), 0.0
        accumulator = engine.new_accumulator(channels, prepared.shape)
        finished_before = planner.members_run
        for member in group:
            rank = members.index(member)
            if not run_member(member, rank, prepared, accumulator, engine, planner):
                continue
            if votes is not None:
                probabilities = prepared.restored(accumulator.member_logits(prepared.inner))
                votes.add(labels_from(probabilities, model.head, model.scheme), model.scheme)
            accumulator.finish_member(member.weight)
            weight += member.weight
            if planner.is_early() and planner.rest_s() > EARLY_S:
                engine.release()
                early = prepared.restored(accumulator.logits(prepared.inner))
                yield Prediction(early, is_final=False)
                del early  # the next network needs the memory
        engine.release()
        # A network that ran on a part of the case says nothing of the rest; earlier ones did.
        if weight and (mean.is_empty or planner.members_run > finished_before):
            with engine.timed("restore"):
                mean.add(prepared.restored(accumulator.logits(prepared.inner)), weight)
    skipped = tuple(planner.skipped())
    if skipped:
        log.warning("case=%s deadline: skipped %s", case.id, "; ".join(skipped))
    shares = votes.shares() if votes else None
    yield Prediction(mean.value(case.shape), shares, planner.members_run, skipped)


def run_member(
    member: Member,
    rank: int,
    prepared: PreparedCase,
    accumulator: LogitAccumulator,
    engine: Engine,
    planner: DeadlinePlanner,
) -> bool:
    """Add a member's logits, tile by tile, as far as time allows; return whether there are any."""
    started, step, done, ran = time.perf_counter(), planner.full.step, 0, False
    positions = list(tiles(prepared.shape, member.plan.patch, step))
    while done < len(positions):
        effort = planner.effort(rank, step, done)
        unmirrored, first_pass_s = None, 0.0
        if effort and planner.first_pass_is_apart(rank):
            engine.load(member, 1)
            tile_started = planner.budget.now()
            tile = prepared.volume[(slice(None), *positions[done])]
            unmirrored = engine.run(member, tile, (), accumulator)
            first_pass_s = planner.budget.now() - tile_started
            effort = planner.effort_after_first_pass(rank, step, effort, first_pass_s)
        if effort is None:
            break
        if effort.step > step and done <= 1:  # the first tile is the same at every step
            step, done = effort.step, 0
            positions = list(tiles(prepared.shape, member.plan.patch, step))
        engine.load(member, (len(positions) - done) * planner.work[rank].passes_a_tile(effort))
        tile_started = planner.budget.now()
        tile = prepared.volume[(slice(None), *positions[done])]
        logits = engine.run(member, tile, planner.work[rank].axes(effort), accumulator, unmirrored)
        with engine.timed("blend"):
            accumulator.add(logits, positions[done])
        planner.record_tile(rank, effort, first_pass_s + planner.budget.now() - tile_started)
        done, ran = done + 1, True
    else:
        planner.finish_member(rank, step)
    log.info("member=%s tiles=%d seconds=%.1f", member.name, done, time.perf_counter() - started)
    return ran


def by_weight(members: Sequence[Member]) -> list[Member]:
    """Return members by falling weight, the manifest's order among equals."""
    return sorted(members, key=lambda member: -member.weight)


def in_groups(members: Sequence[Member]) -> list[list[Member]]:
    """Gather members whose logits are averaged voxel by voxel: folds of one network."""
    groups: list[list[Member]] = []
    for member in members:
        for group in groups:
            if all(getattr(member, key) == getattr(group[0], key) for key in SAME_NETWORK):
                group.append(member)
                break
        else:
            groups.append([member])
    return groups


def _deadline_planner(
    orientations: Orientations, model: Model, members: Sequence[Member], budget: Budget
) -> DeadlinePlanner:
    """Count the tiles and mirrorings of every member, and plan them within a budget."""
    steps = (model.step, *(step for step in STEPS if step > model.step))
    work = []
    for member in members:
        oriented = orientations[member.orientation]
        shape = preprocessed_shape(oriented.case, member.plan, oriented.nonzero)
        counts = {step: count_tiles(shape, member.plan.patch, step) for step in steps}
        axes = mirror_axes_of(member.checkpoint) if model.mirroring else ()
        work.append(Work(counts, math.prod(member.plan.patch), axes))
    return DeadlinePlanner(model.step, work, budget)
