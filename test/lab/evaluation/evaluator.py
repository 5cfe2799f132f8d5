"""`lab evaluate` on a folder of predictions and references, for its tests."""

import json
from pathlib import Path
from typing import Any

from lab.__main__ import main as lab

SIDES = ("predictions", "references")
GOOD = "BraTS-SSA-00000-000"  # the case of the fixture `folders`


def run(cohort: Path, *flags: str, scorer: str = "2025-ssa") -> int:
    """Score predictions/ by references/ into r.json; return the exit code."""
    folders = [f"--{name}={cohort / name}" for name in SIDES]
    return lab(["evaluate", "--scorer", scorer, *folders, f"--out={cohort / 'r.json'}", *flags])


def results_of(cohort: Path) -> dict[str, Any]:
    """Return what r.json holds."""
    return dict(json.loads((cohort / "r.json").read_text()))
