"""What the second stage of a cascade sees beside the image: the labels of the stage before it.

nnU-Net trains `3d_cascade_fullres` on the image and the label map that `3d_lowres` gave of the case
on the case's grid, without post-processing. The map is cropped and resampled with the image, and
one mask for each foreground label follows the image's channels, not normalised. nnU-Net's own
functions resample it: where two labels tie, the voxel gets what it had in training.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from challenge.scheme import Scheme
from ensemble.planned_resampling import NONE, SPLINE
from ensemble.plans import Plan
from ensemble.preprocess import NonzeroRegion, PreprocessedImages
from ensemble.previous_stage import PreviousStage

OUTSIDE = -1  # nnU-Net's label of background that is not in the non-zero region


def numbered(labels: np.ndarray, names: Sequence[str], scheme: Scheme) -> np.ndarray:
    """Return a label map in the numbers 1, 2, ... of some labels in order, int16; others are 0.

    Args:
        labels: (z, y, x) in the scheme's values.
        names: of the labels, by rising value in the training.
        scheme: the challenge.
    """
    numbers = np.zeros(256, np.int16)
    for number, name in enumerate(names, 1):
        numbers[scheme.labels[name]] = number
    return numbers[labels]


def with_labelled(nonzero: NonzeroRegion, labels: np.ndarray) -> NonzeroRegion:
    """Return where a second stage's masked normalisation looks: where there is a label, too.

    nnU-Net takes what is zero for outside only where the previous stage gave background.

    Args:
        nonzero: of the case.
        labels: (z, y, x) of the previous stage on the case's grid, 0 is background.
    """
    return replace(nonzero, mask=nonzero.mask | (labels[nonzero.box] > 0))


def with_masks(
    images: PreprocessedImages, labels: np.ndarray, count: int, plan: Plan
) -> PreprocessedImages:
    """Return a case with the masks of the previous stage's labels behind the image's channels.

    Args:
        images: the case on the second stage's grid, (channel, ...) in the plan's axes.
        labels: (z, y, x) int16 of the previous stage on the case's grid, in numbers 1 to `count`.
        count: of foreground labels.
        plan: of the second stage.

    Raises:
        ValueError: the plan has no previous stage.
    """
    if plan.previous_stage is None:
        raise ValueError(f"{plan.configuration} has no previous stage")
    region = images.nonzero
    cropped = labels[region.box].copy()
    cropped[(cropped == 0) & ~region.mask] = OUTSIDE
    shape, grid_mm = images.data.shape[1:], plan.grid_mm(images.spacing_mm)
    turned = cropped.transpose(plan.transpose)
    resampled = _resample(turned, shape, images.spacing_mm, grid_mm, plan.previous_stage)
    data = np.empty((len(images.data) + count, *shape), np.float32)
    data[: len(images.data)] = images.data
    for number in range(1, count + 1):
        np.equal(resampled, number, out=data[len(images.data) + number - 1], casting="unsafe")
    return replace(images, data=data)


def _resample(
    labels: np.ndarray,
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    grid_mm: Sequence[float],
    stage: PreviousStage,
) -> np.ndarray:
    """Resample a label map to `shape` by the function of nnU-Net's that the plan names."""
    if stage.function == NONE or tuple(shape) == labels.shape:
        return labels
    volume, keywords = np.ascontiguousarray(labels)[None], dict(stage.keywords)
    # Loaded only where a label map changes its grid: they bring pandas and scikit-image.
    if stage.function == SPLINE:
        from nnunetv2.preprocessing.resampling.default_resampling import (
            resample_data_or_seg_to_shape as by_nnunet,
        )
    else:
        from nnunetv2.preprocessing.resampling.resample_torch import (
            resample_torch_fornnunet as by_nnunet,
        )

        keywords["num_threads"] = torch.get_num_threads()
    return np.asarray(by_nnunet(volume, list(shape), spacing_mm, grid_mm, **keywords)[0])
