"""What is skipped when time is short, and in which order."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.budget import (
    Budget,
    DeadlinePlanner,
    DeviceQueue,
    Effort,
    affordable,
    degradation_steps,
)

FULL = Effort(members=3, step=0.5, mirror_axes=(0, 1, 2))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_order_of_degradation() -> None:
    assert [(e.members, e.step, e.passes_a_tile) for e in degradation_steps(FULL)] == [
        *((3, 0.5, 8), (3, 0.5, 4), (3, 0.5, 2), (3, 0.5, 1)),
        *((3, 0.75, 1), (3, 1.0, 1), (2, 1.0, 1), (1, 1.0, 1)),
    ]
    assert list(degradation_steps(Effort(1, 1.0, ()))) == [Effort(1, 1.0, ())]


def test_the_first_that_fits_is_taken_else_the_last() -> None:
    def cost_s(effort: Effort) -> float:
        return 10.0 * effort.passes_a_tile * effort.members

    assert affordable(degradation_steps(FULL), cost_s, 240) == FULL
    assert affordable(degradation_steps(FULL), cost_s, 239).passes_a_tile == 4
    assert affordable(degradation_steps(FULL), cost_s, 25) == Effort(2, 1.0, ())
    assert affordable(degradation_steps(FULL), cost_s, 0) == Effort(1, 1.0, ())
    with pytest.raises(ValueError, match="no efforts"):
        affordable([], cost_s, 1)


def test_some_time_is_reserved_for_what_comes_after_the_networks() -> None:
    clock = Clock()
    budget = Budget(1000, clock)
    assert budget.left_s() == 990
    clock.now = 100
    budget.reserve(40)  # it took 40 s: half as long again is reserved
    assert budget.left_s() == 840
    assert Budget(20, clock).left_s() == 18
    assert Budget(clock=clock).left_s() == math.inf


def test_every_case_of_a_folder_gets_its_share() -> None:
    clock = Clock()
    queue = DeviceQueue(Budget(400, clock), 4)
    shares = []
    for seconds in (10, 200, 20, 0):
        with queue.take() as budget:
            shares.append(budget.left_s())
            clock.now += seconds
        queue.done()
    # A tenth of each share is reserved, ten seconds at most; what one case leaves, others inherit.
    assert shares == [90, 120, 85.5, 160]


def test_a_folder_without_a_limit_hands_out_no_limit() -> None:
    with DeviceQueue(Budget(), 3).take() as budget:
        assert not budget.is_limited


def planner(limit_s: float, clock: Clock) -> DeadlinePlanner:
    tiles = [{0.5: 8, 0.75: 8, 1.0: 4}] * 2 + [{0.5: 20, 0.75: 12, 1.0: 8}]
    return DeadlinePlanner(FULL, tiles, [100, 100, 50], Budget(limit_s, clock))


def test_what_a_pass_costs_is_guessed_from_other_members_tiles() -> None:
    planned = planner(1e6, Clock())
    planned.record_tile(0, FULL, 16.0)  # two seconds a pass
    planned.finish_member(0, 0.5)
    # 8 tiles of the same size and 20 of half of it, eight passes each
    assert planned.rest_s() == 8 * (8 * 2 + 20 * 1)
    assert planned.is_early()


def test_a_member_that_became_too_much_is_left_midway() -> None:
    clock = Clock()
    planned = planner(100, clock)
    planned.record_tile(0, Effort(3, 0.5, ()), 1.0)
    planned.finish_member(0, 0.5)
    # 5 tiles of a second and 20 of half a second are left: 15 s unmirrored, 60 s along two axes.
    assert planned.effort(1, 0.5, 3).mirror_axes == (0, 1)
    clock.now = 89
    assert planned.effort(1, 0.5, 3) is None  # 5 tiles, one second
    assert planned.skipped() == ["mirroring along 3 of 3 axes", "2 of 3 members"]


@given(
    limit_s=st.floats(1, 500),
    costs=st.lists(st.floats(0.01, 20), min_size=40, max_size=40),
)
def test_no_tile_is_started_when_time_is_over(limit_s: float, costs: list[float]) -> None:
    """Whatever the device does, only the tile at work can outlast the limit."""
    clock = Clock()
    planned = planner(limit_s, clock)
    seconds = iter(costs * 100)
    for member in range(3):
        done = 0
        while done < 8 and (effort := planned.effort(member, 0.5, done)):
            assert clock.now < limit_s
            started = clock.now
            clock.now += next(seconds) * effort.passes_a_tile
            planned.record_tile(member, effort, clock.now - started)
            done += 1
        if done == 8:
            planned.finish_member(member, 0.5)
    full = planned.members_run == 3
    assert full or planned.skipped()
