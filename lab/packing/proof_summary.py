"""What was proven of a packed source, in one plain line."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any


def sentence(record: Mapping[str, Any]) -> str:
    """Say in one line what was proven of a source."""
    folds = list(record["tiles"]["folds"].values())
    shape = "x".join(map(str, folds[0]["shape"]))
    halved = ", half the patch" if folds[0]["of_patch"] == "half" else ""
    tiles = f"one random tile a fold ({shape}{halved})"
    if "not_proven" in record:
        rounding = _sum("rounding", folds)
        return f"not proven: {record['not_proven']}; on {tiles} half precision changes {rounding}"
    judge = f"{record['judge']} ({record['network_of']})"
    words = [
        f"proven beside {judge} on {tiles}: as trained, {_sum('as_trained', folds)} differ",
        f"as packed (half precision, default backend), {_sum('as_packed', folds)} differ",
    ]
    return "; ".join([*words, *_case_words(record.get("case"))])


def _sum(name: str, folds: Collection[Mapping[str, Any]]) -> str:
    differing, voxels = (sum(fold[name][key] for fold in folds) for key in ("differing", "voxels"))
    most = max(fold[name]["logits_in_deviations"] for fold in folds)
    return f"{differing:,} of {voxels:,} voxels (logits by up to {most:.1e} deviations)"


def _case_words(case: Mapping[str, Any] | None) -> Iterator[str]:
    if case is None:
        return
    if "not_proven" in case:
        yield f"the case not proven: {case['not_proven']}"
        return
    dice = ", ".join(f"{n} {d:.4f}" for n, d in case["dice"].items() if d is not None)
    yield (
        f"case {case['id']}: {case['differing']:,} of {case['voxels']:,} voxels differ, "
        f"{case['agreement']:.4%} agree, Dice {dice or 'of nothing'}"
    )
