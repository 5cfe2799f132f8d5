"""A GPU that cannot be used is a warning; the CPU takes over."""

import logging
import warnings

import pytest
import torch

from ensemble import device as module
from ensemble.device import choose_device

TOO_OLD = "The NVIDIA driver on your system is too old (found version 12020)."


@pytest.fixture(autouse=True)
def keep_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "podium")


def test_cpu_when_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    assert choose_device("cpu").type == "cpu"
    assert "built for CUDA" in caplog.text and "driver" in caplog.text


def test_a_cpu_build_goes_on_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(module, "driver_version", lambda: None)
    assert choose_device("auto").type == "cpu"
    assert "cannot be used" not in caplog.text  # no GPU was wanted, none is there
    assert choose_device("cuda").type == "cpu"
    assert "GPU cannot be used (this torch is a CPU build)" in caplog.text


def test_a_driver_older_than_the_build(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def too_old() -> bool:
        warnings.warn(TOO_OLD, stacklevel=1)
        return False

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", too_old)
    monkeypatch.setattr(module, "driver_version", lambda: "535.183.01")
    assert choose_device("auto").type == "cpu"
    assert "built for CUDA 13.0, driver 535.183.01" in caplog.text
    assert TOO_OLD in caplog.text


def test_a_chip_without_code(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_kernel(*_: object, **__: object) -> torch.Tensor:
        raise RuntimeError("CUDA error: no kernel image is available\nmore lines")

    monkeypatch.setattr(torch.version, "cuda", "12.6")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "zeros", no_kernel)
    assert choose_device("cuda").type == "cpu"
    assert "no kernel image is available)" in caplog.text
