"""A whole case through MONAI's sliding window and through ours, by the same network.

Both see the case as Podium preprocesses it, unmirrored. They differ in where tiles lie (MONAI steps
evenly and moves the last one back, nnU-Net and Podium spread all of them), in the Gaussian (that of
nnU-Net lies half a voxel aside and ends at four sigma), and in the sums, which are in half
precision in nnU-Net and Podium. So our tiles are also blended as MONAI does it: what differs then
is of where tiles lie, or of the network.
"""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from challenge.case import CaseFiles, read_case
from challenge.scheme import Scheme
from ensemble.backends import REFERENCE
from ensemble.engine import Engine
from ensemble.manifest import Model
from ensemble.members import Member
from ensemble.prepared_case import PreparedCase, prepare
from ensemble.sliding_window import LogitAccumulator, count_tiles, tiles
from lab.packing.named_case import find_case
from lab.packing.proof import SYNTHETIC_LIMIT_S, ProofRequest
from lab.packing.proof_case import MIN_AGREEMENT, difference
from lab.packing.synthetic_case import grid_for, write_input
from lab.packing.tile_answers import ProofError, decisions

GAUSSIAN = "gaussian"
SIGMA = 0.125  # of the patch, MONAI's default and nnU-Net's
SIDES = 2  # that run every tile: MONAI and ours
CPU = torch.device("cpu")


def prove_monai_case(
    network: nn.Module, member: Member, model: Model, request: ProofRequest, seconds_a_tile: float
) -> dict[str, Any]:
    """Compare the labels of a case, or say why that was not done.

    Args:
        network: of MONAI.
        member: its exported program, as packed.
        model: that it is packed in.
        request: which case; a synthetic one if it names none and time allows.
        seconds_a_tile: as measured.

    Raises:
        ProofError: tiles that lie where MONAI has them, blended as MONAI does it, give others.
        Refusal: the case cannot be found or read.
    """
    if request.case is not None:
        return _compare(find_case(request.case, member.sequences), network, member, model)
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_input(Path(scratch), model.scheme, grid_for([member]))
        files = find_case(folder, member.sequences)
        prepared = _prepared(files, member)
        seconds = (
            SIDES * seconds_a_tile * count_tiles(prepared.shape, member.plan.patch, model.step)
        )
        limit_s = SYNTHETIC_LIMIT_S if request.limit_s is None else request.limit_s
        if seconds > limit_s:
            minutes = f"it would take about {math.ceil(seconds / 60)} min on this processor"
            return {
                "id": "synthetic case",
                "not_proven": f"{minutes}; --prove CASE compares a case",
            }
        return _compare(files, network, member, model) | {"id": "synthetic case"}


def monai_starts(size: int, side: int, overlap: float) -> list[int]:
    """Return where MONAI's windows start along one axis of a volume that is padded to a patch."""
    interval = side if side == size else max(1, int(side * (1 - overlap)))
    count = math.ceil((size - side) / interval) + 1
    return [min(number * interval, size - side) for number in range(count)]


def our_starts(size: int, side: int, step: float) -> list[int]:
    """Return where our tiles start along one axis of a volume that is padded to a patch."""
    return [slices[0].start for slices in tiles((size, 1, 1), (side, 1, 1), step)]


def _compare(files: CaseFiles, network: nn.Module, member: Member, model: Model) -> dict[str, Any]:
    prepared = _prepared(files, member)
    patch, overlap = member.plan.patch, 1 - model.step
    monai, windows = _monai_logits(network, prepared, patch, overlap)
    ours, blended_alike = _our_logits(prepared, member, model.step)
    labels, alike, of_monai = (
        decisions(logits, member.head, model.scheme) for logits in (ours, blended_alike, monai)
    )
    same_windows = _has_same_windows(prepared.shape, patch, model.step)
    blended = difference(alike, of_monai)
    if same_windows and not blended["agreement"] >= MIN_AGREEMENT:
        raise ProofError(
            f"{member.name}: of {files.id}, {blended['differing']:,} of {labels.size:,} labels are "
            "not those of MONAI's sliding_window_inference, though tiles and Gaussian are"
        )
    return {
        "id": files.id,
        "voxels": labels.size,
        **difference(labels, of_monai),
        "differing_blended_alike": blended["differing"],
        "overlap": overlap,
        "windows": count_tiles(prepared.shape, patch, model.step),
        "windows_of_monai": windows,
        "same_windows": same_windows,
        "voxels_of_labels": _voxels(of_monai, model.scheme),
        "logits": float(f"{np.abs(ours - monai).max():.3g}"),
    }


def _prepared(files: CaseFiles, member: Member) -> PreparedCase:
    case = read_case(files)
    preparation = prepare(case, [member])
    turn = preparation.orientations[member.orientation].turn
    return PreparedCase(preparation.first_images, turn, member, member.head)


@torch.inference_mode()
def _monai_logits(
    network: nn.Module, prepared: PreparedCase, patch: Sequence[int], overlap: float
) -> tuple[np.ndarray, int]:
    """Return MONAI's logits (channel, ...) float32 on the network's grid, and its windows' number.

    Where a case is smaller than a patch, it is padded as ours.
    """
    from monai.inferers import sliding_window_inference

    counts = []

    def counted(windows: torch.Tensor) -> torch.Tensor:
        counts.append(len(windows))
        logits: torch.Tensor = network(windows)
        return logits

    logits = sliding_window_inference(
        prepared.volume[None],
        roi_size=tuple(patch),
        sw_batch_size=1,
        predictor=counted,
        overlap=overlap,
        mode=GAUSSIAN,
        sigma_scale=SIGMA,
    )
    return np.asarray(logits[0].numpy()[(slice(None), *prepared.inner)]), sum(counts)


@torch.inference_mode()
def _our_logits(
    prepared: PreparedCase, member: Member, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return our logits (channel, ...) float32, and those of our tiles blended as MONAI does it."""
    from monai.data.utils import compute_importance_map

    patch, channels = member.plan.patch, len(member.head.channels)
    forward = Engine(CPU, REFERENCE).load(member).forward
    sums = LogitAccumulator(channels, prepared.shape, CPU)
    gaussian = compute_importance_map(tuple(patch), GAUSSIAN, SIGMA)
    total = torch.zeros((channels, *prepared.shape))
    weights = torch.zeros(prepared.shape)
    for position in tiles(prepared.shape, patch, step):
        logits = forward(prepared.volume[(slice(None), *position)][None])[0].float()
        sums.add(logits, position)
        total[(slice(None), *position)] += logits * gaussian
        weights[position] += gaussian
    inner = (slice(None), *prepared.inner)
    return sums.member_logits(prepared.inner), np.asarray((total / weights)[inner].numpy())


def _has_same_windows(shape: Sequence[int], patch: Sequence[int], step: float) -> bool:
    return all(
        monai_starts(size, side, 1 - step) == our_starts(size, side, step)
        for size, side in zip(shape, patch, strict=True)
    )


def _voxels(labels: np.ndarray, scheme: Scheme) -> dict[str, int]:
    return {name: int((labels == value).sum()) for name, value in scheme.labels.items()}
