"""Does a packed source still answer as stock nnU-Net does? A random tile a fold, and a real case.

Every fold answers its tile four times: stock nnU-Net with the weights as they were trained, our
network with the same weights, our network as packed, and what runs it by default on a CPU. So the
parts of the difference between the first and the last are known (`tile_answers`).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from challenge.scheme import Scheme
from ensemble.manifest import Member, Model, read_manifest, verify_model
from ensemble.network import open_checkpoint
from lab.packing.proof_case import compare_case
from lab.packing.proof_summary import sentence
from lab.packing.random_tile import SEED, draw_tile, tile_shape
from lab.packing.stock_prediction import STOCK, Stock, StockError, Trained, plain_copy
from lab.packing.tile_answers import (
    LIMITS,
    Answer,
    ProofError,
    differences,
    our_answers,
    refuse_beyond,
)
from lab.progress import progress

MIN_CASE_AGREEMENT = 0.999


@dataclass(frozen=True)
class Part:
    """What was packed of one source."""

    model: Model  # with the source's members alone
    values: np.ndarray  # (256,) uint8: dataset.json's label values -> the scheme's
    folds: tuple[str, ...]
    trainer: str


def prove(source: Trained, manifest: Path, home: str, case: Path | None) -> dict[str, Any]:
    """Compare one packed source with stock nnU-Net, print one line, return it for the manifest.

    Args:
        source: the folder that it was packed from.
        manifest: of the packed model, or of as much of it as is packed.
        home: the folder of the packed model that holds the source.
        case: a real case to predict both ways, see `proof_case.find_case`; None: tiles alone.

    Raises:
        ProofError: answers lie further apart than LIMITS; the message names the checkpoint.
        Refusal: the case cannot be found or read.
    """
    part = part_of(manifest, home)
    record: dict[str, Any] = {"folder": home, "trainer": part.trainer, "judge": STOCK}
    configuration = part.model.members[0].plan.configuration
    with plain_copy(replace(source, folds=part.folds), configuration) as plain:
        try:
            stock = Stock(plain, configuration, part.model.mirroring, part.model.step)
            record["network_of"] = stock.trainer
            tiles = prove_tiles(plain, part, stock)
        except StockError as error:
            record["not_proven"], stock = str(error), None
            tiles = prove_tiles(plain, part, None)
        record["tiles"] = {"seed": SEED, "folds": tiles}
        if case and stock:
            record["case"] = prove_case(case, stock, part)
    print(f"{home}: {sentence(record)}", flush=True)
    return record


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
    # Stock sees images as its reader hands them over, whatever orientation the members have.
    members = tuple(replace(m, orientation=m.plan.orientation) for m, _ in pairs)
    source_model = replace(model, members=members, head=first.head)
    folds = tuple(str(entry["fold"]) for _, entry in pairs)
    return Part(source_model, values, folds, str(entry["provenance"]["trainer"]))


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
        tile = draw_tile(member.plan, len(member.sequences), shape, SEED + number)
        trained = plain.checkpoint_of(fold)
        answers = our_answers(tile, member, trained, part.model.scheme)
        if stock is not None:
            logits = stock.logits(number, tile)
            answers["stock"] = Answer(logits, part.values[stock.labels_of(logits).astype(int)])
        apart = dict(differences(answers))
        for name, limit in LIMITS.items():
            if name in apart:
                refuse_beyond(limit, apart[name], member)
        by_fold[fold] = {
            "shape": list(shape),
            "of_patch": "whole" if shape == member.plan.patch else "half",
            "decided": voxels_of(answers["trained"].labels, part.model.scheme),
            "rounded": rounded(member),
            **apart,
        }
    return by_fold


def prove_case(case: Path, stock: Stock, part: Part) -> dict[str, Any]:
    """Compare both ways through a real case, or say why stock has none.

    Raises:
        ProofError: fewer voxels agree than MIN_CASE_AGREEMENT.
    """
    try:
        facts = compare_case(case, stock, part.model, part.values)
    except StockError as error:
        return {"not_proven": str(error)}
    if not facts["agreement"] >= MIN_CASE_AGREEMENT:
        raise ProofError(
            f"{case}: our labels agree with {STOCK}'s on {facts['agreement']:.3%} of the voxels, "
            f"{MIN_CASE_AGREEMENT:.1%} at least were expected"
        )
    return facts


def voxels_of(labels: np.ndarray, scheme: Scheme) -> dict[str, int]:
    """Count the voxels of each label that a label map (z, y, x) holds."""
    counts = np.bincount(labels.ravel(), minlength=256)
    return {name: int(counts[value]) for name, value in scheme.labels.items() if counts[value]}


def rounded(member: Member) -> dict[str, int]:
    """Count the tensors that packing rounded, and those that half precision does not hold."""
    weights = open_checkpoint(member.checkpoint)["network_weights"].values()
    halves = sum(value.dtype == torch.half for value in weights)
    return {"to_half": halves, "not_rounded": len(weights) - halves}
