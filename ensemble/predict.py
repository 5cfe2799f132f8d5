"""A case through every member: averaged, within the time there is, and the members' votes counted.

Folds of one network average their logits, as stock nnU-Net's folds do; networks that differ in
plan, channels or head average their probabilities on the case's grid.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from challenge.case import Case
from challenge.scheme import labels_from
from ensemble.average import ProbabilityMean, VoteCount
from ensemble.budget import Budget
from ensemble.deadline import STEPS, DeadlinePlanner, Work
from ensemble.device_errors import DeviceFailed
from ensemble.engine import Engine
from ensemble.manifest import Member, Model
from ensemble.network import mirror_axes_of
from ensemble.prepared_case import (
    Orientations,
    Preparation,
    prepare,
    prepare_groups,
)
from ensemble.preprocess import preprocessed_shape
from ensemble.run_member import MemberRun, check_overflow, run_member
from ensemble.sliding_window import LogitAccumulator, count_tiles

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
    device: str = "cpu"  # that the networks ran on at last
    device_errors: tuple[str, ...] = ()  # what failed on a GPU, and what was done

    def record(self) -> dict[str, Any]:
        """Return what a run record says of how the prediction came about, JSON-able."""
        return {
            "skipped": list(self.skipped),
            "device": self.device,
            "device_errors": list(self.device_errors),
        }


def predict(
    case: Case,
    model: Model,
    engine: Engine,
    budget: Budget | None = None,
    count_votes: bool = False,
    preparation: Preparation | None = None,
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
        preparation: of the case for the model, where that was done before.

    Raises:
        CaseError: a member's logits are not finite, even in single precision.
    """
    budget = budget or Budget()
    engine.start_case(budget)
    if preparation is None:
        preparation = prepare_case(case, model, engine)
    while True:
        try:
            yield from _predict(case, model, engine, _Request(budget, count_votes, preparation))
            return
        except DeviceFailed:  # the engine is on the CPU now; what was on the GPU is not read again
            continue


def prepare_case(case: Case, model: Model, engine: Engine) -> Preparation:
    """Prepare a case for a model's first network, which may be done while another case runs."""
    with engine.timed("prepare"):
        return prepare(case, by_weight(model.members))


def warm_up(model: Model, engine: Engine) -> None:
    """Load a model's networks, and run zeros in every batch size that a case may need."""
    for member in model.members:
        flips = 2 ** len(mirror_axes_of(member.checkpoint) if model.mirroring else ())
        try:
            # One tile less than a second batch: what remains runs in all smaller sizes.
            engine.load(member, 2 * engine.tiles_together(member, flips) - 1, flips)
        except DeviceFailed:  # the CPU needs no warming up
            return


@dataclass(frozen=True)
class _Request:
    budget: Budget
    count_votes: bool
    preparation: Preparation


def _predict(case: Case, model: Model, engine: Engine, request: _Request) -> Iterator[Prediction]:
    members = by_weight(model.members)
    planner = _deadline_planner(request.preparation.orientations, model, members, request.budget)
    mean = ProbabilityMean(model.head)
    votes = VoteCount(case.shape) if request.count_votes else None
    groups = prepare_groups(request.preparation, in_groups(members), engine, model.head)
    for group, prepared in groups:
        channels, weight = len(group[0].head.channels), 0.0
        sums = engine.new_sums(channels, prepared.shape)
        finished_before = planner.members_run
        for member in group:
            run = MemberRun(member, members.index(member), prepared, sums, engine, planner)
            if not run_member(run):
                continue
            check_overflow(run)
            if votes is not None:
                logits = engine.with_sums(sums, LogitAccumulator.member_logits, prepared.inner)
                labels = labels_from(prepared.restored(logits), model.head, model.scheme)
                votes.add(labels, model.scheme)
            engine.with_sums(sums, LogitAccumulator.finish_member, member.weight)
            weight += member.weight
            if planner.is_early() and planner.rest_s() > EARLY_S:
                engine.release()
                logits = engine.with_sums(sums, LogitAccumulator.logits, prepared.inner)
                early = prepared.restored(logits)
                yield Prediction(early, is_final=False)
                del early  # the next network needs the memory
        engine.release()
        # A network that ran on a part of the case says nothing of the rest; earlier ones did.
        if weight and (mean.is_empty or planner.members_run > finished_before):
            logits = engine.with_sums(sums, LogitAccumulator.logits, prepared.inner)
            with engine.timed("restore"):
                mean.add(prepared.restored(logits), weight)
    skipped = tuple(planner.skipped())
    if skipped:
        log.warning("case=%s deadline: skipped %s", case.id, "; ".join(skipped))
    shares = votes.shares() if votes else None
    yield Prediction(
        mean.value(case.shape),
        shares,
        planner.members_run,
        skipped,
        device=engine.device.type,
        device_errors=tuple(engine.case_errors),
    )


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
