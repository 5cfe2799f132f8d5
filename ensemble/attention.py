"""A U-Net whose decoder weighs each skip before it takes it (Oktay et al. 2018, attention gates).

nnU-Net finds the class by the name in plans.json, this program by the table in `network.py`.
"""

from typing import Any

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from dynamic_network_architectures.building_blocks.unet_decoder import UNetDecoder
from torch import nn


class Gate(nn.Module):
    """An attention gate: one weight in [0, 1] a voxel, from the skip and the stage below."""

    def __init__(self, conv: type[nn.Module], features: int) -> None:
        """Gate a skip connection of `features` channels by a convolution class `conv`."""
        super().__init__()
        inner = max(1, features // 2)
        self.of_skip = conv(features, inner, 1, bias=False)
        self.of_below = conv(features, inner, 1)
        self.nonlin = nn.ReLU()
        self.weight = conv(inner, 1, 1)
        self.squash = nn.Sigmoid()

    def forward(self, skip: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
        """Return the weighted skip; both (n, feature, z, y, x)."""
        activation = self.nonlin(self.of_skip(skip) + self.of_below(below))
        return skip * self.squash(self.weight(activation))


class GatedDecoder(UNetDecoder):
    """nnU-Net's decoder with a gate on every skip."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what the base takes."""
        super().__init__(*args, **kwargs)
        skips = self.encoder.output_channels[-2::-1]
        self.gates = nn.ModuleList(Gate(self.encoder.conv_op, features) for features in skips)

    def forward(self, skips: list[torch.Tensor]) -> torch.Tensor | list[torch.Tensor]:
        """Return logits, of every stage (finest first) where deep supervision is on."""
        x, outputs = skips[-1], []
        last = len(self.stages) - 1
        for s, (up, gate, stage) in enumerate(
            zip(self.transpconvs, self.gates, self.stages, strict=True)
        ):
            below = up(x)
            x = stage(torch.cat((below, gate(skips[-(s + 2)], below)), 1))
            if self.deep_supervision or s == last:
                outputs.append(self.seg_layers[s](x))
        return outputs[::-1] if self.deep_supervision else outputs[0]


class AttentionUNet(PlainConvUNet):
    """nnU-Net's plain U-Net with a gated decoder."""

    def __init__(
        self,
        *,
        num_classes: int,
        n_conv_per_stage_decoder: int | list[int],
        deep_supervision: bool = False,
        nonlin_first: bool = False,
        **arguments: Any,
    ) -> None:
        """Take what the base takes, by name."""
        decoder = {
            "num_classes": num_classes,
            "deep_supervision": deep_supervision,
            "nonlin_first": nonlin_first,
        }
        super().__init__(n_conv_per_stage_decoder=n_conv_per_stage_decoder, **decoder, **arguments)
        self.decoder = GatedDecoder(
            self.encoder, n_conv_per_stage=n_conv_per_stage_decoder, **decoder
        )
