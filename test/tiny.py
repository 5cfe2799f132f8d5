"""Tiny nnU-Net model folders with random weights, as training leaves them."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from challenge.case import Case
from challenge.scheme import MRI_SEQUENCES
from ensemble.architectures import ARCHITECTURES
from ensemble.dataset import label_values
from ensemble.engine import Engine
from ensemble.manifest import Member, Model
from ensemble.network import build_network
from ensemble.plans import read_plan
from ensemble.predict import predict
from lab.packing.trainer_names import MEDNEXT, PRIMUS
from lab.training.network_sizes import PRIMUS_ARGUMENTS

SOFTMAX = {"background": 0, "NETC": 1, "SNFH": 2, "ET": 3, "RC": 4}
REGIONS = {"background": 0, "WT": [1, 2, 3], "TC": [1, 3], "ET": [3], "RC": [4]}
REGION_ORDER = [2, 1, 3, 4]
LAST_LAYERS = ("seg_layers", "up_projection.decode.2", "out_0")


def plans(
    spacing_mm: Sequence[float] = (1, 1, 1),
    patch: Sequence[int] = (16, 16, 16),
    channels: int = 4,
    network: str = "PlainConvUNet",
    **changes: Any,
) -> dict[str, Any]:
    """Return plans.json of a three-stage network; `changes` go into the configuration.

    It is 2d where the patch has two sides, else 3d_fullres.
    """
    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": "tiny_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(patch),
        "median_image_size_in_voxels": [32, 32, 32],
        "spacing": list(spacing_mm),
        "normalization_schemes": ["ZScoreNormalization"] * channels,
        "use_mask_for_norm": [True] * channels,
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg_kwargs": resampling | {"is_seg": True, "order": 1},
        "resampling_fn_probabilities_kwargs": resampling | {"order": 1},
        "architecture": architecture(network, len(patch)),
        "batch_dice": False,
    } | changes
    intensity = {"mean": 300.0, "std": 90.0, "percentile_00_5": 20.0, "percentile_99_5": 700.0}
    return {
        "dataset_name": "Dataset999_Tiny",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [1, 1, 1],
        "original_median_shape_after_transp": [32, 32, 32],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"2d" if len(patch) == 2 else "3d_fullres": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {str(i): intensity for i in range(channels)},
    }


def architecture(network: str, dimensions: int = 3) -> dict[str, Any]:
    """Return a three-stage network as a configuration of plans.json describes it."""
    depth = "n_blocks_per_stage" if network == "ResidualEncoderUNet" else "n_conv_per_stage"
    stock = "dynamic_network_architectures.architectures.unet"
    home = "ensemble.attention" if network == "AttentionUNet" else stock
    return {
        "network_class_name": f"{home}.{network}",
        "arch_kwargs": {
            "n_stages": 3,
            "features_per_stage": [6, 8, 10],
            "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
            "kernel_sizes": [[3] * dimensions] * 3,
            "strides": [[stride] * dimensions for stride in (1, 2, 2)],
            depth: [1, 1, 1],
            "n_conv_per_stage_decoder": [1, 1],
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def primus_plans(network: str, patch: Sequence[int] = (16, 16, 24)) -> dict[str, Any]:
    """Return plans.json of a transformer of two blocks, for one size of patch."""
    primus = {
        "network_class_name": f"dynamic_network_architectures.architectures.primus.{network}",
        "arch_kwargs": {
            "embed_dim": 12,
            "patch_embed_size": [8, 8, 8],
            "eva_depth": 2,
            "eva_numheads": 2,
            "drop_path_rate": 0.2,
            "scale_attn_inner": True,
            "init_values": 0.1,
            **({"ch_per_level": [4, 6, 8, 10]} if network == "PrimusV3" else {}),
        },
        "_kw_requires_import": [],
    }
    return plans(patch=patch, architecture=primus)


def mednext_plans(**arguments: Any) -> dict[str, Any]:
    """Return plans.json of a narrow MedNeXt, which halves a tile four times."""
    narrow = {"n_channels": 4, "exp_r": [2, 3, 2, 2, 2, 2, 2, 3, 2], "block_counts": [1] * 9}
    mednext = {
        "network_class_name": "ensemble.mednext.MedNeXt",
        "arch_kwargs": {**narrow, "kernel_size": 3, "supervised": True, **arguments},
        "_kw_requires_import": [],
    }
    return plans(patch=(16, 32, 16), architecture=mednext)


def before_2_4(plans: dict[str, Any]) -> dict[str, Any]:
    """Write a network of 5, 10 and 10 features as plans did before they had `architecture`."""
    settings = plans["configurations"]["3d_fullres"]
    arguments = settings.pop("architecture")["arch_kwargs"]
    settings |= {
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 5,
        "unet_max_num_features": 10,
        "n_conv_per_stage_encoder": arguments["n_conv_per_stage"],
        "n_conv_per_stage_decoder": arguments["n_conv_per_stage_decoder"],
        "num_pool_per_axis": [2, 2, 2],
        "pool_op_kernel_sizes": arguments["strides"],
        "conv_kernel_sizes": arguments["kernel_sizes"],
    }
    return plans


def dataset(
    labels: Mapping[str, Any] = SOFTMAX,
    channels: Sequence[str] = MRI_SEQUENCES,
    order: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Return dataset.json; `order` is regions_class_order."""
    content = {
        "channel_names": {str(i): name for i, name in enumerate(channels)},
        "labels": dict(labels),
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    return content if order is None else content | {"regions_class_order": list(order)}


def predict_member(case: Case, member: Member, model: Model, engine: Engine) -> np.ndarray:
    """Return one member's probabilities (channel, z, y, x) in the member's head."""
    averaged = replace(member, feeds_only=False)
    single = replace(model, members=(averaged,), head=member.head)
    return [prediction.probabilities for prediction in predict(case, single, engine)][-1]


def train(
    folder: Path,
    plans: dict[str, Any],
    dataset: dict[str, Any],
    folds: Sequence[int] = (0,),
    seed: int = 0,
    mirror_axes: Sequence[int] | None = (0, 1, 2),
) -> Path:
    """Write a model folder whose folds hold random weights with clear-cut answers.

    They are of the first configuration of the plans.
    """
    folder.mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    configuration = next(iter(plans["configurations"]))
    plan = read_plan(plans, configuration)
    channels = len(dataset["channel_names"])
    if plan.previous_stage is not None:
        channels += len(label_values(dataset))
    heads = len(dataset["labels"]) - ("regions_class_order" in dataset)
    for fold in folds:
        network = build_network(plan, channels, heads)
        (folder / f"fold_{fold}").mkdir()
        content = {
            "network_weights": random_weights(network, seed=seed + fold),
            "optimizer_state": {},
            "current_epoch": 1,
            "_best_ema": np.float64(0.5),
            "logging": {"mean_fg_dice": [np.float32(0.5)]},
            "init_args": {"configuration": configuration, "fold": fold},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": mirror_axes,
        }
        torch.save(content, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder


def train_certain(
    folder: Path, dataset: dict[str, Any], channel: int, folds: Sequence[int] = (0,)
) -> Path:
    """Write a model folder whose networks answer one channel wherever they look."""
    network = plans(channels=len(dataset["channel_names"]))
    source = train(folder, network, dataset, folds, mirror_axes=None)
    for path in source.rglob("checkpoint_final.pth"):
        content = torch.load(path, weights_only=False)
        for name, value in content["network_weights"].items():
            if "seg_layers" in name:
                value.zero_()
                if name.endswith("bias"):
                    value[channel] = 8.0
        torch.save(content, path)
    return source


def train_as(
    folder: Path, trainer: str, patch: Sequence[int] = (16, 16, 16), **arguments: Any
) -> Path:
    """Write a model folder as a trainer leaves it whose network plans.json does not name."""
    kind = PRIMUS.get(trainer, "MedNeXt")
    settings = {
        "network_class_name": f"{ARCHITECTURES[kind].module}.{kind}",
        "arch_kwargs": dict(PRIMUS_ARGUMENTS if trainer in PRIMUS else MEDNEXT[trainer]),
        "_kw_requires_import": [],
    }
    train(folder, plans(patch=patch, architecture=settings), dataset(), **arguments)
    (folder / "plans.json").write_text(json.dumps(plans(patch=patch)))
    for path in folder.glob("fold_*/*.pth"):
        content = torch.load(path, weights_only=False)
        torch.save(content | {"trainer_name": trainer}, path)
    return folder


def random_weights(network: torch.nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """Draw weights; those of the last layer are large, so that few voxels are near a tie."""
    network = network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.named_parameters():
        is_last = any(last in name for last in LAST_LAYERS)
        fan_in = (value[:1] if value.dim() else value).numel()
        scale = 0.8 if is_last else 1 / max(fan_in, 1) ** 0.5
        value.data = torch.randn(value.shape, generator=generator) * scale
        if value.dim() == 1 and name.endswith("weight"):
            value.data.fill_(1)
    for name, value in network.named_buffers():  # of a batch norm
        value.data.fill_(0.5 if name.endswith("running_mean") else 2)
    return dict(network.state_dict())


def as_numpy_1(checkpoint: Path) -> Path:
    """Rewrite a checkpoint's pickle as numpy 1 wrote it: `numpy.core`, not `numpy._core`.

    Of both of torch's formats, the zip and the one before it; nothing else of the file changes.
    """
    new, old = b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"
    if not zipfile.is_zipfile(checkpoint):
        checkpoint.write_bytes(checkpoint.read_bytes().replace(new, old))
        return checkpoint
    with zipfile.ZipFile(checkpoint) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(checkpoint, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content.replace(new, old) if name.endswith(".pkl") else content)
    return checkpoint
