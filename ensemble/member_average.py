"""Members through a case, averaged within the time there is, and their votes counted.

Folds of one network average their logits, as stock nnU-Net's folds do; networks that differ in
plan, channels or head average their probabilities on the case's grid. So do members whose weights
differ by channel, unless these are the same: logits have no weights by channel.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from challenge.case import Case
from challenge.scheme import labels_from
from ensemble.average import ProbabilityMean, VoteCount
from ensemble.budget import Budget
from ensemble.cascade import Stages, in_run_order
from ensemble.deadline import STEPS, DeadlinePlanner, Work
from ensemble.engine import Engine
from ensemble.heads import to_head
from ensemble.manifest import Model
from ensemble.member_network import mirror_axes_of
from ensemble.member_weights import channel_names
from ensemble.members import Member
from ensemble.prepared_case import Orientations, Preparation, PreparedCase, prepare_groups
from ensemble.preprocess import preprocessed_shape
from ensemble.run_member import MemberRun, check_overflow, run_member
from ensemble.sliding_window import LogitAccumulator, count_tiles
from ensemble.small_cases import SmallCase

log = logging.getLogger("podium")

# An early prediction is worth its cost where the remaining members take longer than this.
EARLY_S = 15.0
# Members that agree in these are folds of one network: their logits are averaged.
SAME_NETWORK = (
    *("group", "plan", "sequences", "head", "orientation"),
    *("channel_weights", "small_weight"),
)


@dataclass(frozen=True)
class Request:
    """What is wanted of a case's members."""

    budget: Budget
    count_votes: bool
    preparation: Preparation  # of the case for the members
    gives_early: bool = True  # whether an early prediction is of use


class MemberAverage:
    """All members of a model, averaged on one case: `mean` and `votes`, once they were run."""

    def __init__(self, case: Case, model: Model, engine: Engine, request: Request) -> None:
        """Plan; nothing is run yet."""
        self.case, self.model, self.engine, self.request = case, model, engine, request
        self.members = in_run_order(model.members)
        known = request.preparation.stage_labels
        self.stages = Stages(self.members, model.head, model.scheme, known)
        orientations, budget = request.preparation.orientations, request.budget
        self.planner = plan_deadline(orientations, model, self.members, budget)
        self.mean = ProbabilityMean(model.head)
        # By the weights of small cases; None where there are none, as among donors.
        averaged = [member for member in model.members if member.is_averaged]
        has_small = model.small_cases and all(m.small_weight is not None for m in averaged)
        self.small_mean = ProbabilityMean(model.head) if has_small else None
        self.small_case: SmallCase | None = None  # what `value` made of it
        self.votes = VoteCount(case.shape) if request.count_votes else None
        self.is_of_stages = False  # whether a cascade's previous stages answer instead of it

    def run(self) -> Iterator[np.ndarray]:
        """Run the members; perhaps yield early probabilities (channel, z, y, x) of the first one.

        Raises:
            CaseError: a member's logits are not finite, even in single precision.
            DeviceFailed: the engine is on the CPU now; all has to be run again.
        """
        groups = in_groups(self.members)
        preparation, stages = self.request.preparation, self.stages
        for group, prepared in prepare_groups(preparation, groups, self.engine, stages):
            yield from self._run_group(group, prepared)
        if self.mean.is_empty and not stages.answer.is_empty:
            self.mean, self.is_of_stages = stages.answer, True

    def value(self) -> np.ndarray:
        """Return the mean (channel, z, y, x) by the weights that the case has by its volume."""
        case, model, small = self.case, self.model, self.small_mean
        mean = self.mean.value(case.shape)
        if small is None or model.small_cases is None:
            return mean
        labels = labels_from(mean, model.head, model.scheme)
        self.small_case = model.small_cases.outcome(labels, case.spacing_mm, model.scheme)
        log.info("case=%s %s", case.id, self.small_case.in_words())
        is_answer = self.small_case.is_small and not small.is_empty
        return small.value(case.shape) if is_answer else mean

    @property
    def skipped(self) -> list[str]:
        """Return what the deadline did not allow, in words."""
        names = channel_names(self.model.head, self.model.scheme)
        lost = [names[channel] for channel in self.mean.unweighted]
        weights = f"every member with a weight for {', '.join(lost)}: others count there instead"
        words = [*self.planner.skipped(), *([weights] if lost else [])]
        if self.is_of_stages:
            words.append("every second stage of a cascade: its previous stage answers")
        if self.small_mean is not None and self.small_mean.is_empty:
            words.append("every member with a weight for small cases: usual weights count there")
        return words

    def _run_group(self, group: Sequence[Member], prepared: PreparedCase) -> Iterator[np.ndarray]:
        engine, planner = self.engine, self.planner
        first, channels, weight, runs = group[0], len(group[0].head.channels), 0.0, 0
        sums = engine.new_sums(channels, prepared.shape)
        finished_before = planner.members_run
        for member in group:
            run = MemberRun(member, self.members.index(member), prepared, sums, engine, planner)
            if not run_member(run):
                continue
            check_overflow(run)
            if self.votes is not None and member.is_averaged:
                logits = engine.with_sums(sums, LogitAccumulator.member_logits, prepared.inner)
                self._count_vote(self.votes, prepared.restored(logits))
            # Of the same weights by channel, logits stay as those of the network by itself.
            in_sum = 1.0 if first.channel_weights else member.weight
            engine.with_sums(sums, LogitAccumulator.finish_member, in_sum)
            weight, runs = weight + member.weight, runs + 1
            if self._is_early():
                engine.release()
                logits = engine.with_sums(sums, LogitAccumulator.logits, prepared.inner)
                yield prepared.restored(logits)
        engine.release()
        finished = planner.members_run - finished_before
        is_first = self.mean.is_empty and self.stages.answer.is_empty
        # A network that ran on a part of the case says nothing of the rest; earlier ones did.
        if weight and (is_first or finished):
            logits = engine.with_sums(sums, LogitAccumulator.logits, prepared.inner)
            by_channel = [each * runs for each in first.channel_weights]
            with engine.timed("restore"):
                restored = prepared.in_member_head(logits)
                if self.stages.feeds(first):
                    self.stages.add(first, restored, finished, self.request.budget.is_limited)
                if first.is_averaged:
                    small = (first.small_weight or 0) * runs
                    self._add(
                        to_head(restored, first.head, self.model.head), weight, by_channel, small
                    )

    def _add(
        self, restored: np.ndarray, weight: float, by_channel: Sequence[float], small: float
    ) -> None:
        if self.small_mean is not None and small:
            self.small_mean.add(restored.copy(), small)
        self.mean.add(restored, weight, by_channel)

    def _count_vote(self, votes: VoteCount, probabilities: np.ndarray) -> None:
        labels = labels_from(probabilities, self.model.head, self.model.scheme)
        votes.add(labels, self.model.scheme)

    def _is_early(self) -> bool:
        planner = self.planner
        return self.request.gives_early and planner.is_early() and planner.rest_s() > EARLY_S


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


def plan_deadline(
    orientations: Orientations, model: Model, members: Sequence[Member], budget: Budget
) -> DeadlinePlanner:
    """Count the tiles and mirrorings of every member, and plan them within a budget."""
    steps = (model.step, *(step for step in STEPS if step > model.step))
    work = []
    for member in members:
        oriented = orientations[member.orientation]
        shape = preprocessed_shape(oriented.case, member.plan, oriented.nonzero)
        counts = {step: count_tiles(shape, member.plan.patch, step) for step in steps}
        axes = mirror_axes_of(member) if model.mirroring else ()
        work.append(Work(counts, math.prod(member.plan.patch), axes))
    return DeadlinePlanner(model.step, work, budget)
