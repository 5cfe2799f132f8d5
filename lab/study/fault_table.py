"""The cohorts of planted faults that a study judges methods on, and the tables of what they say."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from lab.study.fault_kinds import FAR_KIND, FAULT_KINDS, NULL_KIND, FaultKind
from lab.study.parts import Content, Part

KINDS = {kind.name: kind for kind in (*FAULT_KINDS, NULL_KIND, FAR_KIND)}


def fault_parts(cases: int, seeds: int, null_seeds: int, seed: int) -> list[Part]:
    """List one part a cohort: `seeds` of every kind, `null_seeds` without faults; [] for no seeds.

    Args:
        cases: of each cohort.
        seeds: cohorts of each kind.
        null_seeds: cohorts without faults, at least one.
        seed: of the first cohort of each kind.
    """
    parts = []
    for kind in KINDS.values() if seeds else ():
        count = max(null_seeds, 1) if kind == NULL_KIND else seeds
        for number in range(seed, seed + count):
            name, key = f"faults, {kind.name}, seed {number}", (repr(kind), cases, number)
            parts.append(Part(name, key, partial(fault_row, kind, cases, number), in_words))
    return parts


def fault_row(kind: FaultKind, cases: int, seed: int) -> Content:
    """Study one cohort; see `study_fault`."""
    from lab.study.fault_study import study_fault

    return vars(study_fault(kind, cases, seed))


def in_words(result: Content) -> str:
    """Say which methods pass on a cohort, and what they gain."""
    passing = [f"{row['method']} {row['gain']:+.4f}" for row in result["rows"] if row["passes"]]
    return "passes: " + ", ".join(passing) if passing else "nothing passes"


def fault_tables(results: Sequence[Content]) -> dict[str, Any]:
    """Return `faults`, a row a kind, and `far_cases`, the row of that kind; of no results, neither.

    A row has name, meaning and remedy, in how many cohorts this was recovered, each method's mean
    gain, and the rows of each cohort.
    """
    rows = [kind_row(kind, of_kind) for kind in KINDS.values() if (of_kind := _of(results, kind))]
    return {
        "faults": [row for row in rows if row["name"] != FAR_KIND.name],
        "far_cases": next((row for row in rows if row["name"] == FAR_KIND.name), None),
    }


def kind_row(kind: FaultKind, results: Sequence[Content]) -> dict[str, Any]:
    """Return one kind's row of the table."""
    by_method = zip(*(result["rows"] for result in results), strict=True)
    return {
        "name": kind.name,
        "meaning": kind.meaning,
        "remedy": kind.remedy,
        "cohorts": len(results),
        "recovered": sum(result["recovered"] for result in results),
        "methods": [method_row(rows) for rows in by_method],
        "results": list(results),
    }


def method_row(rows: Sequence[Content]) -> dict[str, Any]:
    """Return what a method does over cohorts, whose rows these are.

    Its mean gain, the lowest and highest end of the cohorts' intervals, and in how many it passes;
    where cases are far from all others, the same of the usual ones, and what becomes of the far.
    """
    row = {"method": rows[0]["method"], **_over(rows), "passes": sum(r["passes"] for r in rows)}
    if "far" in rows[0]:
        row["usual"] = _over([r["usual"] for r in rows])
        row["far"], row["new"] = (_far([r[key] for r in rows]) for key in ("far", "new"))
    return row


def _of(results: Sequence[Content], kind: FaultKind) -> list[Content]:
    return [result for result in results if result["kind"] == kind.name]


def _over(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {
        "gain": float(np.mean([row["gain"] for row in rows])),
        "low": min(row["low"] for row in rows),
        "high": max(row["high"] for row in rows),
    }


def _far(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    cases = [row["cases"] for row in rows]
    return {
        "cases": sum(cases),
        "unchanged": sum(row["unchanged"] for row in rows),
        "gain": float(np.average([row["gain"] for row in rows], weights=cases)),
    }
