"""How the process runs: its threads, its log, and its end on SIGTERM and Ctrl-C.

Imported before torch, which reads the number of threads when it is loaded.
"""

import ctypes
import io
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # "<microseconds> <per microseconds>", or "max ..."
WRITING = threading.Lock()  # held while a label file is written: SIGTERM waits for it

log = logging.getLogger("podium")


def set_up_process() -> None:
    """Set what must be set before torch is loaded or a line is logged."""
    # Waiting threads sleep instead of spinning, 20 times faster on cores that other programs
    # share; and there are no more of them than the container has cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", str(cores()))
    for stream in (sys.stdout, sys.stderr):  # a file's name may not be valid text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(message)s", force=True
    )
    signal.signal(signal.SIGTERM, _exit_on_signal)
    signal.signal(signal.SIGINT, _exit_on_signal)


def report(code: int, message: str) -> int:
    """Log the last line of a run, or print it as the error that it is; return the exit code."""
    if code == 0:
        log.info(message)
    sys.stdout.flush()
    if code:
        print(" ".join(message.split()), file=sys.stderr)
    return code


def cores(limit: Path = CGROUP_LIMIT) -> int:
    """Return the cores that this process may use: its affinity, cut to the container's share.

    A container with two cores' worth of time on a host of sixty-four sees them all, and sixty-four
    threads that share two cores are several times slower than two.
    """
    count = len(os.sched_getaffinity(0))
    try:
        quota, period = limit.read_text(encoding="ascii").split()
        return max(1, min(count, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max"
        return count


def return_freed_memory() -> None:
    """Give pages that nothing uses back to the kernel, where the C library can (glibc).

    The container's allocator settings keep every freed page, and what follows may not fit into the
    gaps that smaller arrays left.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _exit_on_signal(signum: int, frame: FrameType | None) -> None:
    with WRITING:  # a file that is being written is finished first
        if signum == signal.SIGINT:
            line = "interrupted; label files that are there are whole; the same command runs again"
            print(f"\n{line} from the first case", file=sys.stderr, flush=True)
        os._exit(128 + signum)
