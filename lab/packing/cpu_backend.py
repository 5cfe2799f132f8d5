"""A member that the default backend computes otherwise than torch: torch runs it on a CPU.

OpenVINO's instance norm sums in single precision: where a channel's mean is many times its
deviation, digits are lost that torch keeps (beside double precision it was 40 to 150 times further
off, 2026-11-30). That is no fault of the weights, so it costs speed on a CPU and no refusal.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from ensemble.backends import REFERENCE
from ensemble.members import Member
from lab.packing.random_tile import forward_of
from lab.packing.tile_answers import Limit, default_backend, is_beyond

LIMIT = Limit(1e-2, 0.999, "the default backend gives another answer than torch")
KEY = "cpu_backend"  # of a fold's tile in the proof, and of its entry in the manifest


def cpu_backend(apart: Mapping[str, Any], member: Member, tile: torch.Tensor) -> dict[str, Any]:
    """Return what a proof records of a member that torch has to run; {} where the default may.

    Args:
        apart: how far the default backend's answer to the tile lies from torch's.
        member: as packed.
        tile: (channel, z, y, x), to measure what torch costs.
    """
    if not is_beyond(LIMIT, apart):
        return {}
    default = default_backend()
    torch_s, default_s = (_pass_s(member, tile, name) for name in (REFERENCE, default))
    return {
        KEY: {
            "name": REFERENCE,
            "instead_of": default,
            "allowed_deviations": LIMIT.deviations,
            "least_agreement": LIMIT.least_agreement,
            "times_slower": float(f"{torch_s / default_s:.2g}"),
        }
    }


def with_recorded(members: Sequence[Member], tiles: Mapping[str, Any]) -> tuple[Member, ...]:
    """Return the members of one source, each with the backend that its tile's proof records."""
    pairs = zip(members, tiles.values(), strict=True)
    return tuple(replace(m, cpu_backend=tile.get(KEY, {}).get("name", "")) for m, tile in pairs)


def record_in_members(manifest: Mapping[str, Any], proof: Mapping[str, Any]) -> None:
    """Write the backends that a source's proof records into its members' entries."""
    for entry in manifest["members"]:
        if entry["folder"] == proof["folder"]:
            tile = proof["tiles"]["folds"][str(entry["fold"])]
            entry |= {KEY: tile[KEY]["name"]} if KEY in tile else {}


def _pass_s(member: Member, tile: torch.Tensor, backend: str) -> float:
    """Return the seconds of a second pass; the first one prepares."""
    forward, seconds = forward_of(member, tile, backend), 0.0
    with torch.inference_mode():
        for _ in range(2):
            started = time.perf_counter()
            forward(tile[None])
            seconds = time.perf_counter() - started
    return seconds
