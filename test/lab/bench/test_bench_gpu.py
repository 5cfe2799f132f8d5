"""Whatever befalls a part of `bench gpu`, its rows say so and the other parts are measured."""

import json
import os
import subprocess
import sys
import textwrap
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from gpu_parts import part

from lab.__main__ import main
from lab.bench import gpu
from lab.bench.gpu import GpuBench, run_parts
from lab.bench.gpu_part import Context, Part, Row, measured_rows
from lab.bench.gpu_programs import (
    batches_of,
    check_device,
    device_errors,
    device_of,
    networks_s,
)
from lab.bench.gpu_table import heading, lines
from lab.bench.gpu_targets import TARGETS
from lab.bench.gpu_times import COLUMNS

ROOT = Path(__file__).resolve().parents[3]


def rows_of(part: Part, tmp_path: Path, left_s: float = 60) -> list[Row]:
    return list(measured_rows(part, Context("cpu", tmp_path), left_s))


def test_an_item_that_raises_is_a_row_and_the_next_one_is_measured(tmp_path: Path) -> None:
    first, error, sound = rows_of(part("p", "raises", "sound"), tmp_path)
    assert first == {"what": "raises", "seconds": 1.0}
    assert error["what"] == "raises"
    assert error["error"] == "CUDA error: an illegal memory access was encountered"
    assert "for debugging" in error["log"]
    assert sound == {"what": "sound", "seconds": 2.0}


def test_a_process_that_dies_is_a_row_and_the_next_item_is_measured(tmp_path: Path) -> None:
    died, sound = rows_of(part("p", "dies", "sound"), tmp_path)
    assert died["what"] == "dies"
    assert died["error"] == "the process ended with code 134"
    assert "terminate called" in died["log"]
    assert sound == {"what": "sound", "seconds": 2.0}


def test_a_part_that_hangs_is_ended_and_the_rest_of_it_is_named(tmp_path: Path) -> None:
    sound, hung, missing = rows_of(part("p", "sound", "hangs", "sees", most_s=6), tmp_path)
    assert sound == {"what": "sound", "seconds": 2.0}
    assert (hung["what"], hung["error"]) == ("hangs", "stopped: the 6 s of this part were over")
    assert (missing["what"], missing["error"]) == (
        "sees",
        "not run: the 6 s of this part were over",
    )


def test_a_part_for_which_too_little_time_is_left_is_named(tmp_path: Path) -> None:
    rows = rows_of(part("p", "sound", "sees", least_s=30), tmp_path, left_s=12)
    why = "not run: it takes about 30 s, and 12 s are left"
    assert rows == [{"what": what, "error": why} for what in ("sound", "sees")]


def run(parts: list[Part], tmp_path: Path, minutes: float = 1) -> tuple[int, dict[str, Any]]:
    path = tmp_path / "report.json"
    code = run_parts(parts, GpuBench("cpu", minutes, path), tmp_path)
    return code, json.loads(path.read_text())


@pytest.fixture
def nothing_to_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_making", lambda device, scratch: nullcontext())


@pytest.mark.usefixtures("nothing_to_make")
def test_the_file_holds_every_part_that_was_begun_and_its_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = run([part("first", "sound"), part("second", "sees", "sees earlier")], tmp_path)
    assert code == 0
    assert report["is_finished"]
    first, second = report["parts"]
    assert first["rows"] == [{"what": "sound", "seconds": 2.0}]
    assert second["rows"][0]["seen"] == "first"  # what a run that is killed now would leave
    assert second["rows"][1]["seconds"] == 3.0
    printed = capsys.readouterr().out
    assert "0. made-up part first" in printed
    assert "sound           2.00" in printed
    assert f"targets: 0 of {len(TARGETS)} met" in " ".join(printed.split())


@pytest.mark.usefixtures("nothing_to_make")
def test_the_exit_code_says_that_a_part_did_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = run([part("first", "raises"), part("second", "sound")], tmp_path)
    assert code == 1
    assert [row["what"] for row in report["parts"][1]["rows"]] == ["sound"]
    printed = capsys.readouterr().out
    assert "raises: CUDA error: an illegal memory access was encountered" in printed
    assert "1 rows not measured" in printed


@pytest.mark.usefixtures("nothing_to_make")
def test_minutes_that_are_over_are_rows(tmp_path: Path) -> None:
    parts = [part("first", "sound", least_s=10), part("second", "sound", "sees", least_s=20)]
    code, report = run(parts, tmp_path, minutes=0)
    assert code == 1
    errors = [row["error"] for each in report["parts"] for row in each["rows"]]
    assert errors == [
        "not run: it takes about 10 s, and 0 s are left",
        *["not run: it takes about 20 s, and 0 s are left"] * 2,
    ]


def test_without_a_gpu_one_line_says_what_runs_without(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert main(["bench", "gpu"]) == 2
    assert "sees no GPU; --device cpu rehearses the measurement" in capsys.readouterr().err


def test_a_part_that_does_not_exist_is_refused_with_those_that_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "gpu", "--device", "cpu", "--parts", "times", "speed"]) == 2
    assert "--parts speed: of device, agreement, times" in capsys.readouterr().err


def test_rows_fit_into_120_columns() -> None:
    row: Row = {"what": "ResEnc-L, Podium", "cold_s": 123.456, "warm_s": 45.6, "stock_ratio": 3.21}
    row |= {"networks_s": 40.0, "tflops": 312.5, "share_of_peak": 0.415, "peak_mib": 139000}
    row |= {"equal_share": 0.99987, "backend": "channels-last x8"}
    (line,) = lines(row, COLUMNS)
    assert line == (
        "ResEnc-L, Podium      123.46   45.60     3.21      40.00   312.50      41.5   139000   "
        "99.987          channels-last x8"
    )
    long = {"what": "glioma, torch", "error": "out of memory " * 20, "notes": ["ladder " * 30]}
    assert max(map(len, lines(long, COLUMNS))) <= 120
    titled = Part("p", "title " * 40, (), lambda item, context: (), COLUMNS, 0)
    assert max(map(len, heading(titled, 2))) <= 120


BEFORE = {"seconds": {"networks": 4.0, "prepare": 0.5, "load": 3.0}, "cases": {"a": {}}}
AFTER = {
    "seconds": {"networks": 8.0, "prepare": 0.75, "load": 3.0, "restore": 0.25},
    "cases": {"a": {"predict_s": 5.0}},
}


def test_the_networks_seconds_of_a_case_are_what_it_added_to_their_stage() -> None:
    """A case is prepared before its prediction on a GPU, and as a part of it on a CPU."""
    assert networks_s(BEFORE, AFTER) == 8.0 - 4.0


def test_a_record_that_says_nothing_of_the_device_is_read_all_the_same() -> None:
    assert (device_of(AFTER), batches_of(AFTER), device_errors(AFTER)) == ({}, None, [])
    check_device(AFTER, "cuda")


def test_a_record_of_a_run_that_went_on_elsewhere_is_refused() -> None:
    case = {"device": "cpu", "device_errors": ["out of memory: 4 tiles together"]}
    networks = {"m/0": {"backend": "torch", "batch": 4}, "m/1": {"backend": "torch", "batch": 4}}
    record = {"device": {"type": "cuda"}, "networks": networks, "cases": {"a": case}}
    assert batches_of(record) == "torch x4"
    assert device_errors(record) == ["out of memory: 4 tiles together"]
    with pytest.raises(RuntimeError, match="ran on cpu, not on cuda"):
        check_device(record, "cuda")


# Packages that a GPU machine may lack: they are as if they were not installed.
WITHOUT = """
import sys
class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("openvino", "radiomics", "nibabel"):
            return None
        return self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""


@pytest.mark.slow
def test_a_cpu_rehearses_all_of_it_without_openvino_pyradiomics_and_nibabel(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(WITHOUT))
    path = tmp_path / "gpu.json"
    words = ["bench", "gpu", "--device", "cpu", "--minutes", "30", "--json", str(path)]
    command = [sys.executable, "-m", "lab", *words]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 120
    report = json.loads(path.read_text())
    assert report["is_finished"]
    rows = {part["name"]: {r["what"]: r for r in part["rows"]} for part in report["parts"]}
    assert list(rows) == [
        *("device", "agreement", "times", "backends", "autotuner", "sums"),
        *("limits", "deadline", "compile"),
    ]
    assert {row["equal_share"] for row in rows["agreement"].values()} == {1.0}
    check_times(rows["times"], rows["device"]["peak"]["flops"])
    backends = [row for row in rows["backends"].values() if "note" not in row]
    assert {row["what"] for row in backends} >= {"glioma, torch", "ResEnc-L, torch"}
    for row in backends:
        assert row["difference_sd"] < 1e-4
        assert row["fastest_ms"] == min(row[f"ms_{batch}"] for batch in row["batches"])
    assert [rows["limits"][f"{gb} GB"]["equal_share"] for gb in (24, 16)] == [1.0, 1.0]
    assert rows["deadline"]["a deadline"]["is_valid"]
    assert f"of {len(TARGETS)} met" in done.stdout


def check_times(rows: dict[str, Row], peak_flops: float) -> None:
    """Compute ratios and shares again from the raw seconds."""
    for name in ("glioma", "ResEnc-L"):
        stock, podium = rows[f"{name}, stock"], rows[f"{name}, Podium"]
        assert podium["stock_ratio"] == pytest.approx(stock["warm_s"] / podium["warm_s"])
        assert podium["equal_share"] > 0.99
        for row in (stock, podium):
            assert row["passes"] == row["tiles"] * 2 * 2  # folds, mirrorings
            flops = row["passes"] * row["flops_of_a_pass"]
            assert row["share_of_peak"] == pytest.approx(flops / row["networks_s"] / peak_flops)
            assert 0 < row["networks_s"] <= row["warm_s"] < row["cold_s"]
