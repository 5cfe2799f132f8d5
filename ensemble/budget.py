"""The seconds that are left for a case, and the thread that the device is used from."""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Clock = Callable[[], float]
T = TypeVar("T")

RESERVE_S = 10.0  # for refining and writing, until measured on a case
RESERVE_SHARE = 0.1  # of a limit, where that is less
CAUTION = 1.5  # times what was measured


class Budget:
    """The seconds that are left for a case."""

    def __init__(self, seconds: float = math.inf, clock: Clock = time.monotonic) -> None:
        """Start now; `clock` returns seconds."""
        self._clock = clock
        self._end = clock() + seconds
        self._reserve_s = min(RESERVE_S, RESERVE_SHARE * seconds) if seconds < math.inf else 0.0

    @property
    def is_limited(self) -> bool:
        """Return whether there is a limit at all."""
        return self._end < math.inf

    def now(self) -> float:
        """Return the time of the clock, in seconds."""
        return self._clock()

    def left_s(self) -> float:
        """Return the seconds left for networks; negative where time is over."""
        return self._end - self._clock() - self._reserve_s

    def reserve(self, seconds: float) -> None:
        """Reserve time for work after the networks that took `seconds` before."""
        self._reserve_s = max(self._reserve_s, CAUTION * seconds)

    def share(self, cases: int) -> "Budget":
        """Return an equal part of the time left, for one of `cases` cases."""
        part = Budget(clock=self._clock)
        if self.is_limited:
            left = self._end - self._clock()
            part._end = self._clock() + left / cases
            part._reserve_s = min(self._reserve_s, RESERVE_SHARE * max(left / cases, 0.0))
        return part


class DeviceThread:
    """The one thread that uses the device, case after case, as long as the process lives.

    cuDNN's plans belong to the thread that tuned them: another one would tune them again.
    """

    def __init__(self) -> None:
        """Start the thread when something is to be run."""
        self._executor = ThreadPoolExecutor(1, "device")

    def run(self, function: Callable[[], T]) -> T:
        """Run a function there, after what came before; return what it returns."""
        return self._executor.submit(function).result()


class Shares:
    """Shares the time that is left equally among the cases that are left."""

    def __init__(self, budget: Budget, cases: int) -> None:
        """Share a budget among `cases` cases."""
        self._budget, self._left = budget, cases

    def next(self) -> Budget:
        """Return the share of the case that starts now."""
        return self._budget.share(max(self._left, 1))

    def done(self) -> None:
        """Count a case as finished, whether it succeeded or failed."""
        self._left -= 1
