"""A backend that cannot run says what is missing, for the device that it would run on."""

from pathlib import Path

import pytest
import torch

from ensemble import backend_needs as needs

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda name: name in names)


def on_the_path(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(needs.shutil, "which", lambda name: name if name in names else None)


def headers(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(needs.sysconfig, "get_path", lambda *_: str(folder))


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    installed(monkeypatch)
    on_the_path(monkeypatch)
    (tmp_path / "Python.h").touch()
    headers(monkeypatch, tmp_path)


def test_torch_needs_nothing() -> None:
    assert needs.nothing(CUDA) is None


def test_openvino_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert needs.openvino(CPU) == "openvino is not installed"
    installed(monkeypatch, "openvino")
    assert needs.openvino(CPU) is None


def test_triton_needs_a_c_compiler_when_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert needs.triton(CUDA) == "triton is not installed"
    installed(monkeypatch, "triton")
    assert needs.triton(CUDA) == "Triton needs a C compiler when it runs, gcc or clang"
    on_the_path(monkeypatch, "clang")
    assert needs.triton(CUDA) is None
    monkeypatch.setenv("CC", "tcc")  # as Triton does, it is taken at its word
    assert needs.triton(CUDA) == "Triton needs a C compiler when it runs, tcc"


def test_a_compiler_needs_pythons_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "triton")
    on_the_path(monkeypatch, "gcc", "g++")
    headers(monkeypatch, tmp_path / "no")
    missing = tmp_path / "no" / "Python.h"
    assert needs.triton(CUDA) == f"Triton needs Python's headers, {missing}"
    assert needs.torch_compile(CPU) == f"torch.compile needs Python's headers, {missing}"


def test_torch_compile_needs_triton_on_a_gpu_and_another_compiler_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert needs.torch_compile(CPU) == "torch.compile needs a C++ compiler, g++"
    assert needs.torch_compile(CUDA) == "triton is not installed"
    on_the_path(monkeypatch, "g++")
    assert needs.torch_compile(CPU) is None
    installed(monkeypatch, "triton")
    assert needs.torch_compile(CUDA) == "Triton needs a C compiler when it runs, gcc or clang"
    on_the_path(monkeypatch, "gcc")
    assert needs.torch_compile(CUDA) is None
