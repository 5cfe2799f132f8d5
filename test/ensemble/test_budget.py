"""The seconds that are left for a case, and every case's share of them."""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from clock import Clock

from ensemble.budget import Budget, DeviceThread, Shares


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
    shares, left_s = Shares(Budget(400, clock), 4), []
    for seconds in (10, 200, 20, 0):
        left_s.append(shares.next().left_s())
        clock.now += seconds
        shares.done()
    # A tenth of each share is reserved, ten seconds at most; what one case leaves, others inherit.
    assert left_s == [90, 120, 85.5, 160]


def test_a_folder_without_a_limit_hands_out_no_limit() -> None:
    assert not Shares(Budget(), 3).next().is_limited


def test_the_device_is_used_from_one_thread_one_call_after_the_other() -> None:
    """A GPU's plans belong to the thread that tuned them."""
    device, threads, running = DeviceThread(), [], []

    def call() -> int:
        threads.append(threading.get_ident())
        running.append("in")
        time.sleep(0.01)
        running.append("out")
        return len(running)

    with ThreadPoolExecutor(3) as pool:
        results = [each.result() for each in [pool.submit(device.run, call) for _ in range(3)]]
    assert sorted(results) == [2, 4, 6]
    assert running == ["in", "out"] * 3
    assert len(set(threads)) == 1 and threads[0] != threading.get_ident()


def test_what_fails_in_the_devices_thread_is_raised_where_it_was_asked_for() -> None:
    def fail() -> None:
        raise ValueError("no such tile")

    with pytest.raises(ValueError, match="no such tile"):
        DeviceThread().run(fail)
