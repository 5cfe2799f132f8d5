"""One random tile, like a normalised scan, and the answer of a packed member to it."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import interpolate, one_hot

from ensemble.engine import Engine
from ensemble.loaded_networks import half_patch
from ensemble.manifest import Member
from ensemble.plans import Plan
from ensemble.torch_backends import Forward

SEED = 20261128  # of a source's first fold; the next fold has the next one
# Larger patches are halved: 192 cubed takes ResEnc-L 71 s a pass of torch on two cores, 96 cubed 5.
MAX_VOXELS = 3_000_000
# Scans are smooth, with edges and some noise; over white noise alone, networks see background.
COARSE = (3, 8)  # voxels a side of the random fields that are drawn smooth
NOISE = 0.2
UNIT_RANGE = ("RescaleTo01Normalization", "RGBTo01Normalization")


def tile_shape(plan: Plan) -> tuple[int, ...]:
    """Return the sides of the tile: the plan's patch, or half of it where that would take long."""
    return plan.patch if math.prod(plan.patch) <= MAX_VOXELS else half_patch(plan)


def draw_tile(plan: Plan, channels: int, shape: Sequence[int], seed: int) -> torch.Tensor:
    """Draw a tile (channel, z, y, x) float32 with the mean and range that normalising gives.

    Every channel is the sum of two smooth random fields and some noise, brought to mean 0 and
    deviation 1; where the plan scales to 0..1, to that; where it leaves images as they are, to the
    mean and deviation that plans.json has of the training scans.
    """
    generator = torch.Generator().manual_seed(seed)
    tile = torch.randn((channels, *shape), generator=generator) * NOISE
    for sides in COARSE:
        field = torch.randn((1, channels, sides, sides, sides), generator=generator)
        tile += interpolate(field, tuple(shape), mode="trilinear", align_corners=True)[0]
    spatial = (1, 2, 3)
    tile -= tile.mean(spatial, keepdim=True)
    tile /= tile.std(spatial, keepdim=True).clamp(min=1e-8)
    for channel, scheme in zip(tile, plan.normalisation, strict=True):
        if scheme in UNIT_RANGE:
            channel.sub_(channel.min()).div_(channel.max().clamp(min=1e-8))
    for channel, scheme, known in zip(tile, plan.normalisation, plan.intensities, strict=True):
        if scheme == "NoNormalization":
            channel.mul_(known["std"]).add_(known["mean"])
    return tile


def draw_input(member: Member, shape: Sequence[int], seed: int) -> torch.Tensor:
    """Draw a tile (channel, z, y, x) float32 of all that a member sees.

    Behind the image a cascade's second stage gets masks of labels: each voxel has one, or none.
    """
    tile = draw_tile(member.plan, len(member.sequences), shape, seed)
    if not (count := len(member.stage_labels)):
        return tile
    generator = torch.Generator().manual_seed(seed)
    fields = torch.randn((1, count + 1, *(COARSE[-1:] * 3)), generator=generator)
    fields = interpolate(fields, tuple(shape), mode="trilinear", align_corners=True)
    masks = one_hot(fields[0].argmax(0), count + 1).movedim(-1, 0)[1:]
    return torch.cat([tile, masks.float()])


def forward_of(member: Member, tile: torch.Tensor, backend: str) -> Forward:
    """Return what runs a member on the CPU for tiles of the size of a tile (channel, z, y, x)."""
    shape = tuple(tile.shape[1:])
    small = replace(member, plan=replace(member.plan, patch=shape))
    return Engine(torch.device("cpu"), backend).load(small).forward


def logits_of(member: Member, tile: torch.Tensor, backend: str) -> np.ndarray:
    """Return a member's logits (channel, z, y, x) of a tile, as the engine runs it on the CPU."""
    with torch.inference_mode():
        logits = forward_of(member, tile, backend)(tile[None])[0]
    return np.array(logits.float().numpy())


def deviations_apart(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest difference of two answers, in standard deviations of the first."""
    return float(np.abs(first - second).max() / max(float(first.std()), 1e-9))
