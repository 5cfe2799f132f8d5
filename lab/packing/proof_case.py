"""A whole case three times: stock nnU-Net, our program with nothing changed, and what is packed.

Stock runs at its own defaults: weights as trained, mirrored as trained, tiles half a patch apart.
The second answer is held against it; the third says what half precision, no mirroring or a larger
step cost in voxels.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from challenge.case import CaseFiles, read_case
from challenge.scheme import labels_from
from ensemble.device import choose_device
from ensemble.engine import Engine
from ensemble.manifest import Model
from ensemble.member_network import mirror_axes_of
from ensemble.predict import predict, prepare_case
from lab.packing.precision import is_rounded
from lab.packing.stock_prediction import STOCK, STOCK_STEP, Stock, StockError, Trained
from lab.packing.tile_answers import ProofError

MIN_AGREEMENT = 0.999
StageLabels = Mapping[str, np.ndarray]  # that a cascade's second stage sees, (z, y, x) by group
HALF, UNMIRRORED = "half precision", "no mirroring"


@dataclass(frozen=True)
class Sides:
    """The ways to a case's labels."""

    stock: Stock | None  # None: it cannot build the network
    exact: Model  # our program as stock: weights, mirroring and step
    packed: Model  # one source's members, as they are packed
    values: np.ndarray  # (256,) uint8: dataset.json's label values -> the scheme's
    previous: Model | None = None  # what gives the labels that all see; None: no cascade

    @property
    def changes(self) -> list[str]:
        """Return what was changed on purpose, so that labels may be others than stock's."""
        pairs = list(zip(self.exact.members, self.packed.members, strict=True))
        is_mirrored = any(mirror_axes_of(member) for member, _ in pairs)
        words = []
        if any(is_rounded(a.checkpoint, b.checkpoint) for a, b in pairs):
            words.append(HALF)
        if is_mirrored and not self.packed.mirroring:
            words.append(UNMIRRORED)
        if self.packed.step != STOCK_STEP:
            words.append(f"step {self.packed.step:g}")
        return words

    def as_trained(self, labels: np.ndarray) -> np.ndarray:
        """Return a label map (z, y, x) of the scheme's values in those of dataset.json."""
        trained, used = np.zeros(256, np.uint8), np.flatnonzero(self.values)
        trained[self.values[used]] = used
        return np.asarray(trained[labels])

    def with_only(self, change: str) -> Model:
        """Return our program with one of the changes."""
        if change == HALF:
            return replace(self.packed, mirroring=True, step=STOCK_STEP)
        if change == UNMIRRORED:
            return replace(self.exact, mirroring=False)
        return replace(self.exact, step=self.packed.step)

    @property
    def is_stocks_mirroring(self) -> bool:
        """Return whether stock mirrors all folds as they were trained: it asks the first alone."""
        return len({mirror_axes_of(member) for member in self.exact.members}) == 1


def sides_of(stock: Stock | None, plain: Trained, packed: Model, values: np.ndarray) -> Sides:
    """Return the ways to a case's labels for one packed source.

    Args:
        stock: its networks in stock nnU-Net.
        plain: its checkpoints as trained, one a member.
        packed: its members, as packed.
        values: see `Sides`.
    """
    members = tuple(
        replace(member, checkpoint=plain.checkpoint_of(fold), name=f"{member.name}, as trained")
        for member, fold in zip(packed.members, plain.folds, strict=True)
    )
    exact = replace(packed, members=members, mirroring=True, step=STOCK_STEP)
    return Sides(stock, exact, packed, values)


def compare_case(files: CaseFiles, sides: Sides) -> dict[str, Any]:
    """Compare the labels that all ways give of a case.

    Raises:
        ProofError: our program with nothing changed agrees with stock on fewer voxels than
            MIN_AGREEMENT.
        Refusal: the case cannot be read.
    """
    device, scheme = choose_device("auto"), sides.packed.scheme
    seen = _previous_labels(files, sides, device)
    labels_of = partial(_labels, device=device, seen=seen)
    started = time.perf_counter()
    packed = labels_of(files, sides.packed)
    seconds = {"ours": round(time.perf_counter() - started, 1)}
    facts: dict[str, Any] = {
        "id": files.id,
        "device": device.type,
        "mirroring": sides.packed.mirroring,
        "step": sides.packed.step,
        "changes": sides.changes,
        "voxels": packed.size,
        "seconds": seconds,
    }
    exact = packed
    if sides.changes:
        exact = labels_of(files, sides.exact)
        for change in sides.changes:
            is_single = len(sides.changes) == 1
            changed = packed if is_single else labels_of(files, sides.with_only(change))
            facts.setdefault("cost", {})[change] = difference(changed, exact)
    if sides.stock is None:
        return facts
    started = time.perf_counter()
    sequences = sides.packed.members[0].sequences
    try:
        before = next((sides.as_trained(labels) for labels in seen.values()), None)
        stock = sides.values[sides.stock.segment(files, sequences, device, before)]
    except StockError as error:
        return facts | {"not_proven": str(error)}
    seconds["stock"] = round(time.perf_counter() - started, 1)
    facts |= difference(packed, stock)
    facts["dice"] = {
        name: dice(packed == value, stock == value)
        for name, value in scheme.labels.items()
        if value in sides.values
    }
    facts["stock_voxels"] = {n: int((stock == v).sum()) for n, v in scheme.labels.items()}
    if sides.changes:
        facts["exact"] = difference(exact, stock)
    if sides.is_stocks_mirroring:
        _refuse_below(difference(exact, stock)["agreement"], files.id)
    return facts


def difference(first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """Count the voxels in which two label maps (z, y, x) differ."""
    differing = int((first != second).sum())
    return {"differing": differing, "agreement": 1 - differing / first.size}


def dice(first: np.ndarray, second: np.ndarray) -> float | None:
    """Return the Dice of two masks, None where both are empty."""
    both = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / both if both else None


def _previous_labels(files: CaseFiles, sides: Sides, device: torch.device) -> StageLabels:
    if sides.previous is None:
        return {}
    return {sides.previous.members[0].group: _labels(files, sides.previous, device, {})}


def _labels(files: CaseFiles, model: Model, device: torch.device, seen: StageLabels) -> np.ndarray:
    case, engine = read_case(files), Engine(device)
    preparation = replace(prepare_case(case, model, engine), stage_labels=seen)
    *_, final = predict(case, model, engine, preparation=preparation)
    return labels_from(final.probabilities, model.head, model.scheme)


def _refuse_below(agreement: float, id: str) -> None:
    if not agreement >= MIN_AGREEMENT:
        raise ProofError(
            f"{id}: our labels agree with {STOCK}'s on {agreement:.3%} of the voxels, "
            f"{MIN_AGREEMENT:.1%} at least were expected"
        )
