"""Result files and `lab rank` on them, for its tests."""

import json
from pathlib import Path

import pytest

from lab.__main__ import main
from lab.evaluation.results import Results, write_json


def write_results(path: Path, cases: dict, **more) -> Path:
    """Write a result file of these cases; return its path."""
    write_json(Results(**{"scorer": "2025-ssa", "cases": cases} | more), path)
    return path


def columns(**metrics: list[float]) -> dict:
    """Return cases c0, c1, ... whose WT has these metrics."""
    rows = zip(*metrics.values(), strict=True)
    return {f"c{i}": {"WT": dict(zip(metrics, row, strict=True))} for i, row in enumerate(rows)}


def rank(tmp_path: Path, systems: dict[str, dict], *options: str) -> dict:
    """Write the systems' cases, rank them, and return the JSON."""
    paths = [write_results(tmp_path / f"{name}.json", cases) for name, cases in systems.items()]
    return rank_files(tmp_path, paths, *options)


def rank_files(tmp_path: Path, paths: list[Path], *options: str) -> dict:
    """Rank result files, and return the JSON."""
    out = tmp_path / "out.json"
    assert main(["rank", *map(str, paths), *options, "--out", str(out)]) == 0
    return json.loads(out.read_text(), parse_constant=pytest.fail)


def compared(result: dict, what: str, pair: int = 0) -> dict:
    """Return the comparison of one pair that is named `what`."""
    return next(row for row in result["pairs"][pair]["comparisons"] if row["what"] == what)
