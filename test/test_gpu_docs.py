"""What docs/platforms.md says of GPU builds is what the requirement files install."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "platforms.md").read_text()
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*==\S+)$", re.M)
RUNTIME = re.compile(r"^nvidia-cuda-runtime(?:-cu12)?==(\d+)\.(\d+)", re.M)
# A pip that lists the pins that it is to install.
PIP = """#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in
    -r) shift; cat "$1" ;;
    *==*) echo "$1" ;;
  esac
  shift
done
"""


def pins(text: str) -> set[str]:
    return set(PIN.findall(text))


def rows_of(first_column: str) -> dict[str, list[str]]:
    """Return the rows of the table whose first column has this heading, by their first cell."""
    table = PAGE.split(f"\n| {first_column} | ")[1].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table]
    return {row[0]: row[1:] for row in cells}


@pytest.mark.parametrize("variant", ["cuda12", "cuda13"])
def test_the_table_of_builds_has_the_torch_that_each_installs(variant: str) -> None:
    text = (ROOT / f"requirements-{variant}.txt").read_text()
    (torch,) = re.findall(r"^torch==(\S+)$", text, re.M)
    ((major, minor),) = RUNTIME.findall(text)
    (row,) = (row for build, row in rows_of("build").items() if f"`TORCH={variant}`" in build)
    assert row[0] == f"{torch}+cu{major}{minor}"


def capabilities(cell: str) -> list[tuple[int, int]]:
    """Return sm_86 as (8, 6), sm_120 as (12, 0)."""
    return [(int(major), int(minor)) for major, minor in re.findall(r"sm_(\d+)(\d)", cell)]


def test_a_card_has_yes_where_the_build_has_code_of_its_generation() -> None:
    """Code for sm_XY runs on cards of the same X from Y on (NVIDIA's binary compatibility)."""
    builds = [capabilities(row[2]) for row in rows_of("build").values()]
    for card, (cell, *answers) in rows_of("card").items():
        cards = capabilities(cell.split(", runs")[0])
        assert cards
        for codes, answer in zip(builds, answers, strict=True):
            runs = all(any(c[0] == x and c[1] <= y for c in codes) for x, y in cards)
            assert answer == ("yes" if runs else "no"), card


def test_the_cuda12_environment_has_the_images_packages(tmp_path: Path) -> None:
    """The page's own commands, with a pip that lists what it is to install."""
    (block,) = (b for b in re.findall(r"```sh\n(.*?)```", PAGE, re.S) if "requirements-cuda12" in b)
    pip = tmp_path / "pip"
    pip.write_text(PIP)
    pip.chmod(0o755)
    _, tools, packages = block.splitlines()
    for command in (tools, packages):
        assert command.startswith("pip install") or " | pip install" in command
    listed = [
        subprocess.run(
            ["sh", "-euc", command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        ).stdout
        for command in (tools, packages)
    ]
    everything = pins((ROOT / "requirements.txt").read_text())
    torch12 = pins((ROOT / "requirements-cuda12.txt").read_text())
    tool_names = {"numpy", "setuptools", "wheel", "versioneer"}
    assert {pin.split("==")[0] for pin in pins(listed[0])} == tool_names
    others = {pin for pin in everything if pin.split("==")[0] not in ("torch", "torchvision")}
    assert len(everything - others) == 2
    assert pins(listed[1]) == others | torch12
