"""Add a recipe's configuration to nnU-Net's plans, and write the splits."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from challenge.refusal import Refusal
from lab.training.networks import architecture


@dataclass(frozen=True)
class Configuration:
    """What a recipe says of a configuration; the rest is nnU-Net's own 3d_fullres."""

    name: str
    network: str  # of NETWORKS
    spacing_mm: tuple[float, ...]
    patch: tuple[int, ...]
    batch: int = 2
    normalisation: str | None = None  # None: nnU-Net's own choice

    @classmethod
    def of(cls, text: str) -> "Configuration":
        """Read NAME:NETWORK:SPACING:PATCH:BATCH[:NORMALISATION]."""
        name, network, spacing, patch, batch, *normalisation = text.split(":")
        return cls(
            name,
            network,
            tuple(float(side) for side in spacing.split(",")),
            tuple(int(side) for side in patch.split(",")),
            int(batch),
            normalisation[0] if normalisation else None,
        )

    @property
    def text(self) -> str:
        """Return NAME:NETWORK:SPACING:PATCH:BATCH[:NORMALISATION]."""
        patch = ",".join(map(str, self.patch))
        parts = [self.name, self.network, self.spacing_text, patch, str(self.batch)]
        return ":".join([*parts, *([self.normalisation] if self.normalisation else [])])

    @property
    def spacing_text(self) -> str:
        """Return the spacing in mm, comma-separated."""
        return ",".join(f"{side:g}" for side in self.spacing_mm)

    @property
    def preprocessing(self) -> str:
        """Name what preprocessing depends on; networks that agree in it share the cases."""
        spacing = "x".join(f"{side:g}" for side in self.spacing_mm)
        return f"{spacing}_{self.normalisation or 'as-planned'}"


def with_configuration(plans: dict[str, Any], wanted: Configuration) -> dict[str, Any]:
    """Return plans with a configuration that inherits what the recipe does not say."""
    configuration: dict[str, Any] = {
        "inherits_from": "3d_fullres",
        "data_identifier": f"{plans['plans_name']}_{wanted.preprocessing}",
        "spacing": list(wanted.spacing_mm),
        "patch_size": list(wanted.patch),
        "batch_size": wanted.batch,
        "batch_dice": False,
        "architecture": architecture(wanted.network, wanted.patch),
    }
    if wanted.normalisation:
        channels = len(plans["configurations"]["3d_fullres"]["normalization_schemes"])
        configuration["normalization_schemes"] = [wanted.normalisation] * channels
    plans["configurations"][wanted.name] = configuration
    return plans


def splits(cases: Sequence[str], folds: int) -> list[dict[str, list[str]]]:
    """Deal the sorted cases out like cards, so that each is held out in exactly one fold."""
    ordered = sorted(cases)
    held_out = [ordered[fold::folds] for fold in range(folds)]
    return [{"train": [c for c in ordered if c not in part], "val": part} for part in held_out]


def stratified_splits(clusters: Mapping[str, int], folds: int) -> list[dict[str, list[str]]]:
    """Deal the cases of one cluster after the other out, so that folds hold similar shares of each.

    Args:
        clusters: case -> the cluster that its features fall in, as `lab fit` finds them.
        folds: how many.
    """
    order = sorted(clusters, key=lambda case: (clusters[case], case))
    held_out = [sorted(order[fold::folds]) for fold in range(folds)]
    return [{"train": sorted(set(order) - set(part)), "val": part} for part in held_out]


def read_clusters(path: Path) -> dict[str, int]:
    """Read case -> cluster from a JSON object, or from what `lab fit` left in its work folder.

    Raises:
        Refusal: the file is neither.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    clusters = content.get("cases", content) if isinstance(content, dict) else None
    if not isinstance(clusters, dict) or not all(isinstance(v, int) for v in clusters.values()):
        raise Refusal(f"{path}: not an object of case -> cluster")
    return {str(case): int(np.int64(cluster)) for case, cluster in clusters.items()}
