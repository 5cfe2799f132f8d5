"""Packing by the command line: exit code, output, and the one sentence of a refusal."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.__main__ import main as lab

Packed = tuple[int, str, str]  # exit code, stdout, stderr


@pytest.fixture
def run_pack(capsys: pytest.CaptureFixture[str]) -> Callable[..., Packed]:
    """Pack a source into `folder`/weights; return exit code, stdout and stderr."""

    def run(source: Path, folder: Path, *flags: str, model: str = "m") -> Packed:
        capsys.readouterr()
        words = ["pack", str(source), "--model", model, "--scheme", "brats-gli", *flags]
        code = lab([*words, "--out", str(folder / "weights")])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def refused_pack(run_pack: Callable[..., Packed]) -> Callable[..., str]:
    """Pack what cannot be packed; return its one sentence."""

    def run(source: Path, folder: Path, *flags: str) -> str:
        code, _, err = run_pack(source, folder, *flags)
        assert (code, err.count("\n")) == (2, 1)
        assert "Traceback" not in err and ".packing" not in err and "Error(" not in err
        return err

    return run
