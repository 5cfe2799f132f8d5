"""What is skipped when time is short, and in which order."""

from collections.abc import Sequence

import pytest
from clock import Clock
from hypothesis import given
from hypothesis import strategies as st

from ensemble.budget import Budget
from ensemble.deadline import DeadlinePlanner, Effort, Work, affordable, degradation_steps

FULL = Effort(members=3, step=0.5, axes=3)
ALL = (0, 1, 2)


def test_the_order_of_degradation() -> None:
    assert [(e.members, e.step, 2**e.axes) for e in degradation_steps(FULL)] == [
        *((3, 0.5, 8), (3, 0.5, 4), (3, 0.5, 2), (3, 0.5, 1)),
        *((3, 0.75, 1), (3, 1.0, 1), (2, 1.0, 1), (1, 1.0, 1)),
    ]
    assert list(degradation_steps(Effort(1, 1.0, 0))) == [Effort(1, 1.0, 0)]


def test_the_first_that_fits_is_taken_else_the_last() -> None:
    def cost_s(effort: Effort) -> float:
        return 10.0 * 2**effort.axes * effort.members

    assert affordable(degradation_steps(FULL), cost_s, 240) == FULL
    assert affordable(degradation_steps(FULL), cost_s, 239).axes == 2
    assert affordable(degradation_steps(FULL), cost_s, 25) == Effort(2, 1.0, 0)
    assert affordable(degradation_steps(FULL), cost_s, 0) == Effort(1, 1.0, 0)
    with pytest.raises(ValueError, match="no efforts"):
        affordable([], cost_s, 1)


def planner(
    limit_s: float, clock: Clock, axes: Sequence[tuple[int, ...]] = (ALL, ALL, ALL)
) -> DeadlinePlanner:
    tiles = [{0.5: 8, 0.75: 8, 1.0: 4}] * 2 + [{0.5: 20, 0.75: 12, 1.0: 8}]
    work = [Work(*each) for each in zip(tiles, (100, 100, 50), axes, strict=True)]
    return DeadlinePlanner(0.5, work, Budget(limit_s, clock))


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
    planned.record_tile(0, Effort(3, 0.5, 0), 1.0)
    planned.finish_member(0, 0.5)
    # 5 tiles of a second and 20 of half a second are left: 15 s unmirrored, 60 s along two axes.
    assert planned.effort(1, 0.5, 3).axes == 2
    clock.now = 89
    assert planned.effort(1, 0.5, 3) is None  # 5 tiles, one second
    assert planned.skipped() == ["mirroring along 3 of 3 axes", "2 of 3 members"]


def test_a_member_costs_the_mirrorings_that_it_was_trained_with() -> None:
    clock = Clock()
    planned = planner(1000, clock, ((2,), (), ALL))
    assert planned.full == FULL
    planned.record_tile(0, FULL, 4.0)  # two passes
    planned.finish_member(0, 0.5)
    # 8 tiles of two seconds once, and 20 of half the size eight times
    assert planned.rest_s() == 8 * 2 + 20 * 8 * 1
    # along two axes it would take 96 s, and the left-right member loses nothing by that
    clock.now = 1000 - 10 - 100
    effort = planned.effort(1, 0.5, 0)
    assert effort == Effort(3, 0.5, 2)
    assert [work.axes(effort) for work in planned.work] == [(2,), (), (0, 1)]


def test_a_member_that_was_trained_without_mirroring_loses_none() -> None:
    planned = planner(1000, Clock(), ((), ALL, ALL))
    planned.record_tile(0, Effort(3, 0.5, 0), 1.0)
    for member in range(3):
        planned.finish_member(member, 0.5)
    assert planned.skipped() == []
    planned.record_tile(1, Effort(3, 0.5, 1), 1.0)
    assert planned.skipped() == ["mirroring along 2 of 3 axes"]


@pytest.mark.parametrize(
    ("pass_s", "expected"),
    [
        (10.0, Effort(3, 0.5, 3)),  # seven more passes: 70 s of the 300 that are left
        (12.0, Effort(3, 0.75, 0)),  # 84 s of 298 are too many; 264 s for all tiles unmirrored
        (200.0, Effort(1, 1.0, 0)),
    ],
)
def test_a_first_tile_is_mirrored_where_that_leaves_time_for_the_others(
    pass_s: float, expected: Effort
) -> None:
    clock = Clock()
    planned = planner(320, clock)
    assert planned.effort(0, 0.5, 0) == FULL
    assert planned.first_pass_is_apart(0)
    assert not planner(320, clock, ((), ALL, ALL)).first_pass_is_apart(0)  # one pass is all
    clock.now += pass_s
    assert planned.effort_after_first_pass(0, 0.5, FULL, pass_s) == expected


def test_a_pass_that_was_measured_counts_as_part_of_its_tile() -> None:
    clock = Clock()
    planned = planner(320, clock)
    # At a step of 0.75: 8 and 8 tiles, and 12 of half the size, in the 310 s before that pass.
    pass_s = 309.9 / (8 + 8 + 12 / 2)
    clock.now += pass_s
    assert planned.effort_after_first_pass(0, 0.5, FULL, pass_s) == Effort(3, 0.75, 0)


def test_a_further_network_is_measured_too_and_left_if_it_is_too_slow() -> None:
    clock = Clock()
    planned = planner(320, clock)
    planned.record_tile(0, FULL, 8.0)
    planned.finish_member(0, 0.5)
    assert not planned.first_pass_is_apart(0) and planned.first_pass_is_apart(1)
    assert planned.effort_after_first_pass(1, 0.5, FULL, 500.0) is None


def test_without_a_limit_no_pass_is_measured_apart() -> None:
    work = [Work({0.5: 8}, 100, ALL)]
    assert not DeadlinePlanner(0.5, work, Budget()).first_pass_is_apart(0)


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
            clock.now += next(seconds) * planned.work[member].passes_a_tile(effort)
            planned.record_tile(member, effort, clock.now - started)
            done += 1
        if done == 8:
            planned.finish_member(member, 0.5)
    full = planned.members_run == 3
    assert full or planned.skipped()
