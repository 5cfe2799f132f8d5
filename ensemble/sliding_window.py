"""Tiles, mirroring, accumulation: one network over one prepared volume."""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from scipy import ndimage
from torch import nn

# As in nnU-Net 2.8: sigma is an eighth of the patch.
GAUSSIAN_SIGMA = 1 / 8


@torch.inference_mode()
def predict_logits(
    network: nn.Module,
    data: np.ndarray,
    patch: Sequence[int],
    step: float,
    mirror_axes: Sequence[int],
) -> np.ndarray:
    """Return the logits (channel, ...) of a volume (channel, ...), both float32.

    Sums are kept in half precision because stock nnU-Net keeps them so: at a volume's corners,
    where the Gaussian is nearly zero, its rounding is coarse enough to change probabilities.

    Tiles overlap by `1 - step` of the patch and are blended by a Gaussian; each tile is the mean
    over all flips of `mirror_axes` (0 is the first spatial axis). The network runs where it is.
    """
    device = next(network.parameters()).device
    padded, inner = _pad(data, patch)
    volume = torch.from_numpy(padded)
    weight = torch.from_numpy(importance(tuple(patch))).to(device)
    total: torch.Tensor | None = None
    weights = torch.zeros(volume.shape[1:], dtype=torch.half, device=device)
    for place in tiles(volume.shape[1:], patch, step):
        tile = volume[(slice(None), *place)][None].to(device)
        output = _mirrored(network, tile, mirror_axes)[0].float() * weight
        if total is None:
            total = torch.zeros((len(output), *volume.shape[1:]), dtype=torch.half, device=device)
        total[(slice(None), *place)] += output
        weights[place] += weight
    if total is None:
        raise ValueError(f"no tile of {tuple(patch)} fits a volume of {data.shape}")
    logits = (total / weights).float().cpu().numpy()
    return np.ascontiguousarray(logits[(slice(None), *inner)])


def tiles(
    shape: Sequence[int], patch: Sequence[int], step: float
) -> Iterator[tuple[slice, slice, slice]]:
    """Yield the places of the tiles: evenly spread, at most `step` of the patch apart."""
    starts = [_starts(size, side, step) for size, side in zip(shape, patch, strict=True)]
    for start in itertools.product(*starts):
        a, b, c = (slice(s, s + side) for s, side in zip(start, patch, strict=True))
        yield a, b, c


def importance(patch: tuple[int, ...]) -> np.ndarray:
    """Return the blending weight of each voxel of a tile: a Gaussian, never zero."""
    profiles = []
    for side in patch:
        impulse = np.zeros(side)
        impulse[side // 2] = 1
        profiles.append(ndimage.gaussian_filter1d(impulse, side * GAUSSIAN_SIGMA, mode="constant"))
    gaussian = np.einsum("i,j,k->ijk", *profiles)
    # Stock nnU-Net keeps these weights in half precision, at ten times the height.
    gaussian = (gaussian / gaussian.max() * 10).astype(np.float16).astype(np.float32)
    gaussian[gaussian == 0] = gaussian[gaussian > 0].min()
    return gaussian


def _starts(size: int, side: int, step: float) -> list[int]:
    count = math.ceil((size - side) / (side * step)) + 1
    stride = (size - side) / (count - 1) if count > 1 else 0
    return [round(stride * i) for i in range(count)]


def _mirrored(network: nn.Module, tile: torch.Tensor, axes: Sequence[int]) -> torch.Tensor:
    flips = [
        tuple(axis + 2 for axis in chosen)
        for n in range(1, len(axes) + 1)
        for chosen in itertools.combinations(axes, n)
    ]
    # Half precision on the GPU is what stock nnU-Net runs.
    with torch.autocast(tile.device.type, enabled=tile.device.type == "cuda"):
        output = network(tile)
        for flip in flips:
            output += torch.flip(network(torch.flip(tile, flip)), flip)
        return output / (len(flips) + 1)


def _pad(data: np.ndarray, patch: Sequence[int]) -> tuple[np.ndarray, tuple[slice, ...]]:
    """Pad with zeros to at least one patch; return the way back too."""
    short = [max(0, p - size) for p, size in zip(patch, data.shape[1:], strict=True)]
    before = [s // 2 for s in short]
    widths = [(0, 0), *((b, s - b) for b, s in zip(before, short, strict=True))]
    inner = (slice(b, b + size) for b, size in zip(before, data.shape[1:], strict=True))
    return np.pad(data, widths), tuple(inner)
