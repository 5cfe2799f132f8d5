"""The seconds that are left for a case, and whose turn it is on the device."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Clock = Callable[[], float]

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


class DeviceQueue:
    """Hands the device to one case at a time, with a share of the time that is left."""

    def __init__(self, budget: Budget, cases: int) -> None:
        """Share a budget among `cases` cases."""
        self._budget, self._left = budget, cases
        self._device = threading.Lock()

    @contextmanager
    def take(self) -> Iterator[Budget]:
        """Wait for the device, and hold it for a case."""
        with self._device:
            yield self._budget.share(max(self._left, 1))

    def done(self) -> None:
        """Count a case as finished, whether it succeeded or failed."""
        self._left -= 1
