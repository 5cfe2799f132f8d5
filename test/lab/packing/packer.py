"""Packing by the command line, for the tests of `lab pack`."""

from pathlib import Path

import torch

from lab.__main__ import main as lab


def pack(source: Path, out: Path, *flags: str) -> Path:
    """Pack a source as model m; return the model folder."""
    lab(["pack", str(source), "--model", "m", "--scheme", "brats-gli", "--out", str(out), *flags])
    return out / "m"


def change_checkpoint(source: Path, drop: str = "", **changes: object) -> None:
    """Change entries of fold 0's checkpoint."""
    path = source / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=False) | changes
    content.pop(drop, None)
    torch.save(content, path)
