"""The seconds that are left for a case, and every case's share of them."""

import math

from clock import Clock

from ensemble.budget import Budget, DeviceQueue


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
