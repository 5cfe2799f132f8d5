"""Do the label names fit the volumes? A shifted label map shows nowhere else.

A published report named every class wrongly, and only its volume shares gave that away.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from challenge.scheme import SCHEMES, Scheme
from lab.evaluation.counts import Cohort, ratio
from lab.evaluation.results import Results


def share_rows(cohort: Cohort, results: Results) -> list[dict[str, Any]]:
    """Return each label's share of the whole tumour, pooled and of the median case.

    One row a label and side (prediction, reference); `outside` names which of the two shares lie
    outside the scheme's usual range. A side that never holds a label of the whole (PANTHER's
    predictions have no pancreas) is left out, as `unjudged` says.
    """
    rows = []
    for side, voxels, unseen in _sides(cohort, results):
        scheme = SCHEMES[results.scheme]
        if not unseen:
            rows += [_row(voxels, name, side, scheme) for name in scheme.usual_share]
    return [row for row in rows if row["n"]]


def unjudged(cohort: Cohort, results: Results) -> list[str]:
    """Say of which side no share is judged, and for want of which label."""
    return [
        f"Shares of the {side}s are not judged: none has any {', '.join(unseen)}."
        for side, voxels, unseen in _sides(cohort, results)
        if unseen and any(each.any() for each in voxels.values())
    ]


def _sides(
    cohort: Cohort, results: Results
) -> Iterator[tuple[str, dict[str, np.ndarray], list[str]]]:
    """Yield each side, the voxels (case,) of its labels, and what it never holds of the whole."""
    scheme = SCHEMES.get(results.scheme)
    if scheme is None or not scheme.usual_share or not set(_whole(scheme)) <= set(results.labels):
        return
    for side, axis in (("prediction", 1), ("reference", 2)):
        # Summing over the other side's labels leaves the voxels of this side's.
        voxels = dict(zip(results.labels, cohort.tables.sum(axis).T[1:], strict=True))
        yield side, voxels, [name for name in _whole(scheme) if not voxels[name].any()]


def _whole(scheme: Scheme) -> tuple[str, ...]:
    return tuple(scheme.regions[scheme.whole])


def _row(voxels: Mapping[str, np.ndarray], name: str, side: str, scheme: Scheme) -> dict[str, Any]:
    whole = np.sum([voxels[member] for member in _whole(scheme)], axis=0)
    each = ratio(voxels[name], whole)
    each = each[~np.isnan(each)]
    low, high = scheme.usual_share[name]
    pooled = float(ratio(voxels[name].sum(), whole.sum()))
    median = float(np.median(each)) if each.size else np.nan
    shares = {"pooled": pooled, "median": median}
    return {
        "label": name,
        "side": side,
        "whole": scheme.whole,
        **shares,
        "usual_low": low,
        "usual_high": high,
        "n": int(each.size),
        "outside": [kind for kind, share in shares.items() if share < low or share > high],
    }


def warnings(rows: list[dict[str, Any]], results: Results) -> list[str]:
    """Say in sentences what contradicts the scheme: volume shares, and label values."""
    kinds = {"pooled": "of all cases together", "median": "of the median case"}
    sentences = [
        f"{row['label']} is {row[kind]:.0%} of {row['whole']} {kinds[kind]} in the {row['side']} "
        f"(n = {row['n']}); in {results.scheme} it usually is "
        f"{row['usual_low']:.0%} to {row['usual_high']:.0%}."
        for row in rows
        for kind in row["outside"]
    ]
    scheme = SCHEMES.get(results.scheme)
    for name, value in results.labels.items() if scheme else ():
        usual = scheme.labels.get(name) if scheme else None
        if usual != value:
            meaning = "has no such label" if usual is None else f"has {usual}"
            sentences.append(f"The results call value {value} {name}; {results.scheme} {meaning}.")
    return sentences
