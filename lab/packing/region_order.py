"""Regions in an order that can be painted: none after one inside of it, which it would overwrite.

MONAI's transform for BraTS gives TC, WT, ET. A network's outputs cannot be asked for in another
order, so it is exported with a step that reorders them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn


class InOrder(nn.Module):
    """A network whose outputs come in another order."""

    def __init__(self, network: nn.Module, order: Sequence[int]) -> None:
        """Return the outputs of `network` in an order."""
        super().__init__()
        self.network, self.order = network, list(order)

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        """Return logits (n, channel, z, y, x)."""
        logits: torch.Tensor = self.network(tiles)
        return torch.stack([logits[:, channel] for channel in self.order], 1)


def large_regions_first(
    content: dict[str, Any], path: Path
) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Return a member.json with large regions first, and the order that its outputs need for that.

    The order is () where nothing changes, or where the head is none of regions. `path` is what the
    user knows the member by.
    """
    head = content.get("head")
    if not isinstance(head, dict):
        return content, ()
    regions, paints = head.get("channels"), head.get("paints")
    if not isinstance(regions, list) or not isinstance(paints, list) or len(regions) != len(paints):
        return content, ()
    if not all(isinstance(region, list) for region in regions):
        return content, ()
    order = sorted(range(len(regions)), key=lambda channel: -len(regions[channel]))
    if order == sorted(order):
        return content, ()
    painted = ", ".join(str(paints[channel]) for channel in order)
    print(f"{path}: outputs are reordered, large regions first; painted in turn: {painted}")
    in_order = {"channels": [regions[i] for i in order], "paints": [paints[i] for i in order]}
    return {**content, "head": {**head, **in_order}}, tuple(order)
