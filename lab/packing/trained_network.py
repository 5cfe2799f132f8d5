"""One trained fold: its checkpoint, the plan of its network, and whether they agree."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ensemble.architectures import ARCHITECTURES, UNBUILDABLE, has_fixed_patch
from ensemble.network import build_network, fill_network, plain_key
from ensemble.plans import OPERATION_KEYS, Plan, PlansError, read_plan
from ensemble.slice_network import over_tiles
from lab.packing.trained_folder import PackError, TrainedFolder
from lab.packing.trainer_names import (
    ABSTRACT,
    AS_PLANNED,
    BATCH_NORM,
    MEDNEXT,
    OURS,
    PRIMUS,
)
from lab.training.checkpoints import read_training_checkpoint
from lab.training.network_sizes import PRIMUS_ARGUMENTS


@dataclass(frozen=True)
class Accepted:
    """What the user accepts of a checkpoint that does not say it or says something foreign."""

    configuration: str = ""  # of a checkpoint without one
    foreign_trainer: bool = False


STRICT = Accepted()


@dataclass(frozen=True)
class TrainedFold:
    """A checkpoint and the plan of the network that its trainer built."""

    fold: str
    path: Path
    content: Mapping[str, Any]
    plan: Plan
    trainer: str | None
    is_foreign: bool


def open_fold(
    folder: TrainedFolder,
    fold: str,
    checkpoint: str,
    accepted: Accepted = STRICT,
) -> TrainedFold:
    """Read a fold's checkpoint and the plan that its network was built by.

    Raises:
        Refusal: the checkpoint is none, does not say what nnU-Net's do, was made by a trainer whose
            network is not known, or was trained with another network than that of plans.json.
    """
    path = folder.path / f"fold_{fold}" / f"{checkpoint}.pth"
    content = read_training_checkpoint(path)
    init_args = content.get("init_args")
    arguments: Mapping[str, Any] = init_args if isinstance(init_args, dict) else {}
    configuration = arguments.get("configuration") or accepted.configuration
    if not isinstance(configuration, str) or not configuration:
        raise PackError(
            f"{path}: does not say its configuration (init_args); say it with --configuration, one "
            f"of {', '.join(folder.plans.get('configurations', ()))}"
        )
    plan = read_plan(folder.plans, configuration)
    trainer = content.get("trainer_name") or None
    is_foreign = _is_foreign(trainer, path)
    if is_foreign and not accepted.foreign_trainer:
        raise PackError(f"{path}: {_foreign(trainer)}")
    if is_foreign:
        print(f"{folder.name}: fold_{fold}: {_foreign(trainer)}: taken so")
    weights = {plain_key(key) for key in content["network_weights"]}
    built = _as_built(plan, trainer, weights)
    _compare_training(
        folder, fold, arguments, built, partial(_as_built, trainer=trainer, weights=weights)
    )
    if built is not plan:
        what = "batch norm" if trainer == BATCH_NORM else built.network
        print(f"{folder.name}: fold_{fold}: {trainer} built {what} in place of plans.json's")
    plan = built
    _check_mirroring(content.get("inference_allowed_mirroring_axes"), plan, path)
    content = {**content, "init_args": {**arguments, "configuration": configuration}}
    return TrainedFold(fold, path, content, plan, trainer, is_foreign)


def check_network(trained: TrainedFold, channels_in: int, channels_out: int) -> None:
    """Build the plan's network, give it the fold's weights, and push a patch's size through.

    Raises:
        Refusal: the network is not the checkpoint's, a weight is not finite, or the network cannot
            take a patch.
    """
    weights = trained.content["network_weights"]
    for key, value in weights.items():
        if not torch.isfinite(value).all():
            raise PackError(f"{trained.path}: weight {key} holds NaN or infinity")
    network = build_network(trained.plan, channels_in, channels_out)
    patch = torch.empty((1, channels_in, *trained.plan.patch), device="meta")
    try:
        # On the meta device sizes are followed and nothing is computed.
        size = over_tiles(network, trained.plan)(patch).shape
    except UNBUILDABLE as error:
        raise PlansError(
            f"plans.json: the network cannot take a patch of {trained.plan.patch} ({error})"
        ) from error
    if tuple(size) != (1, channels_out, *trained.plan.patch):
        raise PlansError(f"plans.json: a patch of {trained.plan.patch} becomes {tuple(size)}")
    try:
        fill_network(network, weights)
    except ValueError as error:
        raise PackError(f"{trained.path}: {error}") from error


def plans_as_built(plans: dict[str, Any], trained: TrainedFold) -> dict[str, Any]:
    """Return plans.json, naming the network that the trainer built where it built another."""
    plan = trained.plan
    if trained.trainer not in {BATCH_NORM, *PRIMUS, *MEDNEXT}:
        return plans
    settings = plans["configurations"][plan.configuration]
    architecture = {
        "network_class_name": f"{ARCHITECTURES[plan.network].module}.{plan.network}",
        "arch_kwargs": dict(plan.arguments),
        "_kw_requires_import": [key for key in OPERATION_KEYS if key in plan.arguments],
    }
    configurations = plans["configurations"] | {
        plan.configuration: settings | {"architecture": architecture}
    }
    return plans | {"configurations": configurations}


def _as_built(plan: Plan, trainer: str | None, weights: Collection[str]) -> Plan:
    """Return the plan of the network that a trainer builds, whatever network plans.json names.

    `weights` are the names of what it trained: heads of deep supervision may be among them.
    """
    if trainer == BATCH_NORM:
        norm = f"torch.nn.modules.batchnorm.BatchNorm{2 if plan.sees_slices else 3}d"
        changed = {"norm_op": norm, "norm_op_kwargs": {"eps": 1e-5, "affine": True}}
        return replace(plan, arguments={**plan.arguments, **changed})
    if trainer is not None and trainer in PRIMUS:
        return replace(plan, network=PRIMUS[trainer], arguments=dict(PRIMUS_ARGUMENTS))
    if trainer is not None and trainer in MEDNEXT:
        supervised = {"supervised": "out_1.conv_out.weight" in weights}
        return replace(plan, network="MedNeXt", arguments={**MEDNEXT[trainer], **supervised})
    return plan


def _check_mirroring(axes: Any, plan: Plan, path: Path) -> None:
    last = 1 if plan.sees_slices else 2
    known = {*range(last + 1)}
    if axes is not None and (not isinstance(axes, tuple | list) or not {*axes} <= known):
        raise PackError(
            f"{path}: inference_allowed_mirroring_axes {axes!r} are no axes of 0 to {last}"
        )


def _is_foreign(trainer: Any, path: Path) -> bool:
    if not isinstance(trainer, str):
        return True
    if trainer in ABSTRACT:
        raise PackError(f"{path}: trainer {trainer} builds no network")
    known = AS_PLANNED | OURS | {BATCH_NORM, *PRIMUS}
    return trainer not in known and trainer != stage_of(path.parent)


def stage_of(fold: Path) -> str | None:
    """Return the stage of a recipe that a fold was trained in; its trainer is called so."""
    try:
        return str(json.loads((fold / "provenance.json").read_text(encoding="utf-8"))["stage"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _foreign(trainer: Any) -> str:
    network = "the network of plans.json"
    if trainer in MEDNEXT:
        network = f"the authors' MedNeXt-{trainer.partition('MedNeXt')[2].strip('_')}"
    who = f"trainer {trainer!r} does not ship with nnU-Net 2.8.1" if trainer else "no trainer_name"
    return (
        f"{who}, and may have built another network whose weights have the same sizes; "
        f"--foreign-trainer takes it for {network} and records that"
    )


def _compare_training(
    folder: TrainedFolder,
    fold: str,
    arguments: Mapping[str, Any],
    plan: Plan,
    as_built: Callable[[Plan], Plan],
) -> None:
    """Compare with the plans and dataset that the checkpoint itself was trained with.

    nnU-Net predicts by plans.json and dataset.json: differences are printed, and refused where they
    make another network.

    Raises:
        PackError: the network was another.
    """
    prefix = f"{folder.name}: fold_{fold} was trained with another"
    dataset = arguments.get("dataset_json")
    for key in ("labels", "regions_class_order", "channel_names"):
        now = folder.dataset.get(key)
        if isinstance(dataset, dict) and now and dataset.get(key, now) != now:
            print(f"{prefix} dataset.json: {key} {dataset[key]}; taken as dataset.json says")
    if not isinstance(arguments.get("plans"), dict):
        return
    try:
        trained = as_built(read_plan(arguments["plans"], plan.configuration))
    except PlansError as error:
        print(f"{folder.name}: fold_{fold}: the plans of training cannot be compared ({error})")
        return
    _compare_plans(trained, plan, prefix)


def _compare_plans(trained: Plan, plan: Plan, prefix: str) -> None:
    """Print how the plan of training differs; refuse another network.

    Raises:
        PackError: the network was another, or built for another patch.
    """
    if (trained.network, trained.arguments) != (plan.network, plan.arguments):
        keys = [
            key
            for key in {**trained.arguments, **plan.arguments}
            if trained.arguments.get(key) != plan.arguments.get(key)
        ]
        key = keys[0] if keys else "network"
        then, now = (each.arguments.get(key, each.network) for each in (trained, plan))
        raise PackError(f"{prefix} network: {key} {then!r}, plans.json says {now!r}")
    if trained.patch != plan.patch and has_fixed_patch(plan):
        raise PackError(
            f"{prefix} patch: {trained.patch}, plans.json says {plan.patch}; {plan.network} takes "
            "tiles of one size"
        )
    for field in fields(Plan):
        then, now = getattr(trained, field.name), getattr(plan, field.name)
        if then != now:
            print(f"{prefix} plans.json: {field.name} {then}; taken as plans.json says, {now}")
