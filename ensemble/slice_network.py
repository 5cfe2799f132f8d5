"""A 2-D network over tiles of one slice, so that tiles of all networks have three sides."""

import torch
from torch import nn

from ensemble.plans import Plan


class SliceNetwork(nn.Module):
    """A 2-D network that takes and returns tiles (n, channel, 1, y, x)."""

    def __init__(self, network: nn.Module) -> None:
        """Take a network of slices (n, channel, y, x)."""
        super().__init__()
        self.network = network

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, channel, 1, y, x) of tiles (n, channel, 1, y, x)."""
        logits: torch.Tensor = self.network(tiles.squeeze(2)).unsqueeze(2)
        return logits


def over_tiles(network: nn.Module, plan: Plan) -> nn.Module:
    """Return a plan's network as one of tiles (n, channel, z, y, x)."""
    return SliceNetwork(network) if plan.sees_slices else network
