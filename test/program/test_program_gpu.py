"""The whole program on a pretended GPU (test/fake_gpu.py): in one thread, warm, recorded."""

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fake_gpu
import files
import gpu_record
import nibabel
import numpy as np
import pytest
from fake_gpu import LAUNCH, OUT_OF_MEMORY, FakeGpu

from challenge.cli import parse
from inference import Session, main

NEARLY_TIED = 10  # of the voxels of a case; a processor's half precision moves 5 or 6
IDS = ("BraTS-GLI-00001-000", "BraTS-GLI-00002-000", "BraTS-GLI-00003-000")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGpu]:
    """A GPU that the device's thread alone can see."""
    gpu = FakeGpu()
    fake_gpu.install(monkeypatch, gpu)
    monkeypatch.setattr("ensemble.device._why_no_gpu", lambda: None)

    def executor(threads: int, name: str) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(threads, name, initializer=gpu.attach)

    monkeypatch.setattr("ensemble.budget.ThreadPoolExecutor", executor)
    yield gpu
    fake_gpu.remove()


@pytest.fixture
def run_on_gpu(tmp_path: Path, weights: Path, gpu: FakeGpu) -> Callable[..., int]:
    """Run the program on three cases; the record is tmp_path/record.json."""
    for id in IDS:
        files.write_brats_case(tmp_path / "in" / id, id)

    def run(device: str = "cuda") -> int:
        (tmp_path / device).mkdir(exist_ok=True)
        words = ["--input", tmp_path / "in", "--output", tmp_path / device, "--weights", weights]
        record = ["--record", tmp_path / "record.json", "--device", device]
        return main([*map(str, words), *map(str, record)])

    return run


def labels(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj)


def differences(tmp_path: Path) -> list[int]:
    """Return in how many voxels each case's labels on the GPU are not those on the CPU."""
    names = [f"{id}.nii.gz" for id in IDS]
    pairs = [
        tuple(labels(tmp_path / device / name) for device in ("cuda", "cpu")) for name in names
    ]
    assert all(np.any(cpu) for _, cpu in pairs)
    return [int((gpu != cpu).sum()) for gpu, cpu in pairs]


def test_a_folder_runs_on_the_gpu_in_one_thread_and_the_record_says_so(
    tmp_path: Path,
    gpu: FakeGpu,
    run_on_gpu: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_on_gpu("cpu") == 0 and gpu.operations == []
    assert run_on_gpu() == 0
    assert max(differences(tmp_path)) <= NEARLY_TIED
    assert len(gpu.threads) == 1
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["device"]["card"] == "Pretended T4"
    assert {row["backend"] for row in record["networks"].values()} == {"torch"}
    assert {case["device"] for case in record["cases"].values()} == {"cuda"}
    monkeypatch.setattr(sys, "argv", ["gpu_record.py", str(tmp_path / "record.json")])
    capsys.readouterr()
    assert gpu_record.main() == 0
    assert "Pretended T4" in capsys.readouterr().out


def test_a_gpu_that_is_lost_midway_costs_no_case(
    tmp_path: Path, gpu: FakeGpu, run_on_gpu: Callable[..., int]
) -> None:
    run_on_gpu("cpu")
    gpu.fail(500, LAUNCH, forever=True)
    assert run_on_gpu() == 0
    assert max(differences(tmp_path)) <= NEARLY_TIED
    cases = json.loads((tmp_path / "record.json").read_text())["cases"]
    sentences = sorted(sentence for id in IDS for sentence in cases[id]["device_errors"])
    lost = "GPU error (CUDA error: an illegal memory access was encountered): the case is run anew"
    assert sentences[0] == f"{lost} on the CPU, much slower"
    assert set(sentences[1:]) <= {"the GPU was lost in an earlier case"}
    assert sum(case["device"] == "cpu" for case in cases.values()) == len(sentences)


def test_a_memory_that_runs_out_is_in_the_record_of_its_case(
    tmp_path: Path, gpu: FakeGpu, run_on_gpu: Callable[..., int]
) -> None:
    assert run_on_gpu() == 0
    gpu.fail(gpu.operations.index("aten::conv3d", 500), OUT_OF_MEMORY)
    assert run_on_gpu() == 0
    cases = json.loads((tmp_path / "record.json").read_text())["cases"]
    sentences = sorted(sentence for id in IDS for sentence in cases[id]["device_errors"])
    assert sentences[0] == "out of GPU memory: networks of other members are dropped"
    assert set(sentences[1:]) <= {"since an earlier case: networks of other members are dropped"}


def test_a_server_is_healthy_when_all_networks_are_warm(
    tmp_path: Path, weights: Path, gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After that, calls use the same thread, load no network and run no zeros."""
    monkeypatch.setattr("ensemble.loaded_networks.MOST_VOXELS", 0)  # eight tiles together
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    paths = ["--input", tmp_path / "in", "--output", tmp_path / "out", "--weights", weights]
    session = Session(parse(["serve", *map(str, paths), "--device", "cuda"]))
    call = session.open_for_calls()
    files.write_panther_case(tmp_path / "in", "abdominal-t1-mri")
    passes = []
    for _ in range(2):
        gpu.operations.clear()
        call()
        passes.append(gpu.operations.count("aten::conv3d"))
    assert passes[0] == passes[1]
    assert len(gpu.threads) == 1
