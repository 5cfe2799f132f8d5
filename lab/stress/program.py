"""Run the program in its own process, within limits."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.bench.processes import ROOT

GIB = 2**30
QUIET = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


@dataclass(frozen=True)
class ProcessResult:
    """How a process ended."""

    exit_code: int  # negative: minus the signal
    wall_s: float
    peak_gib: float
    stderr: str

    @property
    def last_line(self) -> str:
        """Return what the platform shows: the last line of stderr that is not empty."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        return lines[-1] if lines else ""


def command(source: Path, target: Path, weights: Path, *flags: str) -> list[str]:
    """Return the command line for one folder, on the CPU."""
    paths = ["--input", str(source), "--output", str(target), "--weights", str(weights)]
    return [sys.executable, str(ROOT / "inference.py"), *paths, "--device", "cpu", *flags]


def run(
    words: Sequence[str],
    limit_s: float,
    memory_gib: float | None = None,
    environment: Mapping[str, str] = QUIET,
) -> ProcessResult:
    """Run a process to its end, or to its limits.

    Memory is limited as grand-challenge does it, by RLIMIT_DATA. Its output goes to files, since a
    pipe that nobody reads would stop it.
    """

    def limit() -> None:
        os.setpgrp()
        if memory_gib:
            size = int(memory_gib * GIB)
            resource.setrlimit(resource.RLIMIT_DATA, (size, size))

    with tempfile.TemporaryFile() as stderr, tempfile.TemporaryFile() as stdout:
        started = time.monotonic()
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd="/",
            env=os.environ | dict(environment),
            preexec_fn=limit,
        )
        status, usage = _wait(process.pid, started + limit_s)
        wall_s = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        stderr.seek(0)
        text = stderr.read().decode(errors="replace")
    return ProcessResult(process.returncode, wall_s, usage.ru_maxrss / 2**20, text)


def _wait(pid: int, until: float) -> tuple[int, resource.struct_rusage]:
    while time.monotonic() < until:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return status, usage
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    return status, usage
