"""MedNeXt (Roy et al., MICCAI 2023, arXiv 2303.09975): a U-Net of ConvNeXt blocks.

Written from the paper. Weights have the names and sizes of the authors' (MIC-DKFZ/MedNeXt), so that
their checkpoints load. In all of their sizes blocks and resampling are residual and norms are of
each channel; weights tell neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

LEVELS = 4  # at which a tile is halved
STAGES = 2 * LEVELS + 1


class Block(nn.Module):
    """Depthwise convolution, norm, expansion, GELU and compression, added to what came in."""

    def __init__(self, features: int, out: int, expansion: int, kernel: int) -> None:
        """Take `features` channels to `out`, by `expansion` times as many in between."""
        super().__init__()
        self.conv1 = self.spatial(features, kernel)
        self.norm = nn.GroupNorm(features, features)
        self.conv2 = nn.Conv3d(features, expansion * features, 1)
        self.act = nn.GELU()
        self.conv3 = nn.Conv3d(expansion * features, out, 1)

    def spatial(self, features: int, kernel: int) -> nn.Module:
        """Return the depthwise convolution."""
        return nn.Conv3d(features, features, kernel, padding=kernel // 2, groups=features)

    def mix(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the block adds to x (n, channel, z, y, x)."""
        mixed: torch.Tensor = self.conv3(self.act(self.conv2(self.norm(self.conv1(x)))))
        return mixed

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x with what the block adds."""
        return x + self.mix(x)


class Down(Block):
    """A block that halves the sides and doubles the channels."""

    def __init__(self, features: int, expansion: int, kernel: int) -> None:
        """Take `features` channels to twice as many."""
        super().__init__(features, 2 * features, expansion, kernel)
        self.res_conv = nn.Conv3d(features, 2 * features, 1, stride=2)

    def spatial(self, features: int, kernel: int) -> nn.Module:
        """Return the depthwise convolution of every second voxel."""
        padding = kernel // 2
        return nn.Conv3d(features, features, kernel, stride=2, padding=padding, groups=features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x (n, channel, z, y, x) at half the sides."""
        result: torch.Tensor = self.mix(x) + self.res_conv(x)
        return result


class Up(Block):
    """A block that doubles the sides and halves the channels."""

    def __init__(self, features: int, expansion: int, kernel: int) -> None:
        """Take `features` channels to half as many."""
        super().__init__(features, features // 2, expansion, kernel)
        self.res_conv = nn.ConvTranspose3d(features, features // 2, 1, stride=2)

    def spatial(self, features: int, kernel: int) -> nn.Module:
        """Return the transposed depthwise convolution to one voxel less than twice the sides."""
        return nn.ConvTranspose3d(
            features, features, kernel, stride=2, padding=kernel // 2, groups=features
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x (n, channel, z, y, x) at twice the sides, its first planes zero."""
        return functional.pad(self.mix(x) + self.res_conv(x), (1, 0, 1, 0, 1, 0))


class Head(nn.Module):
    """Logits of one stage."""

    def __init__(self, features: int, classes: int) -> None:
        """Take `features` channels to one a class."""
        super().__init__()
        self.conv_out = nn.ConvTranspose3d(features, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (n, class, z, y, x)."""
        logits: torch.Tensor = self.conv_out(x)
        return logits


@dataclass(frozen=True)
class Sizes:
    """What tells one MedNeXt from another."""

    n_channels: int = 32  # at full resolution
    # Of each stage on the way down, at the bottom and on the way up:
    exp_r: Sequence[int] = (2,) * STAGES  # expansion
    block_counts: Sequence[int] = (2,) * STAGES
    kernel_size: int = 3  # of depthwise convolutions; odd
    supervised: bool = True  # whether weights have the heads of deep supervision

    def __post_init__(self) -> None:
        """Refuse sizes of no MedNeXt.

        Raises:
            ValueError: an even kernel, or not a number for each stage.
        """
        is_odd, counts = self.kernel_size % 2 == 1, (len(self.exp_r), len(self.block_counts))
        if not is_odd or counts != (STAGES, STAGES):
            raise ValueError(f"an odd kernel, and a number for each of {STAGES} stages, are needed")


class MedNeXt(nn.Module):
    """Four levels down and up, skips added."""

    def __init__(
        self,
        *,
        input_channels: int,
        num_classes: int,
        deep_supervision: bool = False,
        **arguments: Any,
    ) -> None:
        """Build a network; `arguments` are the fields of `Sizes`.

        `deep_supervision`: the network answers with the logits of all heads, as training needs.

        Raises:
            TypeError, ValueError: sizes of no MedNeXt, or deep supervision without its heads.
        """
        super().__init__()
        sizes = Sizes(**arguments)
        if deep_supervision and not sizes.supervised:
            raise ValueError("deep supervision needs its heads (supervised)")
        self.deep_supervision = deep_supervision
        features = [sizes.n_channels * 2**level for level in range(LEVELS + 1)]
        kernel = sizes.kernel_size
        self.stem = nn.Conv3d(input_channels, features[0], 1)
        for level in range(LEVELS):
            down = Down(features[level], sizes.exp_r[level + 1], kernel)
            self.add_module(f"enc_block_{level}", _blocks(sizes, level, features[level]))
            self.add_module(f"down_{level}", down)
        self.bottleneck = _blocks(sizes, LEVELS, features[LEVELS])
        for level in reversed(range(LEVELS)):
            stage = 2 * LEVELS - level
            up = Up(features[level + 1], sizes.exp_r[stage], kernel)
            self.add_module(f"up_{level}", up)
            self.add_module(f"dec_block_{level}", _blocks(sizes, stage, features[level]))
        for level in range(LEVELS + 1 if sizes.supervised else 1):
            self.add_module(f"out_{level}", Head(features[level], num_classes))
        self.dummy_tensor = nn.Parameter(torch.ones(1))  # which the authors' training needs

    def forward(self, x: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        """Return logits (n, class, z, y, x) of tiles (n, channel, z, y, x).

        Under deep supervision it is a list: those, then logits at half the sides, and so on down to
        a sixteenth.
        """
        x, skips = self.stem(x), []
        coarse: list[torch.Tensor] = []
        for level in range(LEVELS):
            skips.append(self.get_submodule(f"enc_block_{level}")(x))
            x = self.get_submodule(f"down_{level}")(skips[-1])
        x = self.bottleneck(x)
        for level in reversed(range(LEVELS)):
            if self.deep_supervision:
                coarse.append(self.get_submodule(f"out_{level + 1}")(x))
            x = skips[level] + self.get_submodule(f"up_{level}")(x)
            x = self.get_submodule(f"dec_block_{level}")(x)
        logits: torch.Tensor = self.get_submodule("out_0")(x)
        return [logits, *reversed(coarse)] if self.deep_supervision else logits


def _blocks(sizes: Sizes, stage: int, features: int) -> nn.Sequential:
    expansion, count = sizes.exp_r[stage], sizes.block_counts[stage]
    each = (Block(features, features, expansion, sizes.kernel_size) for _ in range(count))
    return nn.Sequential(*each)
