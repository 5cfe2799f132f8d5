"""Cascades: members that see, beside the image, the labels that other members gave of the case.

A member with `previous_stage` is a second stage. The members of the group that it names are the
previous stage: they are run first, averaged among themselves, and their labels are handed on as
they are, as `nnUNetv2_predict -prev_stage_predictions` does. Second stages are run last, so that a
deadline leaves them out first; where it leaves out all that is averaged, the previous stage
answers.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from challenge.refusal import Refusal
from challenge.scheme import Head, Scheme, labels_from
from ensemble.average import ProbabilityMean
from ensemble.heads import can_become, to_head
from ensemble.members import Member

log = logging.getLogger("podium")


class CascadeError(Refusal):
    """A second stage without the previous stage that it was trained on."""


def feeding_groups(members: Iterable[Member]) -> set[str]:
    """Return the groups whose labels some of the members see."""
    return {member.previous_stage for member in members} - {""}


def in_run_order(members: Sequence[Member]) -> list[Member]:
    """Return members by falling weight, previous stages behind all others, second stages last.

    Among equals the order stays.
    """
    groups = feeding_groups(members)

    def place(member: Member) -> tuple[int, float]:
        stage = 2 if member.previous_stage else int(member.group in groups)
        return stage, -member.weight

    return sorted(members, key=place)


def check_cascades(members: Sequence[Member], head: Head) -> None:
    """Refuse a cascade that cannot be run as it was trained.

    Args:
        members: of a model.
        head: of the ensemble.

    Raises:
        CascadeError: naming the member.
    """
    groups = feeding_groups(members)
    for member in members:
        if fault := _fault(member, members, head):
            raise CascadeError(f"{member.name}: {fault}")
        if member.feeds_only and member.group not in groups:
            fault = f"feeds_only, but no member has previous_stage {member.group!r}"
            raise CascadeError(f"{member.name}: {fault}")


def _fault(member: Member, members: Sequence[Member], head: Head) -> str | None:
    planned = member.plan.previous_stage
    if planned is None:
        return "previous_stage, but its plans.json has none" if member.previous_stage else None
    stage = [each for each in members if each.group == member.previous_stage]
    wanted = f"previous_stage {member.previous_stage!r}"
    if not member.previous_stage or not stage:
        which = f"{wanted} is no group of members of {planned.configuration}"
        return f"a cascade's second stage; {which}"
    first = stage[0]
    if first.weight <= 0 or any(
        (each.plan, each.weight) != (first.plan, first.weight) for each in stage
    ):
        return f"{wanted} has members without a weight, or of several networks or weights"
    if first.plan.configuration != planned.configuration or first.previous_stage:
        return f"{wanted} is of {first.plan.configuration}, not of {planned.configuration}"
    if member.donor or first.donor:
        return "a donor cannot be part of a cascade"
    if lacking := sorted(set(member.stage_labels) - set(first.head.paints)):
        return f"{wanted} does not give the labels {', '.join(lacking)}"
    if not can_become(first.head, head):
        return f"{wanted}: its labels cannot become the ensemble's"
    return None


class Stages:
    """The previous stages of a case: their labels, and the answer of last resort."""

    def __init__(
        self, members: Sequence[Member], head: Head, scheme: Scheme, known: Mapping[str, np.ndarray]
    ) -> None:
        """Start with labels (z, y, x) that are known already, by group; `head` is the mean's."""
        self._groups, self._members = feeding_groups(members), members
        self.head, self.scheme = head, scheme
        self._labels = dict(known)
        self.answer = ProbabilityMean(head)  # of those that are not averaged themselves

    def labels_for(self, member: Member) -> np.ndarray | None:
        """Return the labels (z, y, x) that a second stage sees; None where none were given."""
        return self._labels.get(member.previous_stage)

    def feeds(self, member: Member) -> bool:
        """Return whether a member's labels are seen by others."""
        return member.group in self._groups

    def add(self, first: Member, probabilities: np.ndarray, runs: int, is_limited: bool) -> None:
        """Take what the members of a previous stage gave.

        Args:
            first: of the members.
            probabilities: (channel, z, y, x) on the case's grid, in the members' head.
            runs: how many of them ran through; 0 where one ran on a part of the case.
            is_limited: whether a deadline may leave out all that is averaged.
        """
        if runs:
            self._labels[first.group] = labels_from(probabilities, first.head, self.scheme)
            log.info("%s", self._in_words(first, runs))
        if is_limited and not first.is_averaged:
            self.answer.add(to_head(probabilities, first.head, self.head), float(max(runs, 1)))

    def _in_words(self, first: Member, runs: int) -> str:
        total = sum(member.group == first.group for member in self._members)
        fed = dict.fromkeys(m.group for m in self._members if m.previous_stage == first.group)
        also = "averaged too" if first.is_averaged else "not averaged"
        return (
            f"stage={first.group} members={runs} of {total}, labels go to {', '.join(fed)}; {also}"
        )
