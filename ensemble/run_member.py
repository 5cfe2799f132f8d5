"""One member through one case: tile by tile, as far as time allows."""

import logging
import time
from dataclasses import dataclass

import torch

from challenge.case import CaseError
from ensemble.deadline import DeadlinePlanner
from ensemble.engine import Engine
from ensemble.manifest import Member
from ensemble.prepared_case import PreparedCase
from ensemble.sliding_window import LogitAccumulator, tiles

log = logging.getLogger("podium")


@dataclass(frozen=True)
class MemberRun:
    """A member that runs on a case, and where its logits are added."""

    member: Member
    rank: int  # by falling weight
    prepared: PreparedCase
    sums: LogitAccumulator
    engine: Engine
    planner: DeadlinePlanner


@torch.inference_mode()
def run_member(run: MemberRun) -> bool:
    """Add a member's logits, tile by tile, as far as time allows; return whether there are any."""
    member, engine, planner, rank = run.member, run.engine, run.planner, run.rank
    volume = run.prepared.volume
    started, step, done, ran = time.perf_counter(), planner.full.step, 0, False
    positions = list(tiles(run.prepared.shape, member.plan.patch, step))
    while done < len(positions):
        effort = planner.effort(rank, step, done)
        unmirrored, first_pass_s = None, 0.0
        # A GPU's networks are warm, and all mirrorings of a tile take it no time to speak of.
        if effort and not engine.on_gpu and planner.first_pass_is_apart(rank):
            engine.load(member)
            unmirrored = engine.run(member, volume, positions[done : done + 1], ())
            first_pass_s = engine.run_s
            effort = planner.effort_after_first_pass(rank, step, effort, first_pass_s)
        if effort is None:
            break
        if effort.step > step and done <= 1:  # the first tile is the same at every step
            step, done = effort.step, 0
            positions = list(tiles(run.prepared.shape, member.plan.patch, step))
        work, flips = planner.work[rank], planner.work[rank].passes_a_tile(effort)
        engine.load(member, len(positions) - done, flips)
        together = positions[done : done + engine.tiles_together(member, flips)]
        logits = engine.run(member, volume, together, work.axes(effort), unmirrored)
        seconds = first_pass_s + engine.run_s
        with engine.timed("blend"):
            for tile, position in zip(logits.unbind(), together, strict=True):
                engine.with_sums(run.sums, LogitAccumulator.add, tile, position)
        planner.record_tile(rank, effort, seconds / len(together))
        done, ran = done + len(together), True
    else:
        planner.finish_member(rank, step)
    log.info("member=%s tiles=%d seconds=%.1f", member.name, done, time.perf_counter() - started)
    return ran


def check_overflow(run: MemberRun) -> None:
    """Run a member again, in single precision, where its sums are beyond half precision.

    Raises:
        CaseError: they are not finite even then.
    """
    sums, engine, name = run.sums, run.engine, run.member.name
    if not engine.with_sums(sums, LogitAccumulator.overflows):
        return
    log.warning("member=%s overflows half precision: it is run again in single precision", name)
    engine.with_sums(sums, LogitAccumulator.restart_member)
    run.planner.restart_member(run.rank)
    with engine.single_precision(run.member):
        run_member(run)
    if engine.with_sums(sums, LogitAccumulator.overflows):
        raise CaseError(f"member {name}: its logits are not finite")
