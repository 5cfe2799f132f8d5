"""Tiny cascades: plans of both stages, and their trained folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tiny
import torch

from challenge.scheme import MRI_SEQUENCES

MASKS_COUNT = 5  # times as much as the image, so that other labels are another answer
LOWRES, CASCADE = "3d_lowres", "3d_cascade_fullres"


def plans(lowres_mm: Sequence[float], fullres_mm: Sequence[float], **changes: Any) -> dict:
    """Return plans.json as nnU-Net writes it for a cascade; `changes` go into both stages."""
    content = tiny.plans(fullres_mm, **changes)
    lowres = tiny.plans(lowres_mm, **changes)["configurations"]["3d_fullres"]
    content["configurations"] |= {
        LOWRES: lowres | {"next_stage": CASCADE},
        CASCADE: {"inherits_from": "3d_fullres", "previous_stage": LOWRES},
    }
    return content


def train(
    folder: Path, plans: dict, dataset: dict, folds: Sequence[int] = (0, 1), **settings: Any
) -> tuple[Path, Path]:
    """Write both stages' trained folders into a results folder."""
    stages = []
    for number, name in enumerate((LOWRES, CASCADE)):
        home = folder / f"nnUNetTrainer__nnUNetPlans__{name}"
        configurations = {name: plans["configurations"][name], **plans["configurations"]}
        seeded = {**settings, "seed": settings.get("seed", 0) + 10 * number}
        ordered = {**plans, "configurations": configurations}
        stages.append(tiny.train(home, ordered, dataset, folds, **seeded))
    for path in stages[1].rglob("*.pth"):
        content = torch.load(path, weights_only=False)
        for name, value in content["network_weights"].items():
            if ".stages.0." in name and value.dim() == 5 and value.shape[1] > len(MRI_SEQUENCES):
                value[:, len(MRI_SEQUENCES) :] *= MASKS_COUNT
        torch.save(content, path)
    return stages[0], stages[1]
