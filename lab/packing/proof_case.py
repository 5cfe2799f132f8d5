"""A real case both ways: stock nnU-Net's whole way beside ours, labels compared."""

import re
import time
from pathlib import Path
from typing import Any

import numpy as np

from challenge.case import CaseFiles, read_case
from challenge.input_cases import InputError
from challenge.platforms import find_cases
from challenge.scheme import labels_from
from ensemble.device import choose_device
from ensemble.engine import Engine
from ensemble.manifest import Model
from ensemble.predict import predict
from lab.packing.stock_prediction import Stock

NNUNET_FILE = re.compile(r"(?P<id>.+)_(?P<channel>\d{4})(?P<ending>\.nii\.gz|\.nii|\.mha)\Z")


def find_case(path: Path, sequences: tuple[str, ...]) -> CaseFiles:
    """Return the one case that a path means.

    A challenge's folder or input folder with one case, a scan where one sequence is read, or
    nnU-Net's `<case>_0000.nii.gz`: one of these files, or a folder that holds one such case.
    nnU-Net's channels are numbered in the order of `sequences`.

    Raises:
        InputError: no case, more than one, or a sequence that is missing.
    """
    if path.is_file():
        if len(sequences) == 1:
            images = {sequences[0]: path}
            return CaseFiles(path.name.split(".")[0], images, sequences[0], Path(path.name))
        return _numbered(path, sequences)
    firsts = [p for p in sorted(path.glob("*_0000.*")) if NNUNET_FILE.match(p.name)]
    if len(firsts) == 1:
        return _numbered(firsts[0], sequences)
    if firsts:
        raise InputError(f"{path}: {len(firsts)} cases, one expected; name its file ..._0000")
    inputs = find_cases(path)
    if len(inputs.cases) != 1:
        failed = "".join(f"; {reason}" for reason in inputs.failed.values())
        raise InputError(f"{path}: {len(inputs.cases)} cases, one expected{failed}")
    if missing := [s for s in sequences if s not in inputs.cases[0].images]:
        raise InputError(f"{path}: no {', '.join(missing)}, which the network reads")
    return inputs.cases[0]


def compare_case(path: Path, stock: Stock, model: Model, values: np.ndarray) -> dict[str, Any]:
    """Compare stock's labels of a case with ours, both with all folds of one source.

    Args:
        path: see `find_case`.
        stock: the source's networks as they were trained.
        model: the source's members, as packed.
        values: (256,) uint8, from dataset.json's label values to the scheme's.

    Raises:
        StockError: stock cannot predict the case.
        Refusal: the case cannot be found or read.
    """
    sequences = model.members[0].sequences
    files = find_case(path, sequences)
    device = choose_device("auto")
    started = time.perf_counter()
    *_, final = predict(read_case(files), model, Engine(device))
    ours = labels_from(final.probabilities, model.head, model.scheme)
    ours_s, started = time.perf_counter() - started, time.perf_counter()
    theirs = values[stock.segment(files, sequences, device)]
    differing = int((ours != theirs).sum())
    return {
        "id": files.id,
        "device": device.type,
        "mirroring": model.mirroring,
        "step": model.step,
        "voxels": ours.size,
        "differing": differing,
        "agreement": 1 - differing / ours.size,
        "dice": {
            name: dice(ours == value, theirs == value)
            for name, value in model.scheme.labels.items()
            if value in values
        },
        "stock_voxels": {n: int((theirs == v).sum()) for n, v in model.scheme.labels.items()},
        "seconds": {"ours": round(ours_s, 1), "stock": round(time.perf_counter() - started, 1)},
    }


def dice(first: np.ndarray, second: np.ndarray) -> float | None:
    """Return the Dice of two masks, None where both are empty."""
    both = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / both if both else None


def _numbered(first: Path, sequences: tuple[str, ...]) -> CaseFiles:
    match = NNUNET_FILE.match(first.name)
    if match is None:
        raise InputError(f"{first}: not one of nnU-Net's files, <case>_0000 and so on")
    id, ending = match["id"], match["ending"]
    images = {s: first.with_name(f"{id}_{i:04d}{ending}") for i, s in enumerate(sequences)}
    if missing := [path.name for path in images.values() if not path.is_file()]:
        raise InputError(f"{first.parent}: {', '.join(missing)} missing")
    return CaseFiles(id, images, sequences[0], Path(f"{id}{ending}"))
