"""The judge of GPU runs: what it must let pass, what it must catch, and what it says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gpu_record
import pytest

ROOT = Path(__file__).resolve().parents[1]
CARD = {
    "type": "cuda",
    "card": "Tesla T4",
    "driver": "535.161.08",
    "torch": "2.7.1+cu126",
    "cuda": "12.6",
    "memory_mib": 15109,
    "peak_memory_mib": 3120,
}
ON_CUDA = {"device": "cuda", "device_errors": []}
NO_GPU = CARD | {"type": "cpu", "card": None, "driver": None}


@pytest.fixture
def judge(tmp_path, monkeypatch, capsys):
    """Write a record, judge it; return the exit code and the line."""

    def run(device: dict[str, Any] | None, cases: dict[str, Any]) -> tuple[int, str]:
        path = tmp_path / "run.json"
        path.write_text(json.dumps({"cases": cases} | ({"device": device} if device else {})))
        monkeypatch.setattr(sys, "argv", ["gpu_record.py", str(path)])
        return gpu_record.main(), capsys.readouterr().out

    return run


def test_a_run_on_a_gpu_passes_and_the_card_is_named(judge):
    assert judge(CARD, {"a": ON_CUDA, "b": ON_CUDA}) == (
        0,
        "cuda: Tesla T4, driver 535.161.08, torch 2.7.1+cu126 for CUDA 12.6, "
        "at most 3120 of 15109 MiB, 2 of 2 cases\n",
    )


def test_errors_that_were_overcome_are_said(judge):
    code, line = judge(CARD, {"a": ON_CUDA | {"device_errors": ["out of memory, 4 tiles"]}})
    assert code == 0 and line.endswith("1 of 1 cases; case a: out of memory, 4 tiles\n")


def test_one_case_on_the_cpu_fails_with_its_reason(judge):
    on_cpu = {"device": "cpu", "device_errors": ["launch failure in member 2"]}
    assert judge(CARD, {"a": ON_CUDA, "b": on_cpu}) == (
        1,
        "not on a GPU: case b on cpu (launch failure in member 2)\n",
    )


@pytest.mark.parametrize(
    ("device", "says"),
    [
        (NO_GPU, "device cpu, torch 2.7.1+cu126 for CUDA 12.6, no driver in sight; see what GPUS"),
        (NO_GPU | {"driver": "470.1"}, "torch 2.7.1+cu126 for CUDA 12.6, driver 470.1, card None"),
        (NO_GPU | {"torch": "2.13.0+cpu", "cuda": None}, "torch 2.13.0+cpu is built for the CPU"),
        (NO_GPU | {"torch": "2.13.0+cpu", "cuda": "none"}, "build with TORCH=cuda12 or"),
        (None, "the record names no device; the image is older than this check"),
    ],
)
def test_a_run_without_a_gpu_fails_and_says_what_was_there(judge, device, says):
    code, line = judge(device, {"a": ON_CUDA})
    assert code == 1 and line.startswith("not on a GPU: ") and says in line


@pytest.mark.parametrize(
    ("cases", "says"),
    [
        ({}, "the record has no case"),
        ({"a": {"error": "out of memory"}}, "case a failed: out of memory"),
        ({"a": {"device_errors": []}}, "case a on a device that is not named"),
        ({str(i): {"device": "cpu"} for i in range(9)}, "case 2 on cpu; and 6 more"),
    ],
)
def test_cases_that_ran_nowhere_or_elsewhere_fail(judge, cases, says):
    code, line = judge(CARD, cases)
    assert code == 1 and says in line and line.count("\n") == 1


def test_a_missing_or_broken_record_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu_record.py", str(tmp_path / "run.json")])
    assert gpu_record.main() == 1 and "no run record could be read" in capsys.readouterr().out
    (tmp_path / "run.json").write_text('{"device": ')
    assert gpu_record.main() == 1 and "no run record could be read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("version", "gpus", "options"),
    [
        ("Docker version 28.0.1", "all", "--gpus all"),
        ("Docker version 28.0.1", '"device=0,1"', '--gpus "device=0,1"'),
        ("Docker version 28.0.1", "", ""),
        ("podman version 4.3.1", "", ""),
        ("podman version 4.3.1", "all", "--device nvidia.com/gpu=all"),
        ("podman version 4.3.1", "2", "--device nvidia.com/gpu=0 --device nvidia.com/gpu=1"),
        (
            "podman version 4.3.1",
            '"device=1,3"',
            "--device nvidia.com/gpu=1 --device nvidia.com/gpu=3",
        ),
    ],
)
def test_docker_and_podman_get_the_gpus_by_their_options(tmp_path, version, gpus, options):
    engine = tmp_path / "engine"
    engine.write_text(f"#!/bin/sh\necho {version}\n")
    engine.chmod(0o755)
    words = f'docker={engine}; . {ROOT}/test/gpu.sh; printf "%s\\n" "${{gpu_options[*]}}"'
    done = subprocess.run(
        ["bash", "-euc", words],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"GPUS": gpus},
    )
    assert done.stdout.strip().removeprefix("--security-opt label=disable ") == options
