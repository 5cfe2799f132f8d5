"""What was proven of a packed source, in one plain line."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any


def sentence(record: Mapping[str, Any]) -> str:
    """Say in one line what was proven of a source."""
    folds = list(record["tiles"]["folds"].values())
    shape = "x".join(map(str, folds[0]["shape"]))
    halved = " (half the patch)" if folds[0]["of_patch"] == "half" else ""
    tile = f"a random tile of {shape}{halved} through each of {len(folds)} folds"
    if "not_proven" in record:
        return (
            f"not proven: {record['not_proven']}; of {tile}, ours alone: {_sum('rounding', folds)} "
            "decided otherwise once rounded to half precision"
        )
    words = [
        f"proven beside {record['judge']} ({record['network_of']}): of {tile}, "
        f"{_sum('as_trained', folds)} decided otherwise as trained",
        f"{_sum('as_packed', folds)} as packed, by half precision and the default backend",
    ]
    return "; ".join([*words, *_case_words(record.get("case"))])


def _sum(name: str, folds: Collection[Mapping[str, Any]]) -> str:
    differing, voxels = (sum(fold[name][key] for fold in folds) for key in ("differing", "voxels"))
    most = max(fold[name]["logits_in_deviations"] for fold in folds)
    return f"{differing:,} of {voxels:,} voxels (logits within {most:.1e} deviations)"


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
