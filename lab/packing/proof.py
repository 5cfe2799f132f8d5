"""Does a packed source still answer as stock nnU-Net does? A random tile a fold, and a whole case.

Every fold answers its tile four times: stock nnU-Net with the weights as they were trained, our
network with the same weights, our network as packed, and what runs it by default on a CPU. So the
parts of the difference between the first and the last are known (`tile_answers`). A whole case,
one that the user names or a synthetic one, goes through stock's program and ours (`proof_case`).
"""

import contextlib
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from challenge.scheme import Scheme
from ensemble.manifest import Model, read_manifest, verify_model
from ensemble.member_network import mirror_axes_of
from ensemble.members import Member
from lab.packing.cpu_backend import cpu_backend, with_recorded
from lab.packing.named_case import find_case
from lab.packing.proof_case import Sides, compare_case, sides_of
from lab.packing.proof_summary import sentence
from lab.packing.random_tile import SEED, draw_input, tile_shape
from lab.packing.stock_prediction import STOCK, Stock, StockError, Trained, plain_copy
from lab.packing.synthetic_case import as_volume, grid_for, write_input
from lab.packing.tile_answers import LIMITS, Answer, differences, our_answers, refuse_beyond
from lab.packing.trainer_names import MEDNEXT
from lab.progress import progress

AS_PLANNED = "nnUNetTrainer"  # builds the network of plans.json
SYNTHETIC_TILES = 2  # at most, see synthetic_case
# Five folds of ResEnc-L at 192 cubed, mirrored, take half an hour on two cores; --prove is longer.
SYNTHETIC_LIMIT_S = 300.0


@dataclass(frozen=True)
class ProofRequest:
    """What a packed source is compared on."""

    case: Path | None = None  # see `named_case.find_case`; None: a synthetic case
    limit_s: float | None = None  # for the synthetic case; None: SYNTHETIC_LIMIT_S


@dataclass(frozen=True)
class Part:
    """What was packed of one source."""

    model: Model  # with the source's members alone
    values: np.ndarray  # (256,) uint8: dataset.json's label values -> the scheme's
    folds: tuple[str, ...]
    previous: Model | None  # with the members whose labels these see; None: no cascade
    trainer: str
    is_foreign: bool  # a trainer that nnU-Net does not ship


def prove(source: Trained, manifest: Path, home: str, request: ProofRequest) -> dict[str, Any]:
    """Compare one packed source with stock nnU-Net, print one line, return it for the manifest.

    Args:
        source: the folder that it was packed from.
        manifest: of the packed model, or of as much of it as is packed.
        home: the folder of the packed model that holds the source.
        request: what to compare on.

    Raises:
        ProofError: answers lie further apart than LIMITS; the message names the checkpoint.
        Refusal: the case cannot be found or read.
    """
    part = part_of(manifest, home)
    record: dict[str, Any] = {"folder": home, "trainer": part.trainer, "judge": STOCK}
    configuration = part.model.members[0].plan.configuration
    with plain_copy(replace(source, folds=part.folds), configuration) as plain:
        stock: Stock | None
        try:
            stock = Stock(plain, configuration)
            record["network_of"] = stock.trainer
            tiles = prove_tiles(plain, part, stock)
        except StockError as error:
            record["not_proven"] = str(error)
            stock, tiles = _without_trainer(plain, part, configuration)
            record |= {} if stock is None else {"taken_for": AS_PLANNED}
        record["tiles"] = {"seed": SEED, "folds": tiles}
        members = with_recorded(part.model.members, tiles)
        packed = replace(part.model, members=members)
        sides = replace(sides_of(stock, plain, packed, part.values), previous=part.previous)
        if stock or sides.changes:
            record["case"] = prove_case(sides, request, tiles)
    print(f"{home}: {sentence(record)}", flush=True)
    return record


def _without_trainer(
    plain: Trained, part: Part, configuration: str
) -> tuple[Stock | None, dict[str, Any]]:
    """Compare the tiles with the network that a foreign trainer was taken for, or among each other.

    A trainer that nnU-Net does not ship was taken for one that builds the network of plans.json. Of
    its network nothing is proven, but reader, preprocessing, tiles and labels are stock's to judge.
    """
    if part.is_foreign and part.trainer not in MEDNEXT:
        with contextlib.suppress(StockError):
            stock = Stock(plain, configuration, AS_PLANNED)
            return stock, prove_tiles(plain, part, stock)
    return None, prove_tiles(plain, part, None)


def part_of(manifest: Path, home: str) -> Part:
    """Describe what a packed model holds of one source."""
    model, entries = verify_model(manifest), read_manifest(manifest)["members"]
    pairs = [
        (member, entry)
        for member, entry in zip(model.members, entries, strict=True)
        if entry["folder"] == home
    ]
    first, entry = pairs[0]
    values = np.zeros(256, np.uint8)
    for value, name in entry["labels"].items():
        values[int(value)] = model.scheme.labels[name]
    source_model = _as_stock_has(model, [member for member, _ in pairs])
    stage = [m for m in model.members if first.previous_stage and m.group == first.previous_stage]
    previous = _as_stock_has(model, stage) if stage else None
    folds = tuple(str(entry["fold"]) for _, entry in pairs)
    provenance = entry["provenance"]
    is_foreign = bool(provenance.get("foreign_trainer"))
    return Part(source_model, values, folds, previous, str(provenance["trainer"]), is_foreign)


def _as_stock_has(model: Model, members: Sequence[Member]) -> Model:
    """Return a model with some members as stock has them.

    Stock sees images as its reader hands them over, whatever orientation the members have, and
    knows neither donors nor weights of 0 or by channel.
    """
    members = tuple(
        replace(
            m, orientation=m.plan.orientation, donor="", weight=m.weight or 1, channel_weights=()
        )
        for m in members
    )
    return replace(model, members=members, head=members[0].head)


def prove_tiles(plain: Trained, part: Part, stock: Stock | None) -> dict[str, Any]:
    """Compare the answers of each fold's tile; without stock, ours among each other.

    Raises:
        ProofError: they lie further apart than LIMITS.
        StockError: stock cannot run the network.
    """
    by_fold = {}
    folds = list(zip(part.folds, part.model.members, strict=True))
    for number, (fold, member) in enumerate(progress(folds, unit="fold", description="proof")):
        shape = tile_shape(member.plan)
        tile = draw_input(member, shape, SEED + number)
        trained = plain.checkpoint_of(fold)
        started = time.perf_counter()
        answers = our_answers(tile, member, trained, part.model.scheme)
        pass_s = (time.perf_counter() - started) / len(answers)
        if stock is not None:
            logits = stock.logits(number, tile)
            answers["stock"] = Answer(logits, part.values[stock.labels_of(logits).astype(int)])
        apart = dict(differences(answers))
        for name, limit in LIMITS.items():
            if name in apart:
                refuse_beyond(limit, apart[name], member)
        if recorded := cpu_backend(apart["backend"], member, tile):
            by_torch = dict(differences(answers | {"default": answers["packed"]}))
            apart |= by_torch | {"backend": apart["backend"]} | recorded
        by_fold[fold] = {
            "shape": list(shape),
            "of_patch": "whole" if shape == member.plan.patch else "half",
            "decided": voxels_of(answers["trained"].labels, part.model.scheme),
            "seconds": round(pass_s, 2),
            **apart,
        }
    return by_fold


def prove_case(
    sides: Sides, request: ProofRequest, tiles: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Compare all ways through a whole case, or say why that was not done.

    Args:
        sides: the ways.
        request: which case.
        tiles: of each fold, what `prove_tiles` returns.

    Raises:
        ProofError: nothing was changed, and labels differ all the same.
        Refusal: the case cannot be found or read.
    """
    sequences = sides.packed.members[0].sequences
    if request.case is not None:
        return compare_case(find_case(request.case, sequences), sides)
    seconds = _seconds_of_synthetic_case(sides.packed, tiles)
    limit_s = SYNTHETIC_LIMIT_S if request.limit_s is None else request.limit_s
    if seconds > limit_s and not sides.changes:
        minutes = f"it would take about {math.ceil(seconds / 60)} min on this processor"
        return {"id": "synthetic case", "not_proven": f"{minutes}; --prove CASE compares a case"}
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_input(Path(scratch), sides.packed.scheme, grid_for(sides.packed.members))
        facts = compare_case(find_case(folder, sequences), sides)
    return facts | {"id": "synthetic case"}


def _seconds_of_synthetic_case(model: Model, tiles: Mapping[str, Mapping[str, Any]]) -> float:
    """Estimate how long stock and our program take on the CPU, from the passes of the tiles."""
    seconds = 0.0
    for member, tile in zip(model.members, tiles.values(), strict=True):
        patch, _ = as_volume(member.plan)
        share = math.prod(patch) / math.prod(tile["shape"])
        passes = SYNTHETIC_TILES * 2 ** len(mirror_axes_of(member))
        seconds += 2 * passes * share * tile["seconds"]
    return 0.0 if torch.cuda.is_available() else seconds


def voxels_of(labels: np.ndarray, scheme: Scheme) -> dict[str, int]:
    """Count the voxels of each label that a label map (z, y, x) holds."""
    counts = np.bincount(labels.ravel(), minlength=256)
    return {name: int(counts[value]) for name, value in scheme.labels.items() if counts[value]}
