"""One trained folder's networks as members of a model that is being made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from challenge.scheme import Scheme
from ensemble.manifest import sha256_of
from lab.packing.trained_channels import Channels, channels_of, named_dataset
from lab.packing.trained_folder import PackError, TrainedFolder, read_object
from lab.packing.trained_network import (
    NOTHING,
    Accepted,
    TrainedFold,
    check_network,
    open_fold,
    plans_as_built,
)
from lab.packing.training_axes import training_axes
from lab.training.checkpoints import slim_checkpoint

# Of a fold's provenance.json; `start_sha256` is the checkpoint that it went on from.
RECIPE = (
    "stage",
    "dataset",
    "settings",
    "commit",
    "versions",
    "data_sha256",
    "start_sha256",
    "device",
)


@dataclass(frozen=True)
class Source:
    """One trained model folder and what to take from it."""

    folder: TrainedFolder
    folds: tuple[str, ...]
    checkpoint: str  # "checkpoint_final", "checkpoint_best" or "checkpoint_latest"
    weight: float
    labels: str = ""  # NAME=VALUE,... or nothing
    channels: str = ""  # NAME,... or nothing
    is_mirrored: bool = False
    accepted: Accepted = NOTHING
    orientation: str | None = None  # axis code that was asked for
    cohort: Path | None = None  # raw folder of the training


def pack_source(source: Source, home: Path, scheme: Scheme) -> list[dict[str, Any]]:
    """Write one source's slim files into a folder of the model; return its manifest entries.

    Raises:
        Refusal: something of the source cannot be followed.
    """
    folder, plans = source.folder, None
    channels = channels_of(folder, scheme, source.labels, source.channels)
    axes = training_axes(folder.plans, folder.dataset, source.orientation, source.cohort)
    home.mkdir()
    entries = []
    for fold in source.folds:
        trained = open_fold(folder, fold, source.checkpoint, source.accepted)
        _check_channels(trained, channels, folder)
        check_network(trained, len(channels.sequences), len(channels.head.channels))
        built = plans_as_built(folder.plans, trained)
        if plans not in (None, built):
            raise PackError(
                f"{trained.path}: trainer {trained.trainer} built another network than "
                "those of the folds before it"
            )
        plans = built
        entries.append(_pack_fold(trained, home, source, channels) | axes)
    _write_object(home / "plans.json", plans or folder.plans)
    dataset = named_dataset(folder.dataset, channels, bool(source.channels))
    _write_object(home / "dataset.json", dataset)
    return entries


def recipe_of(fold: Path) -> dict[str, Any]:
    """Return what `lab train` left of a fold's origin, without paths of the machine; or nothing.

    Raises:
        PackError: provenance.json is there and no object.
    """
    path = fold / "provenance.json"
    if not path.is_file():
        return {}
    told = read_object(path, str(path))
    return {"recipe": {key: told[key] for key in RECIPE if key in told}}


def _check_channels(trained: TrainedFold, channels: Channels, folder: TrainedFolder) -> None:
    planned, named = len(trained.plan.normalisation), len(channels.sequences)
    if planned != named:
        raise PackError(f"{folder.name}: {named} channels by dataset.json, {planned} by plans.json")


def _pack_fold(
    trained: TrainedFold, home: Path, source: Source, channels: Channels
) -> dict[str, Any]:
    content = slim_checkpoint(trained.content)
    if source.is_mirrored and not content["inference_allowed_mirroring_axes"]:
        print(
            f"{source.folder.name}: fold_{trained.fold} was trained without mirroring, and stays "
            "unmirrored under --mirroring"
        )
    slim = home / f"fold_{trained.fold}" / trained.path.name
    slim.parent.mkdir()
    torch.save(content, slim)
    epochs = trained.content.get("current_epoch")
    return {
        "folder": home.name,
        "group": home.name,
        "configuration": trained.plan.configuration,
        "fold": str(trained.fold),
        "checkpoint": source.checkpoint,
        "weight": source.weight,
        "labels": {str(value): name for name, value in channels.labels.items()},
        "sha256": sha256_of(slim),
        "size_bytes": slim.stat().st_size,
        "provenance": {
            "trainer": trained.trainer,
            **({"foreign_trainer": True} if trained.is_foreign else {}),
            "epochs": None if epochs is None else int(epochs),
            "trained_sha256": sha256_of(trained.path),
            **recipe_of(trained.path.parent),
        },
    }


def _write_object(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
