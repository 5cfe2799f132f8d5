"""How much of each stress table is run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StressOptions:
    """What the options of `python -m lab stress` say."""

    jobs: int = 2  # malformed inputs at a time
    most: int | None = None  # about so many malformed inputs; None: all
    limit_s: float = 30.0  # for a malformed input
    kills: int = 50
    cases: int = 200  # in a row
