"""Networks whose tensors stay channels last from the first convolution to the logits.

Tensor cores read channels last. torch's InstanceNorm3d and AvgPool3d return another layout, and the
next convolution copies its input back: in PlainConvUNet with six stages 22 times a pass, in
ResEnc-L 62 times. With the modules here nothing is copied but the tile itself.
"""

from collections.abc import Mapping

import torch
from torch import nn

LAYOUT = torch.channels_last_3d


class ChannelsLastInstanceNorm(nn.Module):
    """InstanceNorm3d that takes and returns channels last.

    A sample in this layout is a matrix of voxels by channels, and its instance norm is the batch
    norm of that matrix in training mode. For a contiguous matrix torch runs its channels-last
    kernels (Welford's statistics and the result in float32, rounded to the input's type); for a
    five-dimensional tensor it would take general ones, since `batch_norm_choose_impl` in
    ATen/native/cuda/Normalization.cu asks for ChannelsLast only, not for ChannelsLast3d.
    `batch_norm` would hand a five-dimensional tensor to cuDNN first, in its mode SPATIAL_PERSISTENT
    (`getCudnnBatchNormMode` in ATen/native/cudnn/BatchNorm.cpp); which is faster is not measured.
    """

    def __init__(self, norm: nn.InstanceNorm3d) -> None:
        """Take the parameters of a norm without running statistics."""
        super().__init__()
        self.weight, self.bias = affine_parameters(norm)
        self.eps = norm.eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise each sample and channel of x (n, channel, z, y, x)."""
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
    """AvgPool3d over blocks side by side that takes and returns channels last."""

    def __init__(self, sides: tuple[int, ...]) -> None:
        """Average blocks of `sides` (z, y, x) voxels."""
        super().__init__()
        self.sides = sides

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean of each block of x (n, channel, z, y, x); what fills none is left out."""
        x = channels_last(x).permute(0, 2, 3, 4, 1)
        for axis in (3, 2, 1):  # from behind: an axis that is split moves those after it
            side = self.sides[axis - 1]
            blocks = x.shape[axis] // side
            x = x.narrow(axis, 0, blocks * side).unflatten(axis, (blocks, side))
        return x.mean((2, 4, 6)).permute(0, 4, 1, 2, 3)


def keep_channels_last(network: nn.Module) -> nn.Module:
    """Lay a network's weights out channels last and replace what would return another layout."""
    new: dict[nn.Module, nn.Module] = {}
    for module in network.modules():
        if is_instance_norm(module):
            new[module] = ChannelsLastInstanceNorm(module)  # type: ignore[arg-type]
        elif isinstance(module, nn.AvgPool3d) and (sides := _blocks(module)):
            new[module] = ChannelsLastAveragePool(sides)
    replace_modules(network, new)
    return network.to(memory_format=LAYOUT)  # type: ignore[call-overload]


def is_instance_norm(module: nn.Module) -> bool:
    """Return whether a module normalises each sample by its own statistics."""
    return isinstance(module, nn.InstanceNorm3d) and not module.track_running_stats


def affine_parameters(norm: nn.InstanceNorm3d) -> tuple[nn.Parameter, nn.Parameter]:
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
    """Return x (n, channel, z, y, x) channels last, copied only where it is not.

    With one channel both layouts are one, and torch goes by the strides: so these are set.
    """
    if x.stride(1) == 1 and x.is_contiguous(memory_format=LAYOUT):
        return x
    x = x.contiguous(memory_format=LAYOUT)
    _, channels, depth, height, width = x.shape
    row, plane = width * channels, height * width * channels
    return x.as_strided(x.shape, (depth * plane, 1, plane, row, channels))


def rows(x: torch.Tensor) -> torch.Tensor:
    """Return a view (n, voxel, channel) of a channels-last x."""
    n, channels = x.shape[:2]
    return x.permute(0, 2, 3, 4, 1).view(n, -1, channels)


def _blocks(pool: nn.AvgPool3d) -> tuple[int, ...] | None:
    """Return the sides of a pooling's blocks, if these lie side by side."""
    size, stride, padding = (
        (value,) * 3 if isinstance(value, int) else tuple(value)
        for value in (pool.kernel_size, pool.stride, pool.padding)
    )
    plain = size == stride and not any(padding) and not pool.ceil_mode
    return size if plain and pool.divisor_override is None else None
