"""Result files of several systems, brought to one array: what `python -m lab rank` compares."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np

from challenge.folders import few
from lab.evaluation.columns import (
    Column,
    Columns,
    ComparisonError,
    RequestedColumns,
    choose_columns,
)
from lab.evaluation.formats import read_results, remarks_on
from lab.evaluation.origin import in_sample
from lab.evaluation.results import Results
from lab.evaluation.score_cells import gather, gather_values, volume_errors
from lab.metrics.csv_layouts import SUMMARY_ROWS
from lab.metrics.metric_info import RMSE


@dataclass(frozen=True)
class Comparison:
    """Systems, scored by one scorer on the same cases."""

    scorer: str
    absent: str  # how the scorer counts a region in neither map, in words
    systems: Mapping[str, Path]
    cases: tuple[str, ...]
    columns: tuple[Column, ...]
    values: np.ndarray  # (case, column, system)
    both_absent: np.ndarray  # (case, column, system), NaN since neither map holds the region
    defined: np.ndarray  # (case, column, system), a measured score, see `Cells`
    summary_values: np.ndarray  # (summary row, column, system), no row unless these are ranked
    totals: Mapping[Column, np.ndarray]  # numbers of the whole cohort, (system,)
    left_out: tuple[str, ...]  # what is not compared, in sentences
    chosen: str = ""  # who chose the metrics, in words
    not_ranked: tuple[str, ...] = ()  # headline metrics that every file has beside these
    counted: bool = False  # voxel or lesion counts tell which values are measured scores
    # Volume errors behind the RMSE of `totals`, (case, total, system); NaN where a file has none.
    errors_mm3: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0)))
    # Systems whose maps were made with what was fitted on their cases, and how, in words.
    in_sample: Mapping[str, str] = field(default_factory=dict)


def read_comparison(paths: list[Path], requested: RequestedColumns) -> Comparison:
    """Read result files and keep what all of them have.

    Raises:
        ComparisonError: fewer than two files or two common cases, several scorers or references,
            or a wanted metric or region that is not there.
        Refusal: a file is not a result file; the message names it.
    """
    if len(paths) < 2:
        raise ComparisonError(f"a ranking needs at least two result files, not {len(paths)}")
    results = [read_results(path, requested.summary_rows) for path in paths]
    return comparison_of(name_systems(paths), results, requested)


def comparison_of(
    systems: Mapping[str, Path], results: list[Results], requested: RequestedColumns
) -> Comparison:
    """Keep what the results of all systems have, in the order of `systems`.

    Raises:
        ComparisonError: fewer than two common cases, several scorers or references, or a wanted
            metric or region that is not there.
    """
    check_same_scorer(systems, results)
    check_same_references(systems, results)
    rows = common_cases(systems, results, requested.strict)
    cases = tuple(row for row in rows.common if row not in SUMMARY_ROWS)
    summaries = tuple(row for row in SUMMARY_ROWS if row in rows.common)
    if len(cases) < 2:
        held = "; ".join(
            f"{path} has {len(result.cases)} ({few(sorted(result.cases))})"
            for path, result in zip(systems.values(), results, strict=True)
        )
        raise ComparisonError(
            f"{len(cases)} case in all of {', '.join(systems)}, but a ranking needs two: {held}"
        )
    if requested.summary_rows and not summaries:
        raise ComparisonError(f"no summary row ({', '.join(SUMMARY_ROWS)}) in all of the files")
    columns = choose_columns(results, requested)
    totals, total_sentences = cohort_totals(results, columns, len(cases), requested)
    cells = gather(results, cases, columns.common)
    return Comparison(
        scorer=results[0].scorer,
        absent=results[0].absent,
        systems=systems,
        cases=cases,
        columns=columns.common,
        values=cells.values,
        both_absent=cells.both_absent,
        defined=cells.defined,
        summary_values=gather_values(results, summaries, columns.common),
        totals=totals,
        left_out=(
            *(s for pair in zip(systems.values(), results, strict=True) for s in remarks_on(*pair)),
            *rows.sentences,
            *columns.sentences,
            *total_sentences,
        ),
        chosen=columns.chosen,
        not_ranked=columns.not_ranked,
        counted=cells.counted,
        errors_mm3=volume_errors(results, cases, [column.region for column in totals]),
        in_sample={
            name: sentence
            for name, result in zip(systems, results, strict=True)
            if (sentence := in_sample(result))
        },
    )


@dataclass(frozen=True)
class Rows:
    """Case ids of every system, sorted, and sentences about the others."""

    common: tuple[str, ...]
    sentences: tuple[str, ...]


def name_systems(paths: list[Path]) -> dict[str, Path]:
    """Name systems by file stem, with folders before it until no two are the same."""
    resolved = [path.resolve() for path in paths]
    for path in resolved:
        if resolved.count(path) > 1:
            raise ComparisonError(f"{path}: given twice")
    parts = [(*path.parts[1:-1], path.stem) for path in resolved]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(p[-depth:]) for p in parts]
        if len(set(names)) == len(names):
            return dict(zip(names, paths, strict=True))
    return {str(path): path for path in paths}  # a.json and a.csv side by side


def check_same_scorer(systems: Mapping[str, Path], results: list[Results]) -> None:
    """Refuse numbers of different metrics, of a case as of the file."""
    first = results[0]
    for path, other in zip(systems.values(), results, strict=True):
        if other.scorer != first.scorer or other.absent != first.absent:
            raise ComparisonError(
                f"{path}: scorer {_scorer(other)}, but "
                f"{next(iter(systems.values()))}: scorer {_scorer(first)}"
            )
        for id in sorted(first.cohorts.keys() & other.cohorts.keys()):
            if first.cohorts[id] != other.cohorts[id]:
                raise ComparisonError(
                    f"{path}: {id} scored as {other.cohorts[id]}, but as {first.cohorts[id]} in "
                    f"{next(iter(systems.values()))}"
                )


def check_same_references(systems: Mapping[str, Path], results: list[Results]) -> None:
    """Refuse scores against different references, where the files tell: by their voxel counts."""
    for (a, first), (b, second) in combinations(zip(systems.values(), results, strict=True), 2):
        if first.labels != second.labels:
            continue
        for id in first.facts.keys() & second.facts.keys():
            pair = first.facts[id], second.facts[id]
            counts = [facts.confusion.sum(1).tolist() for facts in pair]
            # A case without prediction may have no counts either.
            if all(facts.prediction for facts in pair) and counts[0] != counts[1]:
                raise ComparisonError(
                    f"{id}: another reference in {a} than in {b}, voxels by label "
                    f"{counts[0]} and {counts[1]}"
                )


def common_cases(systems: Mapping[str, Path], results: list[Results], strict: bool) -> Rows:
    """Keep the cases of every system; with `strict` they must all be the same."""
    common = set.intersection(*(set(result.cases) for result in results))
    sentences = tuple(
        f"{path}: {', '.join(extra)} not in every file, left out"
        for path, result in zip(systems.values(), results, strict=True)
        if (extra := sorted(set(result.cases) - common))
    )
    if strict and sentences:
        raise ComparisonError("; ".join(sentences).replace(", left out", ""))
    return Rows(tuple(sorted(common)), sentences)


def cohort_totals(
    results: list[Results], columns: Columns, cases: int, requested: RequestedColumns
) -> tuple[dict[Column, np.ndarray], tuple[str, ...]]:
    """Return the volume RMSE of each region by system, where all have it over the ranked cases."""
    totals: dict[Column, np.ndarray] = {}
    sentences: list[str] = []
    if requested.metrics and RMSE not in requested.metrics:
        return totals, ()
    for region in dict.fromkeys(column.region for column in columns.common):
        column = Column(region, RMSE)
        per_system = [r.extra.get(region, {}).get(RMSE) for r in results]
        if all(per_system) and all(total["n"] == cases for total in per_system):
            totals[column] = np.array(
                [math.nan if total["value"] is None else total["value"] for total in per_system],
                float,
            )
        elif any(per_system):
            sentences.append(f"{column}: not in every file over these {cases} cases, left out")
    if requested.metrics and not totals:
        raise ComparisonError(f"{RMSE}: not in every file over these {cases} cases")
    return totals, tuple(sentences)


def _scorer(results: Results) -> str:
    return f"{results.scorer} ({results.absent})" if results.absent else results.scorer
