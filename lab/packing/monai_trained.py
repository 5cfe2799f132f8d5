"""A network of MONAI that nnU-Net's trainer trained, as a recipe of `lab train` leaves it.

plans.json and dataset.json say what member.json says of other networks of MONAI.
"""

import json
from pathlib import Path
from typing import Any

from challenge.scheme import Scheme
from ensemble.exported_member import read_description
from ensemble.plans import MONAI_HOME
from lab.packing.export_member import describe
from lab.packing.monai_folder import MonaiFolder
from lab.packing.pack_source import Source, recipe_provenance
from lab.packing.trained_channels import channels_of
from lab.packing.trained_folder import Folds, PackError, TrainedFolder
from lab.packing.trained_network import TrainedFold, open_fold
from lab.packing.training_axes import training_axes
from lab.training.monai_networks import is_planned, planned_architecture, require_monai


def open_trained(
    folder: TrainedFolder, folds: Folds, source: Source, scheme: Scheme
) -> MonaiFolder | None:
    """Return a trained folder as one of MONAI; None where its checkpoints are of another network.

    Raises:
        Refusal: something of the source cannot be followed.
    """
    if MONAI_HOME not in json.dumps(folder.plans):
        return None
    trained = [open_fold(folder, fold, source.checkpoint, source.accepted) for fold in folds.taken]
    first = trained[0]
    if not is_planned(first.plan):
        return None
    if source.half:
        raise PackError(f"{folder.name}: --half is of networks that are no exported programs")
    channels = channels_of(folder, scheme, source.labels, source.channels)
    axes = training_axes(folder.plans, folder.dataset, source.orientation, source.cohort)
    architecture = planned_architecture(first.plan)
    mirrored = first.content.get("inference_allowed_mirroring_axes") or ()
    content = describe(first.plan, channels.sequences, channels.head) | {
        "network": f"{architecture.name} of MONAI {require_monai()}",
        "mirror_axes": list(mirrored),
    }
    return MonaiFolder(
        Path(folder.name),
        read_description(content, scheme, folder.title),
        architecture,
        {each.fold: each.path for each in trained},
        content,
        {each.fold: _origin(each) for each in trained},
        entry=axes,
    )


def _origin(trained: TrainedFold) -> dict[str, Any]:
    epochs = trained.content.get("current_epoch")
    return {
        "trainer": trained.trainer,
        **({"foreign_trainer": True} if trained.is_foreign else {}),
        "epochs": None if epochs is None else int(epochs),
        **recipe_provenance(trained.path.parent),
    }
