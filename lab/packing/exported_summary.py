"""What was proven of a folder of exported programs, in plain words."""

from collections.abc import Iterator, Mapping
from typing import Any


def exported_sentence(record: Mapping[str, Any]) -> str:
    """Say in one line what was proven of a folder of exported programs."""
    return "; ".join(exported_agreement(record))


def exported_agreement(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was proven of a folder of exported programs: on its tiles, and on its case."""
    folds = record["tiles"]["folds"].values()
    apart = {
        name: max(fold[name]["logits_in_deviations"] for fold in folds if name in fold)
        for name in ("as_trained", "batch", "backend")
        if any(name in fold for fold in folds)
    }
    shape = "x".join(map(str, next(iter(folds))["shape"]))
    words = {
        "as_trained": f"{record['judge']}",
        "batch": "the same tile in a batch",
        "backend": "the default backend",
    }
    parts = [f"{words[name]} {value:.1e}" for name, value in apart.items()]
    start = f"not proven: {record['not_proven']}; " if "not_proven" in record else "proven "
    yield f"{start}on one random tile a fold ({shape}): deviations from {', '.join(parts)}"
    if "case" in record:
        yield _case_sentence(record["case"])


def _case_sentence(case: Mapping[str, Any]) -> str:
    if "not_proven" in case:
        return f"{case['id']} not compared: {case['not_proven']}"
    tiles = (
        f"{case['windows']} tiles where MONAI has them"
        if case["same_windows"]
        else f"{case['windows']} tiles elsewhere than MONAI's {case['windows_of_monai']}"
    )
    return (
        f"{case['id']}: {case['agreement']:.4%} of {case['voxels']:,} voxels of the network's grid "
        f"have the label of MONAI's sliding_window_inference (gaussian, overlap "
        f"{case['overlap']:g}), {case['differing']:,} differ; {tiles}, blended with MONAI's "
        f"Gaussian in single precision, leave {case['differing_blended_alike']:,}"
    )
