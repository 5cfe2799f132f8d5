"""One step of a submission: a verb with its options, what it costs, and what it writes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PREDICT = "predict"  # the kind of step whose estimate the first one of a run corrects


@dataclass(frozen=True)
class Step:
    """A command to run once; a run that was stopped goes on with the first one that is not done."""

    name: str
    words: tuple[str, ...]
    estimate_s: float
    parallel: tuple[str, ...] = ()  # --jobs or --dask, which change no result
    kind: str = ""
    product: Path | None = None  # of an interrupted run, removed before the step is run again
    written: tuple[Path, ...] = ()  # folders that fill up case by case, the first one counts
    files: int = 0  # that each will hold
    basis: str = ""  # what the estimate rests on; "": a round number that nobody measured
    finding: str = ""  # regular expression of the line of its log that says what came out

    @property
    def command(self) -> str:
        """Return the command as one types it."""
        return " ".join(("python", *self.words[1:]))

    @property
    def slug(self) -> str:
        """Return the name as a file name."""
        return self.name.replace(" ", "-")

    def share_done(self) -> float | None:
        """Return how much of the folder is written, from 0 to 1; None where nothing tells."""
        if not self.written or not self.files:
            return None
        files = (path for path in self.written[0].glob("*") if path.suffix != ".json")
        return min(1.0, sum(1 for _ in files) / self.files)


def lab_words(verb: str, *words: object) -> tuple[str, ...]:
    """Return the command of a verb of `python -m lab`; None among the words is left out."""
    return (sys.executable, "-m", "lab", verb, *(str(word) for word in words if word is not None))


def total_s(steps: Sequence[Step]) -> float:
    """Return the estimated seconds of several steps."""
    return sum(step.estimate_s for step in steps)
