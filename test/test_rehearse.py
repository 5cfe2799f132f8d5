"""Every platform rehearsed without an engine; with one, the container test does it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import files
import pytest
import tiny
import torch

from lab.__main__ import main as lab
from lab.training.random_networks import write_abdomen, write_heads

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def small_samples() -> Iterator[Path]:
    """Small cases laid out as the sample cases are, readable by any user."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        ids = sorted(path.name for path in (ROOT / "test/input/brats").iterdir())
        write_heads(folder / "brats", ids, (40, 44, 42), (30, 34, 32))
        for scan in sorted((ROOT / "test/input").glob("panther-*/images/*/*.mha")):
            home = folder / scan.parent.relative_to(ROOT / "test/input")
            write_abdomen(home, scan.stem, (12, 36, 40), (3.0, 2.0, 2.0))
        yield folder


@pytest.mark.slow
def test_every_platform_is_rehearsed(small_samples: Path) -> None:
    check_rehearsal({"SAMPLES": str(small_samples)})


@pytest.mark.slow
def test_isles_is_rehearsed_with_a_model_of_the_teams(small_samples: Path) -> None:
    """Exec and invoke: an image and a JSON value in, a mask and a probability map out."""
    dataset = tiny.dataset({"background": 0, "lesion": 1}, ["T1w"])
    source = tiny.train(small_samples / "trained", tiny.plans(channels=1), dataset)
    weights = small_samples / "weights"
    words = ["--model", "isles", "--scheme", "isles-2026", "--out", str(weights)]
    assert lab(["pack", str(source), *words]) == 0
    case = files.write_isles_case(small_samples / "stroke", image=files.head().T)
    for platform, ticks in (("grand-challenge", 6), ("grand-challenge-invoke", 6)):
        done = rehearse({"MODEL": str(weights)}, platform, str(case))
        checklist = done.stdout.partition("\nRehearsed")[2]
        assert done.returncode == 0, done.stdout + done.stderr
        assert (checklist.count("  [x] "), checklist.count("[ ]")) == (ticks, 0)


@pytest.mark.long
def test_every_platform_is_rehearsed_with_the_sample_cases() -> None:
    check_rehearsal({})


def rehearse(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Rehearse without an engine, and without GPUS unless the environment has it."""
    defaults = {"DOCKER": "none", "PYTHON": sys.executable, "GPUS": ""}
    return subprocess.run(
        [ROOT / "test" / "rehearse.sh", *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | defaults | environment,
    )


def check_rehearsal(environment: dict[str, str]) -> None:
    """Rehearse without an engine; every line is ticked."""
    done = rehearse(environment)
    checklist = done.stdout.partition("\nRehearsed")[2]
    assert done.returncode == 0, done.stdout + done.stderr
    untried = checklist.count("  [-] not tried: an /output")  # where root cannot become another
    assert checklist.count("  [x] ") + untried == 12 + 8 + 4 + 1
    assert "[ ]" not in checklist


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_with_gpus_a_run_on_the_cpu_is_not_ticked(small_samples: Path) -> None:
    done = rehearse({"SAMPLES": str(small_samples), "GPUS": "all"}, "synapse")
    assert done.returncode == 1
    (unticked,) = [line for line in done.stdout.splitlines() if line.startswith("  [ ] ")][:1]
    assert unticked.startswith("  [ ] brats, on the GPU: not on a GPU: the record says device cpu")
    assert "  GPUS=all: no RLIMIT_DATA, except in a line that names it" in done.stdout


@pytest.mark.slow
def test_what_is_not_accepted_is_not_ticked(tmp_path: Path) -> None:
    (tmp_path / "BraTS-GLI-00001-100").mkdir()
    done = rehearse({}, "synapse", str(tmp_path))
    assert done.returncode == 1
    assert "  [ ] " in done.stdout
    assert "no case found" in done.stdout
