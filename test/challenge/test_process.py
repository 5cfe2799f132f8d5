"""No more threads than the container has cores; freed memory goes back to the kernel."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from challenge.process import cores, set_up_process

FREED = """
import re
from pathlib import Path
from challenge.process import return_freed_memory
def resident_mib():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
blocks = [bytearray(2**20) for _ in range(64)]
full = resident_mib()
del blocks[:-1]
return_freed_memory()
print(full - resident_mib())
"""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("200000 100000\n", 2),
        ("50000 100000\n", 1),
        ("350000 100000\n", 4),
        ("max 100000\n", 8),
        ("", 8),
        ("6400000 100000", 8),
    ],
)
def test_the_containers_share_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    (tmp_path / "cpu.max").write_text(content)
    assert cores(tmp_path / "cpu.max") == expected
    assert cores(tmp_path / "none") == 8


def test_freed_memory_goes_back_in_spite_of_the_containers_allocator_settings() -> None:
    """Not only from the end of the heap: what lies above the gap is still in use."""
    keeping = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "1099511627776"}
    command = [sys.executable, "-c", FREED]
    ran = subprocess.run(command, env=os.environ | keeping, capture_output=True, check=True)
    assert int(ran.stdout) >= 48  # of 64 MiB


@pytest.fixture
def program_set_up() -> None:
    """What a program does that a test runs in its own process."""
    set_up_process()


def test_no_test_has_the_signal_handlers_of_a_program(program_set_up: None) -> None:
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
