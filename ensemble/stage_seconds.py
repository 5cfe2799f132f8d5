"""How long each stage of a run took."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class StageSeconds:
    """Wall seconds of each stage, added up from any thread."""

    def __init__(self) -> None:
        """Nothing was timed yet."""
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the wall seconds of the block to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                seconds = self.seconds.get(stage, 0.0) + time.perf_counter() - started
                self.seconds[stage] = seconds
