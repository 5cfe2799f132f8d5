"""Donors: networks that are run only where the average of the other members lacks their region.

A donor is asked where the average's labels have no voxel of its region, the challenge takes no
empty answer (`Scheme.when_empty`), and the time left allows a whole run of it. In the voxels where
its labels are of the region, all channels of its probabilities then replace the average's;
elsewhere the average stays. Of nested regions no part does: with the channel of the region alone, a
softmax average would go on seeing background, and a region would pass 0.5 where the regions around
it do not. With all channels in every voxel, the other regions' better average would be lost.

Where a donor has none of the region either, nothing changes, and `Scheme.when_empty` goes on with
the average.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from challenge.case import Case
from challenge.scheme import labels_from
from ensemble.cascade import in_run_order
from ensemble.engine import Engine
from ensemble.manifest import Model
from ensemble.member_average import MemberAverage, Request, plan_deadline
from ensemble.members import Member
from ensemble.prepared_case import orient_case, prepare_first

log = logging.getLogger("podium")

NOT_ASKED, NO_TIME = "not asked: the average has the region", "not asked: no time for a whole run"
EMPTY, GRAFTED = "asked: none of the region either", "asked: its voxels of the region are taken"


@dataclass(frozen=True)
class DonorOutcome:
    """What became of the donors of one region, for the log and the run record."""

    region: str
    members: tuple[str, ...]
    outcome: str
    voxels: int = 0  # of the region, that were taken
    skipped: tuple[str, ...] = ()  # by the deadline, in words

    def to_json(self) -> dict[str, Any]:
        """Return what the run record holds."""
        content = asdict(self)
        del content["skipped"]  # it is among what was skipped of the case
        return {**content, "members": list(self.members)}


@dataclass(frozen=True)
class DonorRequest:
    """What donors may add to."""

    case: Case
    model: Model
    engine: Engine
    average: MemberAverage  # of the other members, run
    probabilities: np.ndarray  # (channel, z, y, x) float32 of the average; changed in place
    votes: np.ndarray | None  # (z, y, x) float32, changed in place


def ask_donors(request: DonorRequest) -> list[DonorOutcome]:
    """Run the donors of each region that is missing, as far as time allows.

    Raises:
        CaseError: a donor's logits are not finite, even in single precision.
        DeviceFailed: the engine is on the CPU now; all has to be run again.
    """
    outcomes = []
    for region, donors in request.model.donors.items():
        outcome = _ask(request, region, donors)
        log.info(
            "case=%s donor for %s: %s%s",
            request.case.id,
            region,
            outcome.outcome,
            f" ({outcome.voxels})" if outcome.voxels else "",
        )
        outcomes.append(outcome)
    return outcomes


def _ask(request: DonorRequest, region: str, donors: Sequence[Member]) -> DonorOutcome:
    case, model, names = request.case, request.model, tuple(member.name for member in donors)
    labels = labels_from(request.probabilities, model.head, model.scheme)
    if model.scheme.mask(labels, region).any():
        return DonorOutcome(region, names, NOT_ASKED)
    # Among themselves they are averaged as members of a model are.
    members = in_run_order([replace(member, donor="") for member in donors])
    wanted = request.average.request
    orientations = orient_case(case, members)
    plan = plan_deadline(orientations, model, members, wanted.budget)
    left_s = wanted.budget.left_s()
    if left_s <= 0 or request.average.planner.seconds_of(plan) > left_s:
        return DonorOutcome(region, names, NO_TIME, skipped=(_skipped(region, names),))
    with request.engine.timed("prepare"):
        preparation = prepare_first(orientations, members)
    of_donors = replace(model, members=tuple(members))
    again = Request(wanted.budget, wanted.count_votes, preparation, gives_early=False)
    average = MemberAverage(case, of_donors, request.engine, again)
    for _ in average.run():
        pass
    if not average.planner.members_run:
        return DonorOutcome(region, names, NO_TIME, skipped=(_skipped(region, names),))
    voxels = _graft(request, region, average)
    skipped = tuple(f"donor for {region}: {words}" for words in average.skipped)
    return DonorOutcome(region, names, GRAFTED if voxels else EMPTY, voxels, skipped)


def _graft(request: DonorRequest, region: str, average: MemberAverage) -> int:
    """Take the donors' probabilities and votes where they see the region; return the voxels."""
    model = request.model
    donated = average.mean.value(request.case.shape)
    mask = model.scheme.mask(labels_from(donated, model.head, model.scheme), region)
    for channel, values in zip(request.probabilities, donated, strict=True):
        channel[mask] = values[mask]
    if request.votes is not None and average.votes is not None:
        request.votes[mask] = average.votes.shares()[mask]
    return int(np.count_nonzero(mask))


def _skipped(region: str, names: Sequence[str]) -> str:
    return f"donor for {region}: {', '.join(names)}"
