"""What was proven of a packed source, in plain words: one line, and its parts for a table."""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any


def sentence(record: Mapping[str, Any]) -> str:
    """Say in one line what was proven of a source."""
    folds = list(record["tiles"]["folds"].values())
    shape = "x".join(map(str, folds[0]["shape"]))
    halved = ", half the patch" if folds[0]["of_patch"] == "half" else ""
    tiles = f"one random tile a fold ({shape}{halved})"
    case = []
    if "case" in record:
        compared = "; ".join([*_case(record["case"]), *_dice(record["case"])])
        case.append(f"{_title(record['case'])}: {compared}")
    if "not_proven" in record:
        packing = f"on {tiles} packing changes {_sum('rounding', folds)}"
        words = [f"not proven: {record['not_proven']}", packing]
        if "taken_for" in record:
            taken = f"beside {record['taken_for']}, which it is taken for"
            words.append(f"{taken}, as trained, {_sum('as_trained', folds)} differ")
        return "; ".join([*words, *by_torch(record), *case])
    judge = f"{record['judge']} ({record['network_of']})"
    words = [
        f"proven beside {judge} on {tiles}: as trained, {_sum('as_trained', folds)} differ",
        f"as packed (default backend), {_sum('as_packed', folds)} differ",
    ]
    return "; ".join([*words, *by_torch(record), *case])


def by_torch(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield for each fold that torch runs on a CPU why it does, and what that costs."""
    for fold, tile in record["tiles"]["folds"].items():
        if recorded := tile.get("cpu_backend"):
            apart, default = tile["backend"], recorded["instead_of"]
            deviations = f"{apart['logits_in_deviations']:.2g} deviations apart"
            labels = f"{apart['differing']:,} of {apart['voxels']:,} voxels have other labels"
            yield (
                f"fold {fold}: {recorded['name']} runs it on a CPU ({recorded['times_slower']:g} x "
                f"the time of {default}): {default}'s logits are {deviations} "
                f"({recorded['allowed_deviations']:g} allowed), {labels} "
                f"({1 - recorded['least_agreement']:.1%} allowed)"
            )


def agreement(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield how near a source's labels are to stock nnU-Net's: on its tiles, and on its case."""
    folds = list(record["tiles"]["folds"].values())
    if "not_proven" in record:
        yield f"not proven: {record['not_proven']}"
    else:
        differing, voxels = _count("as_packed", folds)
        yield f"random tiles: {differing:,} of {voxels:,} voxels differ from {record['judge']}"
    yield from by_torch(record)
    if "case" in record:
        taken = f", taken for {record['taken_for']}" if "taken_for" in record else ""
        for words in _case(record["case"]):
            yield f"{_title(record['case'])}{taken}: {words}"


def _title(case: Mapping[str, Any]) -> str:
    id = str(case["id"])
    return id if id == "synthetic case" else f"case {id}"


def _case(case: Mapping[str, Any]) -> Iterator[str]:
    """Say how the labels of a case differ from stock's, and what was changed on purpose costs."""
    voxels = f"of {case['voxels']:,} voxels" if "voxels" in case else ""
    if "not_proven" in case:
        yield f"not compared with stock: {case['not_proven']}"
    elif "differing" in case:
        percent = math.floor(1e6 * case["agreement"]) / 1e4  # 100 only where all voxels agree
        yield f"{case['differing']:,} {voxels} differ from stock, {percent:.4f}% agree"
    for change, cost in case.get("cost", {}).items():
        yield f"{change} changes {cost['differing']:,} {voxels}"
    if "exact" in case:
        yield f"with nothing changed {case['exact']['differing']:,} {voxels} differ from stock"


def _dice(case: Mapping[str, Any]) -> Iterator[str]:
    if "dice" in case:
        dice = ", ".join(f"{n} {d:.4f}" for n, d in case["dice"].items() if d is not None)
        yield f"Dice to stock {dice or 'of nothing'}"


def _sum(name: str, folds: Collection[Mapping[str, Any]]) -> str:
    differing, voxels = _count(name, folds)
    most = max(fold[name]["logits_in_deviations"] for fold in folds)
    return f"{differing:,} of {voxels:,} voxels (logits by up to {most:.1e} deviations)"


def _count(name: str, folds: Collection[Mapping[str, Any]]) -> tuple[int, int]:
    differing, voxels = (sum(fold[name][key] for fold in folds) for key in ("differing", "voxels"))
    return differing, voxels
