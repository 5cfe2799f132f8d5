"""Packing by the command line, for the tests of `lab pack`."""

import json
from pathlib import Path
from typing import Any

import tiny
import torch

from lab.__main__ import main as lab


def pack(source: Path, out: Path, *flags: str) -> Path:
    """Pack a source as model m; return the model folder."""
    pack_exit_code(source, out, *flags)
    return out / "m"


def pack_exit_code(source: Path, out: Path, *flags: str, scheme: str = "brats-gli") -> int:
    """Pack a source as model m of any challenge; return the exit code."""
    return lab(["pack", str(source), "--model", "m", "--scheme", scheme, "--out", str(out), *flags])


def proof_of(out: Path) -> dict[str, Any]:
    """Return the only proof in the manifest of model m."""
    (record,) = json.loads((out / "m" / "MANIFEST.json").read_text())["proof"]
    return dict(record)


def train_softmax(folder: Path, folds: tuple[int, ...] = (0,), **plans: Any) -> Path:
    """Write a softmax network of the plans."""
    return tiny.train(folder, tiny.plans(**plans), tiny.dataset(), folds)


def change_checkpoint(source: Path, drop: str = "", fold: int = 0, **changes: object) -> None:
    """Change entries of a fold's checkpoint."""
    path = source / f"fold_{fold}" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=False) | changes
    content.pop(drop, None)
    torch.save(content, path)
