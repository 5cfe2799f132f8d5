"""Does a packed source still say what stock nnU-Net says? A random tile a fold, and a real case.

Every fold answers its tile four times: stock nnU-Net with the weights as they were trained, our
network with the same weights, our network as packed, and what runs it by default on a CPU. So what
lies between the first and the last comes apart:

    as_trained   stock and ours, nothing rounded: is it the same network?
    rounding     ours as trained and ours as packed, in half precision
    backend      ours as packed, by torch and by default
    as_packed    the first and the last, all of it
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import expit

from challenge.refusal import Refusal
from challenge.scheme import Head, Scheme, labels_from
from ensemble.backends import REFERENCE, usable
from ensemble.manifest import Member, Model, read_manifest, verify_model
from ensemble.network import open_checkpoint
from lab.packing.proof_case import compare_case
from lab.packing.proof_summary import sentence
from lab.packing.random_tile import SEED, draw_tile, logits_of, tile_shape
from lab.packing.stock_prediction import STOCK, Stock, StockError, Trained, plain_copy


class ProofError(Refusal):
    """What was packed does not say what stock nnU-Net says."""


@dataclass(frozen=True)
class Limit:
    """How far apart two answers may lie, and what it means if they lie further."""

    deviations: float  # of logits, in standard deviations of the first answer
    least_agreement: float  # share of voxels that are decided alike
    beyond: str


# Measured on the networks that ship (2026-11-28): stock and ours differ by up to 1.0e-5 deviations,
# torch and OpenVINO by 3e-4, weights before and after rounding by 1e-2 (9e-5 of the voxels). The
# least that a wrong network differs by is 3e-3 (epsilon 1e-3), where 5e-6 of the voxels tell; with
# a leaky slope of 0.02 it is 0.1, and 99.94 % of the voxels still agree. So logits are judged too.
LIMITS: Mapping[str, Limit] = {
    "as_trained": Limit(
        1e-3,
        0.999,
        f"our network is not {STOCK}'s: the same weights give another answer (was it trained with "
        "another activation or norm than plans.json has?)",
    ),
    "rounding": Limit(0.1, 0.99, "its weights give another answer in half precision"),
    "backend": Limit(1e-2, 0.999, "the default backend gives another answer than torch"),
}
LEAST_CASE_AGREEMENT = 0.999


@dataclass(frozen=True)
class Answer:
    """What a network says of a tile."""

    logits: np.ndarray  # (channel, z, y, x)
    labels: np.ndarray  # (z, y, x) uint8, in the scheme's values


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
    # Stock sees images as its reader hands them over, whatever the members were given beside that.
    members = tuple(replace(m, orientation=m.plan.orientation) for m, _ in pairs)
    alone = replace(model, members=members, head=first.head)
    folds = tuple(str(entry["fold"]) for _, entry in pairs)
    return Part(alone, values, folds, str(entry["provenance"]["trainer"]))


def prove_tiles(plain: Trained, part: Part, stock: Stock | None) -> dict[str, Any]:
    """Compare the answers of each fold's tile; without stock, ours among each other.

    Raises:
        ProofError: they lie further apart than LIMITS.
        StockError: stock cannot run the network.
    """
    facts = {}
    for number, (fold, member) in enumerate(zip(part.folds, part.model.members, strict=True)):
        shape = tile_shape(member.plan)
        tile = draw_tile(member.plan, len(member.sequences), shape, SEED + number)
        trained = plain.checkpoint_of(fold)
        answers = _answers(tile, member, trained, part.model.scheme)
        if stock is not None:
            logits = stock.logits(number, tile)
            answers["stock"] = Answer(logits, part.values[stock.labels_of(logits).astype(int)])
        differences = dict(_differences(answers))
        for name, limit in LIMITS.items():
            if name in differences:
                _refuse_beyond(limit, differences[name], member)
        facts[fold] = {
            "shape": list(shape),
            "of_patch": "whole" if shape == member.plan.patch else "half",
            "decided": voxels_of(answers["trained"].labels, part.model.scheme),
            "rounded": rounded(member),
            **differences,
        }
    return facts


def prove_case(case: Path, stock: Stock, part: Part) -> dict[str, Any]:
    """Compare both ways through a real case, or say why stock has none.

    Raises:
        ProofError: fewer voxels agree than LEAST_CASE_AGREEMENT.
    """
    try:
        facts = compare_case(case, stock, part.model, part.values)
    except StockError as error:
        return {"not_proven": str(error)}
    if not facts["agreement"] >= LEAST_CASE_AGREEMENT:
        raise ProofError(
            f"{case}: our labels agree with {STOCK}'s on {facts['agreement']:.3%} of the voxels, "
            f"{LEAST_CASE_AGREEMENT:.1%} at least were expected"
        )
    return facts


def decisions(logits: np.ndarray, head: Head, scheme: Scheme) -> np.ndarray:
    """Turn logits (channel, z, y, x) into labels (z, y, x) in the scheme's values."""
    return labels_from(expit(logits) if head.kind == "regions" else logits, head, scheme)


def difference(first: Answer, second: Answer) -> dict[str, Any]:
    """Say how far the second answer lies from the first."""
    apart = float(np.abs(first.logits - second.logits).max())
    deviations = apart / max(float(first.logits.std()), 1e-9)
    differing = int((first.labels != second.labels).sum())
    return {
        "voxels": first.labels.size,
        "differing": differing,
        "agreement": 1 - differing / first.labels.size,
        "logits": float(f"{apart:.3g}"),
        "logits_in_deviations": float(f"{deviations:.3g}"),
    }


def voxels_of(labels: np.ndarray, scheme: Scheme) -> dict[str, int]:
    """Count the voxels of each label that a label map (z, y, x) holds."""
    counts = np.bincount(labels.ravel(), minlength=256)
    return {name: int(counts[value]) for name, value in scheme.labels.items() if counts[value]}


def rounded(member: Member) -> dict[str, int]:
    """Count the tensors that packing rounded, and those that half precision does not hold."""
    weights = open_checkpoint(member.checkpoint)["network_weights"].values()
    halves = sum(value.dtype == torch.half for value in weights)
    return {"to_half": halves, "not_rounded": len(weights) - halves}


def _answers(
    tile: torch.Tensor, member: Member, trained: Path, scheme: Scheme
) -> dict[str, Answer]:
    default = next(backend.name for backend in usable(torch.device("cpu")) if backend.exact)
    asked = {
        "trained": (replace(member, checkpoint=trained), REFERENCE),
        "packed": (member, REFERENCE),
        "default": (member, default),
    }
    answers = {}
    for name, (which, backend) in asked.items():
        try:
            logits = logits_of(which, tile, backend)
        except RuntimeError as error:  # sides that do not halve, more memory than there is
            shape, why = "x".join(map(str, tile.shape[1:])), str(error).splitlines()[0]
            raise ProofError(f"{member.name}: does not run on a tile of {shape} ({why})") from error
        answers[name] = Answer(logits, decisions(logits, member.head, scheme))
    return answers


def _differences(answers: Mapping[str, Answer]) -> Iterator[tuple[str, dict[str, Any]]]:
    pairs = {
        "as_trained": ("stock", "trained"),
        "rounding": ("trained", "packed"),
        "backend": ("packed", "default"),
        "as_packed": ("stock", "default"),
    }
    for name, (first, second) in pairs.items():
        if first in answers:
            yield name, difference(answers[first], answers[second])


def _refuse_beyond(limit: Limit, apart: Mapping[str, Any], member: Member) -> None:
    deviations, agreement = apart["logits_in_deviations"], apart["agreement"]
    if deviations <= limit.deviations and agreement >= limit.least_agreement:
        return  # what is not a number is beyond
    raise ProofError(
        f"{member.name}: {limit.beyond}: {apart['differing']:,} of {apart['voxels']:,} voxels of a "
        f"random tile are decided otherwise, logits differ by {deviations:.2g} of their deviation, "
        f"{limit.deviations:g} allowed"
    )
