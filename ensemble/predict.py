"""A case through every member of a model, as far as time allows: probabilities and votes."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from challenge.case import Case
from ensemble.budget import Budget
from ensemble.cascade import in_run_order
from ensemble.device_errors import DeviceFailed
from ensemble.donor import DonorRequest, ask_donors
from ensemble.engine import Engine
from ensemble.manifest import Model
from ensemble.member_average import MemberAverage, Request
from ensemble.member_network import mirror_axes_of
from ensemble.prepared_case import Preparation, prepare

log = logging.getLogger("podium")


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
    donors: tuple[dict[str, Any], ...] = ()  # what became of each region's, JSON-able
    small_case: dict[str, Any] | None = None  # by which volume its weights were chosen, JSON-able

    def record(self) -> dict[str, Any]:
        """Return what a run record says of how the prediction came about, JSON-able."""
        return {
            "skipped": list(self.skipped),
            "donors": list(self.donors),
            **({"small_case": self.small_case} if self.small_case else {}),
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
    the sum of weights. Memory grows with the case and its channels, not with the members. Donors
    are asked in the end (`ensemble.donor`).

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
            yield from _predict(case, model, engine, Request(budget, count_votes, preparation))
            return
        except DeviceFailed:  # the engine is on the CPU now; what was on the GPU is not read again
            continue


def prepare_case(case: Case, model: Model, engine: Engine) -> Preparation:
    """Prepare a case for a model's first network, which may be done while another case runs."""
    with engine.timed("prepare"):
        return prepare(case, in_run_order(model.always_run))


def warm_up(model: Model, engine: Engine) -> None:
    """Load a model's networks, and run zeros in every batch size that a case may need.

    Donors are loaded when they are asked: most cases need none.
    """
    for member in model.always_run:
        flips = 2 ** len(mirror_axes_of(member) if model.mirroring else ())
        try:
            # One tile less than a second batch: what remains runs in all smaller sizes.
            engine.load(member, 2 * engine.tiles_together(member, flips) - 1, flips)
        except DeviceFailed:  # the CPU needs no warming up
            return


def _predict(case: Case, model: Model, engine: Engine, request: Request) -> Iterator[Prediction]:
    average = MemberAverage(case, replace(model, members=model.always_run), engine, request)
    for early in average.run():
        yield Prediction(early, is_final=False)
        del early  # the next network needs the memory
    probabilities = average.value()
    votes = average.votes.shares() if average.votes else None
    donors = ask_donors(DonorRequest(case, model, engine, average, probabilities, votes))
    skipped = (*average.skipped, *(words for donor in donors for words in donor.skipped))
    if skipped:
        log.warning("case=%s deadline: skipped %s", case.id, "; ".join(skipped))
    yield Prediction(
        probabilities,
        votes,
        average.planner.members_run,
        skipped,
        device=engine.device.type,
        device_errors=tuple(engine.case_errors),
        donors=tuple(donor.to_json() for donor in donors),
        small_case=average.small_case.to_json() if average.small_case else None,
    )
