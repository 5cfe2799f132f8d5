"""Every platform rehearsed without an engine; with one, the container test does it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_every_platform_is_rehearsed() -> None:
    done = subprocess.run(
        [ROOT / "test" / "rehearse.sh"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"DOCKER": "none", "PYTHON": sys.executable},
    )
    checklist = done.stdout.partition("\nRehearsed")[2]
    assert done.returncode == 0, done.stdout + done.stderr
    untried = checklist.count("  [-] not tried: an /output")  # where root cannot become another
    assert checklist.count("  [x] ") + untried == 12 + 8 + 4 + 1
    assert "[ ]" not in checklist


@pytest.mark.slow
def test_what_is_not_accepted_is_not_ticked(tmp_path: Path) -> None:
    (tmp_path / "BraTS-GLI-00001-100").mkdir()
    done = subprocess.run(
        [ROOT / "test" / "rehearse.sh", "synapse", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"DOCKER": "none", "PYTHON": sys.executable},
    )
    assert done.returncode == 1
    assert "  [ ] " in done.stdout
    assert "no case found" in done.stdout
