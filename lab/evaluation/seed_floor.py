"""How far two seeds of one method lie apart: what a difference between methods has to exceed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from lab.evaluation.columns import RequestedColumns
from lab.evaluation.comparison import Comparison, comparison_of
from lab.evaluation.pair import RANK_AMONG_ALL
from lab.evaluation.paired import paired_rows, row_names
from lab.evaluation.results import Results
from lab.evaluation.standings import Rule, stand
from lab.statistics import mean_over_cases


@dataclass(frozen=True)
class SeedFloor:
    """The largest difference between two seeds of one method, of one number of `rank`."""

    what: str  # mean score | mean rank | a column, such as dice WT
    value: float
    seeds: int
    cases: int


def seed_floor(
    seeds: Mapping[Path, Results], comparison: Comparison, what: str, rule: Rule
) -> SeedFloor:
    """Return the floor of one of the numbers that `seed_floors` returns."""
    return seed_floors(seeds, comparison, rule)[what]


def seed_floors(
    seeds: Mapping[Path, Results], comparison: Comparison, rule: Rule
) -> dict[str, SeedFloor]:
    """Compare every two seeds as `comparison` compares systems: same columns, same cases.

    A rank among all systems has no floor, since the seeds are none of them.

    Args:
        seeds: results of two or more seeds of one method, by file.
        comparison: of the systems whose differences the floors are for.
        rule: how values become ranks.

    Raises:
        ComparisonError: the seeds were scored otherwise than the systems, or have no two of their
            cases.
    """
    requested = RequestedColumns(
        metrics=tuple(dict.fromkeys(column.metric for column in comparison.columns)),
        regions=tuple(dict.fromkeys(column.region for column in comparison.columns)),
    )
    cases = set(comparison.cases)
    systems = {str(path): path for path in seeds}
    results = [
        replace(seed, cases={id: row for id, row in seed.cases.items() if id in cases})
        for seed in seeds.values()
    ]
    between = comparison_of(systems, results, requested)
    standings = stand(between, rule)
    distances = [
        np.abs(mean_over_cases(paired_rows(between, standings, rule, pair)))
        for pair in combinations(range(len(seeds)), 2)
    ]
    names = [name for name, _ in row_names(between)]
    return {
        name: SeedFloor(name, float(value), len(seeds), len(between.cases))
        for name, value in zip(names, np.max(distances, axis=0), strict=True)
        if name != RANK_AMONG_ALL
    }
