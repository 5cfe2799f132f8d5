"""Tiny networks as torch.export writes them, with member.json beside, and archives with a fault."""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from challenge.case import Case
from challenge.scheme import MRI_SEQUENCES

PATCH = (16, 16, 16)


class Small(nn.Module):
    """A network that nnU-Net does not have: group norm, attention over channels, trilinear."""

    def __init__(self, channels: int = 4, outputs: int = 5, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv3d(channels, 8, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.gate = nn.Linear(8, 8)
        self.last = nn.Conv3d(8, outputs, 1)
        self.drop = nn.Dropout3d(0.2)
        nn.init.normal_(self.last.weight, std=2)

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        x = self.drop(nn.functional.gelu(self.norm(self.first(tiles))))
        x = x * torch.sigmoid(self.gate(x.mean((2, 3, 4)))).reshape(tiles.shape[0], 8, 1, 1, 1)
        x = nn.functional.interpolate(x, scale_factor=2, mode="trilinear")
        logits: torch.Tensor = self.last(x)
        return logits


def save(
    network: nn.Module, path: Path, channels: int = 4, patch: Sequence[int] = PATCH, any_batch=True
) -> Path:
    """Export a network as a user would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tiles = torch.zeros((2 if any_batch else 1, channels, *patch))
    shapes = ({0: torch.export.Dim("tiles", min=1, max=64)},) if any_batch else None
    torch.export.save(torch.export.export(network.eval(), (tiles,), dynamic_shapes=shapes), path)
    return path


def save_onnx(network: nn.Module, path: Path, channels: int = 4) -> Path:
    """Write a network as ONNX, for any number of tiles."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shapes = ({0: torch.export.Dim("tiles", min=1, max=64)},)
    tiles = torch.zeros((2, channels, *PATCH))
    program = torch.export.export(network.eval(), (tiles,), dynamic_shapes=shapes)
    torch.onnx.export(program, (), str(path), dynamo=True, external_data=False, verbose=False)
    return path


def description(sequences: Sequence[str], **changes: Any) -> dict[str, Any]:
    """Return a member.json; `changes` replace keys, None removes one."""
    content = {
        "schema": 1,
        "network": "a small network",
        "torch": torch.__version__,
        "channels": [
            {
                "sequence": name,
                "normalisation": "ZScoreNormalization",
                "inside_mask": True,
                "intensities": {"mean": 300.0, "std": 90.0},
            }
            for name in sequences
        ],
        "spacing_mm": [1, 1, 1],
        "patch": list(PATCH),
        "head": {"kind": "labels", "channels": ["background", "NETC", "SNFH", "ET", "RC"]},
        "mirror_axes": [0, 1, 2],
        "step": 0.5,
    }
    return {key: value for key, value in {**content, **changes}.items() if value is not None}


def write_member(folder: Path, content: Mapping[str, Any], networks: Sequence[nn.Module]) -> Path:
    """Write a folder with member.json and one program a fold."""
    channels = len(content["channels"])
    for fold, network in enumerate(networks):
        save(network, folder / f"fold_{fold}" / "program.pt2", channels, content["patch"])
    (folder / "member.json").write_text(json.dumps(content))
    return folder


def rewrite(
    path: Path,
    change: Callable[[dict[str, bytes]], None],
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """Change the files of an archive, by their names without its root folder."""
    with zipfile.ZipFile(path) as archive:
        root = archive.namelist()[0].partition("/")[0]
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name if name.startswith(("/", "..")) else f"{root}/{name}", content)
    return path


def change_json(files: dict[str, bytes], name: str, change: Callable[[Any], None]) -> None:
    """Change one JSON file of an archive."""
    content = json.loads(files[name])
    change(content)
    files[name] = json.dumps(content).encode()


def scan(shape: Sequence[int], spacing_mm: tuple[float, float, float]) -> Case:
    """Return a case of noise around a ball, with zeros around it."""
    generator = np.random.default_rng(2)
    away = [np.linspace(-1, 1, side) for side in shape]
    ball = sum(axis**2 for axis in np.meshgrid(*away, indexing="ij")) < 1
    images = {
        name: np.where(ball, generator.normal(300, 90, shape).clip(1), 0).astype(np.float32)
        for name in MRI_SEQUENCES
    }
    return Case("case", images, spacing_mm)
