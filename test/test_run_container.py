"""The container test with GPUS passes only where the run record says cuda; the engine is fake."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# What it runs gives the expected labels; with --record it writes RECORD. Its Python is the host's.
ENGINE = """#!/usr/bin/env bash
set -eu
words="$*"
mounted() { sed -E "s#.* -v ([^ ]+):/$1(:ro)? .*#\\1#" <<<"$words"; }
case $words in
  --version)          echo "Docker version 28.0.1" ;;
  "image inspect "*)  ;;
  *compare_labels.py*) ;;
  *gpu_record.py*)    exec python3 test/gpu_record.py "$(mounted record)/run.json" ;;
  *"--entrypoint bash"*) exec bash -c "${!#}" ;;
  *--entrypoint*)     ;;
  *"/empty:/input"*)  exit 2 ;;
  *"--gpus all"*--record*) echo "$RECORD" >"$(mounted record)/run.json" ;;
esac
"""
CUDA = {"device": {"type": "cuda"}, "cases": {"a": {"device": "cuda"}}}
CPU = {
    "device": {"type": "cpu", "torch": "2.7.1", "cuda": "12.6"},
    "cases": {"a": {"device": "cpu"}},
}


@pytest.fixture
def container_test(tmp_path):
    """Run it with a record; return the exit code and what was printed."""

    def run(gpus: str, record: dict[str, object]) -> tuple[int, str]:
        engine = tmp_path / "engine"
        engine.write_text(ENGINE)
        engine.chmod(0o755)
        facts = {"DOCKER": str(engine), "IMAGE": "an-image", "GPUS": gpus}
        done = subprocess.run(
            [ROOT / "test" / "run_container.sh", "panther-t2"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | facts | {"RECORD": json.dumps(record), "TMPDIR": str(tmp_path)},
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_without_gpus_no_record_is_asked_for(container_test):
    code, text = container_test("", {})
    assert code == 0 and "GPU" not in text


def test_with_gpus_a_record_of_cuda_passes(container_test):
    code, text = container_test("all", CUDA)
    assert code == 0 and "-- panther-t2, GPU: ok" in text


def test_with_gpus_a_record_of_the_cpu_fails_and_says_so(container_test):
    code, text = container_test("all", CPU)
    assert code == 1
    assert "not on a GPU: the record says device cpu, torch 2.7.1 for CUDA 12.6" in text
    assert text.endswith("FAILED: panther-t2 (GPU)\n")
