"""Outputs that are good in every respect, for tests that break one thing."""

from pathlib import Path

import files
import pytest
from outputs import FIRST, SECOND, Say, ball, cohort, write_all

from lab.__main__ import main


@pytest.fixture
def brats(tmp_path: Path) -> Path:
    return cohort(tmp_path, FIRST, SECOND)


@pytest.fixture
def panther(tmp_path: Path) -> Path:
    files.write_panther_case(tmp_path / "input")
    (tmp_path / "output").mkdir()
    write_all(tmp_path, ball())
    return tmp_path


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Run the verb on folder/input and folder/output; return exit code and lines of stdout."""

    def run(folder: Path, platform: str = "brats", *options: str) -> tuple[int, list[str]]:
        paths = ["--input", str(folder / "input"), "--output", str(folder / "output")]
        capsys.readouterr()
        code = main(["check", "--platform", platform, *paths, *options])
        return code, capsys.readouterr().out.splitlines()

    return run
