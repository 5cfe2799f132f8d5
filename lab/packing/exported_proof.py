"""What an exported network is proven on when it is packed, and its known answers after that.

A random tile a fold goes through the program alone, once more, in a batch, and by the default
backend. Where the folder holds `fold_<k>/answer.npz`, with a tile and the logits that the network's
own framework gave for it, the program is held against these.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from challenge.scheme import Scheme
from ensemble.backends import REFERENCE
from ensemble.batch_size import trace_pass
from ensemble.exported_member import EXPORTED, MEMBER_FILE, PROGRAM_FILES
from ensemble.manifest import read_manifest, verify_model
from ensemble.member_network import empty_member, load_member
from ensemble.members import Member
from lab.packing.cpu_backend import LIMIT
from lab.packing.proof import voxels_of
from lab.packing.random_tile import SEED, deviations_apart, draw_tile, logits_of
from lab.packing.tile_answers import (
    LIMITS,
    Answer,
    Limit,
    ProofError,
    decisions,
    default_backend,
    difference,
    refuse_beyond,
)

ANSWER_FILE = "answer.npz"
SAMPLES = 64  # logits that are kept as known answers
TOLERANCE = 1e-3  # of their deviation: the same program on another processor
MOST_PASS_BYTES = 64 * 2**30
BATCH = Limit(1e-3, 0.999, "a tile has another answer in a batch than alone")
AGAIN = Limit(0.0, 1.0, "the same tile has another answer the second time")
AS_TRAINED = Limit(
    LIMITS["as_trained"].deviations,
    LIMITS["as_trained"].least_agreement,
    f"the program is not the network of {ANSWER_FILE}",
)


@dataclass(frozen=True)
class Judge:
    """Whose answers a program is held against."""

    name: str
    limit: Limit


TRAINING_FRAMEWORK = Judge("its own framework", AS_TRAINED)


def prove_exported(folder: Path, manifest: Path, home: str, judge: Judge) -> dict[str, Any]:
    """Prove each program of a packed folder; return the record for the manifest.

    Args:
        folder: that the programs come from, perhaps with answers of the judge.
        manifest: of the packed model, or of as much of it as is packed.
        home: the folder of the packed model.
        judge: that gave these answers.

    Raises:
        ProofError: a program fails on a tile, or gives answers that lie apart.
    """
    model = verify_model(manifest)
    entries = read_manifest(manifest)["members"]
    folds: dict[str, Any] = {}
    for member, entry in zip(model.members, entries, strict=True):
        if entry["folder"] == home:
            source = folder / f"fold_{entry['fold']}" / ANSWER_FILE
            fold = _prove_fold(member, model.scheme, SEED + len(folds))
            if source.is_file():
                fold["as_trained"] = _beside_judge(member, source, model.scheme, judge.limit)
            folds[entry["fold"]] = fold
    record = {"folder": home, "format": EXPORTED, "trainer": None, "judge": judge.name}
    if not all("as_trained" in fold for fold in folds.values()):
        record["not_proven"] = f"no fold_*/{ANSWER_FILE} of {judge.name}"
    return record | {"tiles": {"seed": SEED, "folds": folds}}


def check_known_answers(manifest: Path) -> int:
    """Compare the answers of a model's exported members with those at packing; return how many.

    Raises:
        ProofError: one differs; the message names the member.
    """
    content, count = read_manifest(manifest), 0
    records = {record["folder"]: record for record in content.get("proof", ())}
    for member, entry in zip(verify_model(manifest).members, content["members"], strict=True):
        if entry.get("format") not in PROGRAM_FILES or entry["folder"] not in records:
            continue
        tiles = records[entry["folder"]]["tiles"]
        number = list(tiles["folds"]).index(str(entry["fold"]))
        tile = draw_tile(
            member.plan, len(member.sequences), member.plan.patch, tiles["seed"] + number
        )
        known = np.array(tiles["folds"][str(entry["fold"])]["answer"], np.float32)
        apart = deviations_apart(known, sampled(logits_of(member, tile, REFERENCE)))
        if not apart <= TOLERANCE:
            raise ProofError(
                f"{member.name}: its answer to a known tile is {apart:.2g} deviations from the one "
                f"at packing, {TOLERANCE:g} allowed"
            )
        count += 1
    return count


def sampled(logits: np.ndarray) -> np.ndarray:
    """Return some of the logits of a tile, far apart."""
    flat = logits.flatten()
    return np.asarray(flat[:: max(1, len(flat) // SAMPLES)][:SAMPLES])


def _prove_fold(member: Member, scheme: Scheme, seed: int) -> dict[str, Any]:
    patch, channels = member.plan.patch, len(member.sequences)
    _check_sizes(member)
    tile = draw_tile(member.plan, channels, patch, seed)
    other = draw_tile(member.plan, channels, patch, seed + 1000)
    network = load_member(member)
    with torch.inference_mode():
        first, second = (_answer(network(tile[None])[0], member, scheme) for _ in range(2))
        together = _answer(network(torch.stack((other, tile)))[1], member, scheme)
    if not np.isfinite(first.logits).all():
        raise ProofError(f"{member.name}: its answer to a random tile holds NaN or infinity")
    by_default = Answer(*_both(logits_of(member, tile, default_backend()), member, scheme))
    apart = {"batch": difference(first, together), "backend": difference(first, by_default)}
    refuse_beyond(AGAIN, difference(first, second), member)
    refuse_beyond(BATCH, apart["batch"], member)
    refuse_beyond(LIMIT, apart["backend"], member)  # OpenVINO takes no program: torch runs it
    return {
        "shape": list(patch),
        "of_patch": "whole",
        "decided": voxels_of(first.labels, scheme),
        "answer": [float(f"{value:.6g}") for value in sampled(first.logits)],
        **apart,
    }


def _check_sizes(member: Member) -> None:
    """Follow the sizes of a pass on the meta device, where nothing is computed.

    Raises:
        ProofError: the program cannot take a patch, takes more memory than any machine is taken to
            have, or returns other sizes than member.json says.
    """
    network = empty_member(member)
    tile = (len(member.sequences), *member.plan.patch)
    try:
        memory = trace_pass(network, tile, torch.float)
        size = tuple(network(torch.empty((1, *tile), device="meta")).shape)
    except (RuntimeError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or [repr(error)])[0][:300]
        raise ProofError(f"{member.name}: the program cannot take a patch ({reason})") from error
    if memory.peak_bytes > MOST_PASS_BYTES:
        gib = memory.peak_bytes / 2**30
        raise ProofError(f"{member.name}: one pass takes {gib:,.0f} GiB")
    expected = (1, len(member.head.channels), *member.plan.patch)
    if size != expected:
        raise ProofError(
            f"{member.name}: a patch becomes logits of {size}, {MEMBER_FILE} says {expected}"
        )


def _beside_judge(member: Member, path: Path, scheme: Scheme, limit: Limit) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            tile, logits = (np.asarray(archive[key], np.float32) for key in ("tile", "logits"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ProofError(f"{path}: no tile and logits ({error})") from error
    shapes = [(len(n), *member.plan.patch) for n in (member.sequences, member.head.channels)]
    if [tile.shape, logits.shape] != shapes:
        sizes = f"tile {tile.shape}, logits {logits.shape}"
        raise ProofError(f"{path}: {sizes}; expected {shapes[0]} and {shapes[1]}")
    with torch.inference_mode():
        ours = _answer(load_member(member)(torch.from_numpy(tile)[None])[0], member, scheme)
    apart = difference(Answer(*_both(logits, member, scheme)), ours)
    refuse_beyond(limit, apart, member)
    return apart


def _answer(logits: torch.Tensor, member: Member, scheme: Scheme) -> Answer:
    return Answer(*_both(logits.float().numpy().copy(), member, scheme))


def _both(logits: np.ndarray, member: Member, scheme: Scheme) -> tuple[np.ndarray, np.ndarray]:
    return logits, decisions(logits, member.head, scheme)
