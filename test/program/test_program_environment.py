"""The image's command answers whatever a host's environment holds: Apptainer hands it in."""

import json
import subprocess
import sys
from pathlib import Path

import files
import pytest
from files import GLI

ROOT = Path(__file__).resolve().parents[2]
GONE = ("PYTHONHOME", "HOME", "TMPDIR", "XDG_CACHE_HOME", "MPLCONFIGDIR", "nnUNet_results")


def entry_point() -> list[str]:
    """Return the image's command, with the Python and the program of this checkout."""
    line = next(
        line
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("ENTRYPOINT ")
    )
    python, *flags, program = json.loads(line.removeprefix("ENTRYPOINT "))
    assert (Path(python).name, Path(program).name) == ("python", "inference.py")
    return [sys.executable, *flags, str(ROOT / "inference.py")]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A host's environment: modules that set variables of Python, folders that are not mounted."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "numpy.py").write_text('raise ImportError("numpy of the host")')
    return {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(tmp_path / "host"),
        "PYTHONSAFEPATH": "1",
        "PYTHONOPTIMIZE": "2",
        "PYTHONWARNINGS": "error",
        "LC_ALL": "xx_YY",
        "USER": "alice",
        **dict.fromkeys(GONE, "/gone"),
    }


@pytest.mark.slow
def test_a_case_is_answered_in_a_host_s_environment(
    tmp_path: Path, weights: Path, environment: dict[str, str]
) -> None:
    files.write_brats_case(tmp_path / "in" / GLI[0], GLI[0])
    (tmp_path / "out").mkdir()
    paths = ("--input", tmp_path / "in", "--output", tmp_path / "out", "--weights", weights)
    done = subprocess.run(
        [*entry_point(), *map(str, paths), "--device", "cpu"],
        cwd=tmp_path / "host",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{GLI[0]}.nii.gz"]
