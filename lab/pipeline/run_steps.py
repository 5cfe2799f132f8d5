"""Steps one after the other: each has a log, a finished one a mark; one bar shows them all."""

import contextlib
import ctypes
import fcntl
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

from challenge.atomic_write import write_atomically
from challenge.refusal import Refusal
from lab.json_files import read_json
from lab.pipeline.steps import Step, total_s
from lab.progress import duration, print_line, progress_bar

POLL_S = 0.2
ALMOST = 0.95  # of a step's estimate, while it runs
PR_SET_PDEATHSIG = 1
BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, about {remaining} left"


class StepError(Refusal):
    """A step failed; the message is the last line of its log, and names the log."""


@dataclass
class StepRunner:
    """Runs steps in a work folder, and knows what is left of the time."""

    work: Path
    plan: Sequence[Step]  # all steps, in order
    end_s: float | None = None  # of the monotonic clock; None: as long as it takes
    pace: dict[str, float] = field(default_factory=dict)  # kind -> measured over estimated seconds

    def __post_init__(self) -> None:
        """Make the folders of marks and logs."""
        self._number = 0  # of the step that runs, among those of the plan
        self._bar: Any = None
        for name in ("done", "logs"):
            (self.work / name).mkdir(parents=True, exist_ok=True)

    def is_done(self, step: Step) -> bool:
        """Return whether an earlier run finished a step, with this command."""
        path = self._mark(step)
        return path.exists() and read_json(path).get("command") == step.command

    def estimate_s(self, steps: Sequence[Step]) -> float:
        """Return the seconds that steps will take, at the pace so far."""
        left = [step for step in steps if not self.is_done(step)]
        return total_s([self._at_pace(step) for step in left])

    def fits(self, steps: Sequence[Step], rest: Sequence[Step]) -> bool:
        """Return whether there is time for steps and for the rest that must follow."""
        if self.end_s is None:
            return True
        return time.monotonic() + self.estimate_s([*steps, *rest]) <= self.end_s

    @contextlib.contextmanager
    def display(self) -> Iterator[None]:
        """Show one bar, in estimated seconds, for all steps that are run within."""
        left = [step for step in self.plan if not self.is_done(step)]
        with progress_bar(max(1, round(total_s(left))), "s", "") as self._bar:
            self._bar.bar_format = BAR
            yield
        self._bar = None

    def run(self, steps: Sequence[Step]) -> None:
        """Run the steps that are not done, and print a line for each.

        Raises:
            StepError: one failed.
        """
        for step in steps:
            self._number += 1
            title = f"{self._number:>2}/{len(self.plan)} {step.name}"
            if self.is_done(step):
                print_line(f"{title}: done before")
                continue
            step = self._at_pace(step)
            before = self._bar.n if self._bar is not None else 0
            for share in self._run(step):
                self._show(title, before + share * step.estimate_s)
            self._show(title, before + step.estimate_s)
            seconds = float(read_json(self._mark(step))["seconds"])
            words = "; ".join(filter(None, (duration(seconds), self.finding(step))))
            print_line(f"{title}: {words}")

    def leave_out(self, steps: Sequence[Step]) -> None:
        """Count steps as passed over."""
        self._number += len(steps)

    def _show(self, title: str, estimated_s: float) -> None:
        if self._bar is not None:
            self._bar.set_description_str(title, refresh=False)
            self._bar.update(round(estimated_s) - self._bar.n)

    def finding(self, step: Step) -> str:
        """Return the last line of a step's log that says what came out; "" for none."""
        matches = [line for line in self._lines(step) if re.search(step.finding or "$^", line)]
        return matches[-1].strip() if matches else ""

    def last_line(self, step: Step) -> str:
        """Return the last line that a step printed."""
        return next((line.strip() for line in reversed(self._lines(step)) if line.strip()), "")

    def _lines(self, step: Step) -> list[str]:
        return self.log(step).read_text(encoding="utf-8", errors="replace").splitlines()

    def log(self, step: Step) -> Path:
        """Return the file with all that a step printed."""
        return self.work / "logs" / f"{step.slug}.log"

    def _run(self, step: Step) -> Iterator[float]:
        """Run one step; yield how much of it is done, from 0 to 1."""
        self._discard_after(step)
        if self._mark(step).exists():  # of another command
            self._discard(step)
        if step.product is not None and step.product.exists():
            rmtree(step.product)
        started = time.monotonic()
        with self.log(step).open("ab") as log:
            process = subprocess.Popen(
                [*step.words, *step.parallel],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},  # lines in the order of their printing
                cwd=Path(__file__).resolve().parents[2],
                preexec_fn=_die_with_parent,
            )
        try:
            while process.poll() is None:
                time.sleep(POLL_S)
                share = step.share_done()
                if share is None:
                    share = (time.monotonic() - started) / max(step.estimate_s, 1)
                yield min(share, ALMOST)
        finally:  # whoever interrupts this program means the step too
            if process.poll() is None:
                process.terminate()
                process.wait()
        if process.returncode:
            raise StepError(f"{step.name} failed: {self.last_line(step)} ({self.log(step)})")
        seconds = time.monotonic() - started
        if step.kind:
            unscaled = step.estimate_s / self.pace.get(step.kind, 1.0)
            self.pace[step.kind] = seconds / max(unscaled, 1.0)
        content = {"step": step.name, "seconds": round(seconds, 1), "command": step.command}
        write_atomically((json.dumps(content, indent=1) + "\n").encode(), self._mark(step))

    def _discard_after(self, step: Step) -> None:
        """Remove what was made after a step that runs now: by another command, or without it."""
        names = [each.name for each in self.plan]
        for each in self.plan[names.index(step.name) + 1 :]:
            self._discard(each)

    def _discard(self, step: Step) -> None:
        """Remove the mark and the products of a step."""
        self._mark(step).unlink(missing_ok=True)
        for folder in filter(None, (step.product, *step.written)):
            rmtree(folder, ignore_errors=True)

    def _at_pace(self, step: Step) -> Step:
        return replace(step, estimate_s=step.estimate_s * self.pace.get(step.kind, 1.0))

    def _mark(self, step: Step) -> Path:
        return self.work / "done" / f"{step.slug}.json"


@contextlib.contextmanager
def locked(work: Path) -> Iterator[None]:
    """Hold a work folder for this process alone.

    Raises:
        Refusal: another run has it.
    """
    work.mkdir(parents=True, exist_ok=True)
    with (work / ".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refusal(f"{work}: another run works in this folder; wait for it") from error
        yield


def _die_with_parent() -> None:
    """End this child when the program that started it is killed, so that none writes on alone."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:  # it was killed before that took effect
        os._exit(1)
