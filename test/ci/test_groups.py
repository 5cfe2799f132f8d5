"""Tests of a group run in one process, so that their module's fixtures are made once."""

import subprocess
import sys
from pathlib import Path

MODULE = """
import os, pytest
pytestmark = pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(6))
def test_writes_its_process(number):
    with open("processes", "a") as file:
        file.write(f"{os.getpid()}\\n")
"""


def test_tests_of_a_group_share_a_process(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(MODULE)
    options = ["-n", "2", "--dist=loadgroup", "--no-loadscope-reorder", "-p", "no:cacheprovider"]
    words = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", ".", *options, "."]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    processes = (tmp_path / "processes").read_text().split()
    assert len(processes) == 6
    assert len(set(processes)) == 1
