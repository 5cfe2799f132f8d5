"""Networks whose norms, residual sums and activations run as one operation each (`fused_norm`)."""

import torch
from dynamic_network_architectures.building_blocks.residual import BasicBlockD, BottleneckD
from torch import nn
from torch.nn.modules.conv import _ConvNd

from ensemble.channels_last import is_instance_norm, replace_modules
from ensemble.fused_norm import FusedNorm


class FusedResidual(nn.Module):
    """A residual block whose last norm, sum and activation are one operation."""

    def __init__(self, block: BasicBlockD | BottleneckD, norm: FusedNorm) -> None:
        """Take a block's convolutions, the last one bare of its norm."""
        super().__init__()
        stages = [block.conv1, block.conv2, *([block.conv3] if _is_bottleneck(block) else [])]
        self.convolutions = nn.Sequential(*stages)
        self.skip, self.norm = block.skip, norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output of x (n, channel, z, y, x)."""
        residual = self.skip(x)
        result: torch.Tensor = self.norm(self.convolutions(x), residual)
        return result


def fuse_norms(network: nn.Module) -> nn.Module:
    """Replace each InstanceNorm3d in a chain of modules, and what follows it where it can be fused.

    That is a LeakyReLU, or the sum and the LeakyReLU at the end of a residual block.
    """
    new: dict[nn.Module, nn.Module] = {}
    modules = list(network.modules())
    for block in modules:
        if isinstance(block, BasicBlockD | BottleneckD) and (norm := _take_last_norm(block)):
            new[block] = FusedResidual(block, norm)
    for chain in modules:
        if isinstance(chain, nn.Sequential):
            new |= _fuse_chain(chain)
    replace_modules(network, new)
    return network


def _fuse_chain(chain: nn.Sequential) -> dict[nn.Module, nn.Module]:
    """Return what replaces the norms of a chain, without the activations that they take over."""
    new: dict[nn.Module, nn.Module] = {}
    modules = list(chain)
    for i, module in enumerate(modules):
        if is_instance_norm(module):
            after = modules[i + 1] if i + 1 < len(modules) else None
            slope = after.negative_slope if isinstance(after, nn.LeakyReLU) else 1.0
            owned = any(isinstance(before, _ConvNd) for before in modules[:i])
            new[module] = FusedNorm(module, slope, in_place=owned)  # type: ignore[arg-type]
            if isinstance(after, nn.LeakyReLU):
                chain[i + 1] = nn.Identity()
    return new


def _take_last_norm(block: BasicBlockD | BottleneckD) -> FusedNorm | None:
    """Take the norm from the end of a block, where nothing but sum and LeakyReLU come after it."""
    last = block.conv3 if _is_bottleneck(block) else block.conv2
    activation = block.nonlin3 if _is_bottleneck(block) else block.nonlin2
    chain = last.all_modules
    plain = not (block.apply_stochastic_depth or block.apply_se)
    if not plain or not is_instance_norm(chain[-1]) or not isinstance(activation, nn.LeakyReLU):
        return None
    norm = FusedNorm(chain[-1], activation.negative_slope, in_place=True)
    chain[-1] = nn.Identity()
    return norm


def _is_bottleneck(block: nn.Module) -> bool:
    return isinstance(block, BottleneckD)
