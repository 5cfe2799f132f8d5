"""InstanceNorm3d and the LeakyReLU after it as one operation on channels-last tensors, in Triton.

Three kernels: each part of a sample's voxels gives its mean and squared deviations (Welford, in
float32), these are merged, and one pass over the voxels normalises, adds a block's residual if it
has one, and rectifies, in place where a convolution has just made the tensor. Each step's result is
rounded to the tensor's type, as modules in a row round it.
"""

import subprocess

import torch
import triton
import triton.language as tl
from torch import nn
from torch.nn import functional
from triton.errors import TritonError

from ensemble.channels_last import (
    InstanceNorm,
    affine_parameters,
    channels_last,
)

TILE = 4096  # values that a program handles at once
MOST_CHANNELS = 64  # of a tile
MOST_PARTS = 512  # of a sample's voxels, whose statistics are merged at once
MERGED_CHANNELS = 16


@triton.jit
def _statistics_kernel(  # noqa: PLR0913 -- a kernel takes numbers and pointers only
    x: tl.tensor,
    means: tl.tensor,
    squares: tl.tensor,
    voxels: tl.tensor,
    channels: tl.tensor,
    PART_VOXELS: tl.constexpr,
    VOXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
) -> None:
    """Write mean and sum of squared deviations of each channel over one part of a sample."""
    part, sample = tl.program_id(0), tl.program_id(1)
    channel = tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)[None, :]
    first = x + sample.to(tl.int64) * voxels * channels
    mean = tl.zeros((VOXELS, CHANNELS), tl.float32)
    square = tl.zeros((VOXELS, CHANNELS), tl.float32)
    count = tl.zeros((VOXELS, 1), tl.float32)
    for offset in range(0, PART_VOXELS, VOXELS):
        voxel = part * PART_VOXELS + offset + tl.arange(0, VOXELS)[:, None]
        inside = (voxel < voxels) & (channel < channels)
        at = first + voxel.to(tl.int64) * channels + channel
        value = tl.load(at, mask=inside, other=0.0).to(tl.float32)
        count += (voxel < voxels).to(tl.float32)
        difference = tl.where(inside, value - mean, 0.0)
        mean += difference * (1.0 / tl.maximum(count, 1.0))
        square += difference * (value - mean)
    total = tl.sum(count, 0)[:, None]
    part_mean = tl.sum(mean * count, 0)[None, :] / total
    # A second time, about the first result: no rounding error of a mean far from zero remains.
    part_mean += tl.sum((mean - part_mean) * count, 0)[None, :] / total
    shift = mean - part_mean
    part_square = tl.sum(square + shift * shift * count, 0)[None, :]
    at = (sample * tl.num_programs(0) + part) * channels + channel
    tl.store(means + at, part_mean, mask=channel < channels)
    tl.store(squares + at, part_square, mask=channel < channels)


@triton.jit
def _merge_kernel(  # noqa: PLR0913
    means: tl.tensor,
    squares: tl.tensor,
    weight: tl.tensor,
    mean_out: tl.tensor,
    scale_out: tl.tensor,
    voxels: tl.tensor,
    channels: tl.tensor,
    part_voxels: tl.tensor,
    parts: tl.tensor,
    eps: tl.tensor,
    PARTS: tl.constexpr,
    CHANNELS: tl.constexpr,
) -> None:
    """Write mean, and weight over standard deviation, of each channel of a sample."""
    sample = tl.program_id(0)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)[None, :]
    part = tl.arange(0, PARTS)[:, None]
    inside = (part < parts) & (channel < channels)
    at = (sample * parts + part) * channels + channel
    left = tl.minimum(tl.maximum(voxels - part * part_voxels, 0), part_voxels)
    share = left.to(tl.float32) / voxels
    part_mean = tl.load(means + at, mask=inside, other=0.0)
    part_square = tl.load(squares + at, mask=inside, other=0.0)
    mean = tl.sum(part_mean * share, 0)[None, :]
    mean += tl.sum((part_mean - mean) * share, 0)[None, :]
    shift = part_mean - mean
    variance = tl.sum(part_square / voxels + shift * shift * share, 0)[None, :]
    scale = tl.load(weight + channel, mask=channel < channels, other=0.0) / tl.sqrt(variance + eps)
    tl.store(mean_out + sample * channels + channel, mean, mask=channel < channels)
    tl.store(scale_out + sample * channels + channel, scale, mask=channel < channels)


@triton.jit
def _normalise_kernel(  # noqa: PLR0913
    x: tl.tensor,
    out: tl.tensor,
    means: tl.tensor,
    scales: tl.tensor,
    bias: tl.tensor,
    voxels: tl.tensor,
    channels: tl.tensor,
    slope: tl.tensor,
    residual: tl.tensor,
    ADDS_RESIDUAL: tl.constexpr,
    VOXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
) -> None:
    """Write (x - mean) * scale + bias (+ residual), where it is negative times slope."""
    sample = tl.program_id(1)
    voxel = tl.program_id(0) * VOXELS + tl.arange(0, VOXELS)[:, None]
    channel = tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)[None, :]
    inside = (voxel < voxels) & (channel < channels)
    at = (sample.to(tl.int64) * voxels + voxel.to(tl.int64)) * channels + channel
    value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    of_sample = sample * channels + channel
    mean = tl.load(means + of_sample, mask=channel < channels, other=0.0)
    scale = tl.load(scales + of_sample, mask=channel < channels, other=0.0)
    shift = tl.load(bias + channel, mask=channel < channels, other=0.0)
    rounded = ((value - mean) * scale + shift).to(out.dtype.element_ty).to(tl.float32)
    if ADDS_RESIDUAL:
        rounded += tl.load(residual + at, mask=inside, other=0.0).to(tl.float32)
        rounded = rounded.to(out.dtype.element_ty).to(tl.float32)
    rectified = tl.where(rounded > 0, rounded, rounded * slope)
    tl.store(out + at, rectified.to(out.dtype.element_ty), mask=inside)


class KernelError(ValueError):
    """Triton's kernels cannot be compiled here, or compute wrong numbers."""


class FusedNorm(nn.Module):
    """An InstanceNorm3d or InstanceNorm2d and the LeakyReLU after it."""

    def __init__(self, norm: InstanceNorm, slope: float, in_place: bool) -> None:
        """Take a norm's parameters; a slope of 1 rectifies nothing."""
        super().__init__()
        self.weight, self.bias = affine_parameters(norm)
        self.eps, self.slope, self.in_place = norm.eps, slope, in_place

    def forward(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        """Normalise x (n, channel, z, y, x), add a residual of this shape, rectify the sum.

        Raises:
            RuntimeError: Triton cannot compile or start a kernel.
        """
        x = channels_last(x)
        out = x if self.in_place else torch.empty_like(x)
        try:
            return normalise(x, out, self, None if residual is None else channels_last(residual))
        except TritonError as error:  # to callers a device's failure like any other
            raise RuntimeError(f"Triton: {error}") from error


def normalise(
    x: torch.Tensor, out: torch.Tensor, norm: FusedNorm, residual: torch.Tensor | None = None
) -> torch.Tensor:
    """Write the result of `norm` into out, which may be x; all tensors are channels last."""
    samples, channels = x.shape[:2]
    voxels = x.numel() // (samples * channels)
    tile_channels = min(MOST_CHANNELS, triton.next_power_of_2(channels))
    tile_voxels = TILE // tile_channels
    tiles = triton.cdiv(voxels, tile_voxels)
    part_voxels = triton.cdiv(tiles, MOST_PARTS) * tile_voxels
    parts = triton.cdiv(voxels, part_voxels)
    blocks = triton.cdiv(channels, tile_channels)
    part_means, part_squares = torch.empty((2, samples, parts, channels), device=x.device)
    means, scales = torch.empty((2, samples, channels), device=x.device)
    sizes = {"VOXELS": tile_voxels, "CHANNELS": tile_channels, "num_warps": 8}
    _statistics_kernel[(parts, samples, blocks)](
        x, part_means, part_squares, voxels, channels, PART_VOXELS=part_voxels, **sizes
    )
    _merge_kernel[(samples, triton.cdiv(channels, MERGED_CHANNELS))](
        *(part_means, part_squares, norm.weight, means, scales),
        *(voxels, channels, part_voxels, parts, norm.eps),
        PARTS=triton.next_power_of_2(parts),
        CHANNELS=MERGED_CHANNELS,
        num_warps=8,
    )
    _normalise_kernel[(tiles, samples, blocks)](
        *(x, out, means, scales, norm.bias, voxels, channels, norm.slope),
        *(x if residual is None else residual, residual is not None),
        **sizes,
    )
    return out


@torch.inference_mode()
def check_kernels(device: torch.device) -> None:
    """Compile the kernels and compare what they compute with torch's own norm.

    Raises:
        KernelError: they cannot be compiled here, or their numbers are others.
    """
    norm = nn.InstanceNorm3d(16, affine=True).to(device)
    x = torch.linspace(-3, 7, 2 * 16 * 5 * 6 * 7).square().reshape(2, 16, 5, 6, 7)
    x = x.to(device, torch.half)
    residual = x.flip(2) / 32
    try:
        computed = FusedNorm(norm, 0.01, in_place=False)(x, residual).float()
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise KernelError(f"Triton's kernels cannot be compiled here ({error})") from error
    normalised = functional.instance_norm(x.float(), eps=norm.eps)
    expected = functional.leaky_relu(normalised + residual.float(), 0.01)
    if not torch.allclose(computed, expected, atol=0.01):
        off = float((computed - expected).abs().max())
        raise KernelError(f"Triton's kernels are off by up to {off:.3g} on this device")
