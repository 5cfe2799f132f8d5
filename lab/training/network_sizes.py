"""Sizes of published networks beside U-Nets, as `arch_kwargs` of plans.json."""

from collections.abc import Mapping
from typing import Any

# What nnU-Net 2.8.1's trainers give each Primus (arXiv 2503.01835) beside its size.
PRIMUS_ARGUMENTS: Mapping[str, Any] = {
    "patch_embed_size": [8, 8, 8],
    "drop_path_rate": 0.2,
    "scale_attn_inner": True,
    "init_values": 0.1,
}
# MedNeXt's sizes (arXiv 2303.09975): expansion and blocks of each stage.
_NARROW, _WIDE = [2, 3, 4, 4, 4, 4, 4, 3, 2], [3, 4, 8, 8, 8, 8, 8, 4, 3]
MEDNEXT_SIZES: Mapping[str, Mapping[str, Any]] = {
    "S": {"exp_r": [2] * 9, "block_counts": [2] * 9},
    "B": {"exp_r": _NARROW, "block_counts": [2] * 9},
    "M": {"exp_r": _NARROW, "block_counts": [3, 4, 4, 4, 4, 4, 4, 4, 3]},
    "L": {"exp_r": _WIDE, "block_counts": _WIDE},
}
