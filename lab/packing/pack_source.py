"""One trained folder's networks as members of a model that is being made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from challenge.case_hashes import hash_cases
from challenge.provenance import sha256_of
from challenge.scheme import Scheme
from ensemble.dataset import label_values
from ensemble.member_weights import Weight
from ensemble.members import TRAINED_ON
from lab.packing.left_out_postprocessing import left_out
from lab.packing.trained_channels import Channels, channels_of, named_dataset
from lab.packing.trained_folder import PackError, TrainedFolder, read_object
from lab.packing.trained_network import (
    STRICT,
    Accepted,
    TrainedFold,
    check_network,
    open_fold,
    plans_as_built,
)
from lab.packing.training_axes import training_axes
from lab.packing.training_cases import training_cases
from lab.training.checkpoints import slim_checkpoint

# Of a fold's provenance.json; `start_sha256` is the checkpoint that it went on from.
PROVENANCE_KEYS = (
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
    """One trained model folder or its export zip, and what to take from it."""

    path: Path
    checkpoint: str  # "checkpoint_final", "checkpoint_best" or "checkpoint_latest"
    folds: Sequence[str] | None = None  # None: those that nnU-Net's predictor takes
    weight: Weight | None = 1.0  # None: 1, 0: as previous stage of a cascade alone, see `cascades`
    labels: str = ""  # NAME=VALUE,... or nothing
    channels: str = ""  # NAME,... or nothing
    half: bool = False  # round weights to half precision
    accepted: Accepted = STRICT
    orientation: str | None = None  # axis code that the user requests
    cohort: Path | None = None  # raw folder of the training
    donor: str = ""  # region that it is a donor of; "": it is averaged


def pack_source(
    source: Source, folder: TrainedFolder, folds: Sequence[str], home: Path, scheme: Scheme
) -> list[dict[str, Any]]:
    """Write one source's slim files into a folder of the model; return its manifest entries.

    Args:
        source: what the user says of it.
        folder: the source, opened.
        folds: to pack.
        home: the new folder.
        scheme: the challenge whose names are used.

    Raises:
        Refusal: something of the source cannot be followed.
    """
    plans: dict[str, Any] | None = None
    channels = channels_of(folder, scheme, source.labels, source.channels)
    for line in left_out(folder.path, folder.name):
        print(line)
    axes = training_axes(folder.plans, folder.dataset, source.orientation, source.cohort)
    home.mkdir()
    entries = []
    for fold in folds:
        trained = open_fold(folder, fold, source.checkpoint, source.accepted)
        _check_channels(trained, channels, folder)
        channels_in = len(channels.sequences)
        if trained.plan.previous_stage is not None:
            channels_in += len(label_values(folder.dataset))
        check_network(trained, channels_in, len(channels.head.channels))
        built = plans_as_built(folder.plans, trained)
        if plans not in (None, built):
            raise PackError(
                f"{trained.path}: trainer {trained.trainer} built another network than "
                "those of the folds before it"
            )
        plans = built
        entries.append(_pack_fold(trained, home, source, channels) | axes)
    write_object(home / "plans.json", plans or folder.plans)
    dataset = named_dataset(folder.dataset, channels, bool(source.channels))
    write_object(home / "dataset.json", dataset)
    return entries


def recipe_provenance(fold: Path) -> dict[str, Any]:
    """Return what `lab train` wrote of a fold's origin, without the machine's paths; {} if nothing.

    Raises:
        PackError: provenance.json is there and no object.
    """
    path = fold / "provenance.json"
    if not path.is_file():
        return {}
    provenance = read_object(path, str(path))
    return {"recipe": {key: provenance[key] for key in PROVENANCE_KEYS if key in provenance}}


def _check_channels(trained: TrainedFold, channels: Channels, folder: TrainedFolder) -> None:
    planned, named = len(trained.plan.normalisation), len(channels.sequences)
    if planned != named:
        raise PackError(f"{folder.name}: {named} channels by dataset.json, {planned} by plans.json")


def _pack_fold(
    trained: TrainedFold, home: Path, source: Source, channels: Channels
) -> dict[str, Any]:
    content = slim_checkpoint(trained.content, source.half)
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
        **({"donor": source.donor} if source.donor else {}),
        "labels": {str(value): name for name, value in channels.labels.items()},
        "sha256": sha256_of(slim),
        "size_bytes": slim.stat().st_size,
        "provenance": {
            "trainer": trained.trainer,
            **({"foreign_trainer": True} if trained.is_foreign else {}),
            "epochs": None if epochs is None else int(epochs),
            "trained_sha256": sha256_of(trained.path),
            **_trained_on(trained),
            **recipe_provenance(trained.path.parent),
        },
    }


def _trained_on(trained: TrainedFold) -> dict[str, list[str]]:
    """Return the hashes of a fold's training cases; {} where nothing says which they are."""
    ids = training_cases(trained.path.parents[1], str(trained.fold))
    return {} if ids is None else {TRAINED_ON: hash_cases(ids)}


def write_object(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object."""
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
