"""Networks whose tensors stay channels last from the first convolution to the logits.

Tensor cores read channels last. torch's InstanceNorm3d and AvgPool3d return another layout, and the
next convolution copies its input back: in PlainConvUNet with six stages 22 times a pass, in
ResEnc-L 62 times. With the modules here nothing is copied but the tile itself.
"""

import math
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

LAYOUT = torch.channels_last_3d
LAYOUTS = {4: torch.channels_last, 5: LAYOUT}  # by the axes of a tensor, of slices or volumes

InstanceNorm = nn.InstanceNorm2d | nn.InstanceNorm3d


class ChannelsLastInstanceNorm(nn.Module):
    """InstanceNorm3d or InstanceNorm2d that takes and returns channels last.

    A sample in this layout is a matrix of voxels by channels, and its instance norm is the batch
    norm of that matrix in training mode. For a contiguous matrix torch runs its channels-last
    kernels (Welford's statistics and the result in float32, rounded to the input's type); for a
    five-dimensional tensor it would take general ones, since `batch_norm_choose_impl` in
    ATen/native/cuda/Normalization.cu asks for ChannelsLast only, not for ChannelsLast3d.
    `batch_norm` would hand a five-dimensional tensor to cuDNN first, in its mode SPATIAL_PERSISTENT
    (`getCudnnBatchNormMode` in ATen/native/cudnn/BatchNorm.cpp); which is faster is not measured.
    """

    def __init__(self, norm: InstanceNorm) -> None:
        """Take the parameters of a norm without running statistics."""
        super().__init__()
        self.weight, self.bias = affine_parameters(norm)
        self.eps = norm.eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise each sample and channel of x (n, channel, z, y, x), or without z."""
        x = channels_last(x)
        normalised = torch.empty_like(x)
        precision = torch.promote_types(x.dtype, torch.float32)
        mean, inverse_std = torch.empty((2, x.shape[1]), dtype=precision, device=x.device)
        for sample, result in zip(rows(x), rows(normalised), strict=True):
            torch.native_batch_norm(
                *(sample, self.weight, self.bias, None, None, True, 0.0, self.eps),
                out=(result, mean, inverse_std),
            )
        return normalised


class ChannelsLastAveragePool(nn.Module):
    """AvgPool3d or AvgPool2d over blocks side by side that takes and returns channels last."""

    def __init__(self, sides: tuple[int, ...]) -> None:
        """Average blocks of `sides` (z, y, x) or (y, x) voxels."""
        super().__init__()
        self.sides = sides

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean of each block of x (n, channel, z, y, x); what fills none is left out."""
        x = channels_last(x).movedim(1, -1)
        axes = range(1, 1 + len(self.sides))
        for axis in reversed(axes):  # from behind: an axis that is split moves those after it
            side = self.sides[axis - 1]
            blocks = x.shape[axis] // side
            x = x.narrow(axis, 0, blocks * side).unflatten(axis, (blocks, side))
        return x.mean([2 * axis for axis in axes]).movedim(-1, 1)


def keep_channels_last(network: nn.Module) -> nn.Module:
    """Lay a network's weights out channels last and replace what would return another layout."""
    new: dict[nn.Module, nn.Module] = {}
    for module in network.modules():
        if is_instance_norm(module):
            new[module] = ChannelsLastInstanceNorm(module)  # type: ignore[arg-type]
        elif isinstance(module, nn.AvgPool2d | nn.AvgPool3d) and (sides := _blocks(module)):
            new[module] = ChannelsLastAveragePool(sides)
    replace_modules(network, new)
    for module in network.modules():
        for value in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            if value.dim() == 5 or (value.dim() == 4 and isinstance(module, _ConvNd)):
                value.data = value.data.contiguous(memory_format=LAYOUTS[value.dim()])
    return network


def is_instance_norm(module: nn.Module) -> bool:
    """Return whether a module normalises each sample by its own statistics."""
    return isinstance(module, InstanceNorm) and not module.track_running_stats


def affine_parameters(norm: InstanceNorm) -> tuple[nn.Parameter, nn.Parameter]:
    """Return a norm's weight and bias; ones and zeros, where it has none."""
    if norm.affine:
        return norm.weight, norm.bias
    ones = torch.ones(norm.num_features)
    return nn.Parameter(ones, requires_grad=False), nn.Parameter(0 * ones, requires_grad=False)


def replace_modules(network: nn.Module, new: Mapping[nn.Module, nn.Module]) -> None:
    """Put modules in the place of others, under every name that these have in a network."""
    for parent in list(network.modules()):
        for name, child in parent._modules.items():
            if child is not None and child in new:
                parent._modules[name] = new[child]


def channels_last(x: torch.Tensor) -> torch.Tensor:
    """Return x (n, channel, z, y, x), or without z, channels last, copied only where it is not.

    With one channel both layouts are one, and torch goes by the strides: so these are set.
    """
    layout = LAYOUTS[x.dim()]
    if x.stride(1) == 1 and x.is_contiguous(memory_format=layout):
        return x
    x = x.contiguous(memory_format=layout)
    channels, *sides = x.shape[1:]
    sample, *strides = (channels * math.prod(sides[axis:]) for axis in range(len(sides) + 1))
    return x.as_strided(x.shape, (sample, 1, *strides))


def rows(x: torch.Tensor) -> torch.Tensor:
    """Return a view (n, voxel, channel) of a channels-last x."""
    n, channels = x.shape[:2]
    return x.movedim(1, -1).view(n, -1, channels)


def _blocks(pool: nn.AvgPool2d | nn.AvgPool3d) -> tuple[int, ...] | None:
    """Return the sides of a pooling's blocks, if these lie side by side."""
    axes = 3 if isinstance(pool, nn.AvgPool3d) else 2
    size, stride, padding = (
        (value,) * axes if isinstance(value, int) else tuple(value)
        for value in (pool.kernel_size, pool.stride, pool.padding)
    )
    plain = size == stride and not any(padding) and not pool.ceil_mode
    return size if plain and pool.divisor_override is None else None
