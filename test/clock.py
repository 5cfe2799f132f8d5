"""A clock that only a test advances."""


class Clock:
    """Seconds, as `time.monotonic` returns them."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
