"""What the platforms allow stands in one file; what is built and called goes by it."""

import re
import subprocess
from pathlib import Path

import pytest

from challenge.limits import (
    DEFAULT_TIME,
    LIMITS,
    LIMITS_FILE,
    TIME_LIMIT_S,
    in_words,
    read_limits,
    working_time_s,
)

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("build.sh", "contracts.sh", "export.sh", "test/rehearse.sh", "test/run_container.sh")
# Packages that are numbered as the CUDA toolkit that they are of.
OF_TOOLKIT = re.compile(
    r"^((?:cuda-(?:toolkit|bindings)|nvidia-(?:cuda-\w+|nvjitlink|nvtx))(?:-cu\d+)?)==(\d+)\.(\d+)",
    re.M,
)


def test_the_limits_of_2026() -> None:
    assert TIME_LIMIT_S == {"brats-folder": 12 * 3600, "grand-challenge": 20 * 60}
    assert (LIMITS["BRATS_MEMORY"], LIMITS["BRATS_SHM"]) == ("48g", "16g")
    assert LIMITS["BRATS_MOST_CUDA"] == "13.0"
    assert DEFAULT_TIME.startswith("12 h for a BraTS folder, as the rules of 2026 say")
    assert "(an older copy: 8 h)" in DEFAULT_TIME


def test_a_shell_reads_the_same() -> None:
    names = " ".join(LIMITS)
    words = f'. {LIMITS_FILE}; for name in {names}; do echo "$name=${{!name}}"; done'
    done = subprocess.run(["bash", "-euc", words], capture_output=True, text=True, check=True)
    assert read_limits(done.stdout) == dict(LIMITS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_script_has_limits_of_its_own(script: str) -> None:
    text = (ROOT / script).read_text()
    lost = [value for value in LIMITS.values() if re.search(rf"(?<![\w.]){value}(?![\w.])", text)]
    assert lost == []


@pytest.mark.parametrize("variant", ["cuda12", "cuda13"])
def test_no_variant_of_the_image_needs_more_cuda_than_brats_has(variant: str) -> None:
    pins = OF_TOOLKIT.findall((ROOT / f"requirements-{variant}.txt").read_text())
    most = tuple(map(int, LIMITS["BRATS_MOST_CUDA"].split(".")))
    assert len(pins) >= 5
    assert [pin for pin in pins if (int(pin[1]), int(pin[2])) > most] == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(43200, "12 h"), (1200, "20 min"), (90, "90 s"), (5400, "90 min"), (0.5, "0.5 s")],
)
def test_limits_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_what_is_planned_with_leaves_the_container_time_to_start_and_end() -> None:
    assert working_time_s(TIME_LIMIT_S["brats-folder"]) == 12 * 3600 - 300
    assert working_time_s(TIME_LIMIT_S["grand-challenge"]) == 19 * 60
