"""Networks of real size with random weights, as nnU-Net leaves trained ones, and scans for them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
import torch
from scipy.ndimage import zoom
from torch import nn

from challenge.case import Case, CaseFiles, read_case
from challenge.scheme import SCHEMES, Scheme
from ensemble.network import build_network
from ensemble.plans import Plan, read_plan
from lab.training.monai_networks import Sizes, is_planned, planned_architecture
from lab.training.monai_networks import build_network as build_monai
from lab.training.networks import architecture


def plans_of(network: str, patch: Sequence[int], channels: int) -> dict[str, Any]:
    """Return plans.json of a network of lab/training/networks.py at 1 mm."""
    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": "bench",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(patch),
        "median_image_size_in_voxels": list(patch),
        "spacing": [1.0, 1.0, 1.0],
        "normalization_schemes": ["ZScoreNormalization"] * channels,
        "use_mask_for_norm": [channels > 1] * channels,
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg_kwargs": resampling | {"is_seg": True, "order": 1},
        "resampling_fn_probabilities_kwargs": resampling | {"order": 1},
        "architecture": architecture(network, patch),
        "batch_dice": False,
    }
    intensity = {"mean": 300.0, "std": 90.0, "percentile_00_5": 20.0, "percentile_99_5": 700.0}
    return {
        "dataset_name": "Dataset999_Bench",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [1, 1, 1],
        "original_median_shape_after_transp": list(patch),
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"3d_fullres": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {str(i): intensity for i in range(channels)},
    }


def write_trained(
    folder: Path,
    plans: Mapping[str, Any],
    channels: Sequence[str],
    labels: Mapping[str, int],
    folds: int,
    mirror_axes: Sequence[int] = (0, 1, 2),
) -> None:
    """Write a model folder as training leaves it."""
    ending = ".nii.gz" if len(channels) > 1 else ".mha"
    dataset = {
        "channel_names": {str(i): name for i, name in enumerate(channels)},
        "labels": {"background": 0, **labels},
        "numTraining": 1,
        "file_ending": ending,
    }
    folder.mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    plan = read_plan(plans, "3d_fullres")
    for fold in range(folds):
        network = build_network(plan, len(channels), 1 + len(labels))
        content = {
            "network_weights": random_weights(network, fold),
            "optimizer_state": {},
            "current_epoch": 1,
            "_best_ema": 0.5,
            "logging": {},
            "init_args": {"configuration": "3d_fullres", "fold": fold},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": tuple(mirror_axes),
        }
        (folder / f"fold_{fold}").mkdir()
        torch.save(content, folder / f"fold_{fold}" / "checkpoint_final.pth")


def random_weights(network: nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """Draw weights that keep the size of activations (He et al. 2015)."""
    generator = torch.Generator().manual_seed(seed)
    by_parameter: dict[int, torch.Tensor] = {}  # modules that appear twice share their weights
    weights: dict[str, torch.Tensor] = {}
    for name, parameter in network.state_dict(keep_vars=True).items():
        if id(parameter) not in by_parameter:
            by_parameter[id(parameter)] = _draw(name, parameter, generator)
        weights[name] = by_parameter[id(parameter)]
    return weights


def _draw(name: str, empty: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    if empty.ndim < 2:
        return torch.full(empty.shape, 0.0 if name.endswith(("bias", "running_mean")) else 1.0)
    fan_in = empty[0].numel() if "transpconv" not in name else empty.shape[0]
    return torch.randn(empty.shape, generator=generator) * (2 / fan_in) ** 0.5


def flops_of_a_pass(plans: Mapping[str, Any], channels: int, classes: int) -> float:
    """Count a pass's floating-point operations, multiplications and additions each one."""
    from torch.utils.flop_counter import FlopCounterMode

    plan = read_plan(plans, "3d_fullres")
    network = _empty_network(plan, channels, classes)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(torch.empty((1, channels, *plan.patch), device="meta"))
    return float(counter.get_total_flops())


def _empty_network(plan: Plan, channels: int, classes: int) -> nn.Module:
    """Return a plan's network on the meta device, where nothing is computed."""
    if not is_planned(plan):
        return build_network(plan, channels, classes)
    network, _ = build_monai(planned_architecture(plan), Sizes(channels, classes, plan.patch))
    return network.to("meta")


def write_heads(folder: Path, ids: Sequence[str], shape: Sequence[int], box: Sequence[int]) -> None:
    """Write textured boxes in empty air as BraTS cases; `box` is what nnU-Net crops to."""
    starts = [(side - inner) // 2 for side, inner in zip(shape, box, strict=True)]
    in_box = tuple(slice(s, s + inner) for s, inner in zip(starts, box, strict=True))
    for i, id in enumerate(ids):
        (folder / id).mkdir(parents=True)
        for j, sequence in enumerate(SCHEMES["brats-gli"].sequences):
            rng = np.random.default_rng((i, j))
            coarse = rng.normal(300, 90, (9, 9, 9))
            inner = zoom(coarse, [side / 9 for side in box], order=1) + rng.normal(0, 9, box)
            image = np.zeros(shape, np.float32)
            image[in_box] = np.maximum(inner, 1)
            scan = SimpleITK.GetImageFromArray(image)  # ITK's axes are those of BraTS
            SimpleITK.WriteImage(scan, str(folder / id / f"{id}-{sequence}.nii.gz"))


def write_abdomen(folder: Path, id: str, shape: Sequence[int], spacing_mm: Sequence[float]) -> None:
    """Write a textured volume as a PANTHER scan."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    image = zoom(rng.normal(300, 90, (9, 9, 9)), [side / 9 for side in shape], order=1)
    scan = SimpleITK.GetImageFromArray((image + rng.normal(0, 9, shape)).astype(np.float32))
    scan.SetSpacing(tuple(spacing_mm)[::-1])
    SimpleITK.WriteImage(scan, str(folder / f"{id}.mha"), useCompression=True)


def read_case_of(cases: Path, scheme: Scheme) -> Case:
    """Read the first case that was written."""
    home = min(cases.iterdir())
    name = f"{home.name}-{{}}.nii.gz" if len(scheme.sequences) > 1 else f"{home.name}.mha"
    images = {sequence: home / name.format(sequence) for sequence in scheme.sequences}
    return read_case(CaseFiles(home.name, images, scheme.sequences[0], Path("unused")))
