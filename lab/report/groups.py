"""Groups of cases, such as sites or sizes: the scores of each, and what changed in each."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from lab.evaluation.case_groups import Grouping, for_cases
from lab.evaluation.comparison import Comparison
from lab.evaluation.pair import Sampling
from lab.evaluation.results import Results
from lab.evaluation.seed_floor import seed_floors
from lab.evaluation.standings import default_rule
from lab.evaluation.subgroup_text import grouping_sentence, subgroups_text
from lab.evaluation.subgroups import FEWEST_CASES, Subgroup, rank_subgroups
from lab.metrics.metric_info import unit
from lab.report.headline import kind_of
from lab.statistics import mean_estimate


def group_scores(results: Results, groupings: Sequence[Grouping], metric: str) -> dict[str, Any]:
    """Return the mean and interval of a metric in every region, of all cases of each group.

    Keys: `metric`, `unit`, `dice_kind`, `tables`, one a column of the file: `column`, `sentence`,
    and `rows` of `group`, `n` (cases) and `regions` (region -> estimate).
    """
    columns = {region: results.column(region, metric) for region in results.scored_regions}
    tables = [
        {
            "column": grouping.column,
            "sentence": grouping_sentence(grouping),
            "rows": [
                {
                    "group": name,
                    "n": len(cases),
                    "regions": {
                        region: asdict(mean_estimate(values[list(cases)]))
                        for region, values in columns.items()
                    },
                }
                for name, cases in grouping.groups.items()
            ],
        }
        for grouping in groupings
    ]
    kind = kind_of(results, metric)
    return {"metric": metric, "unit": unit(metric), "dice_kind": kind, "tables": tables}


def group_changes(
    comparison: Comparison,
    groupings: Sequence[Grouping],
    cases: Sequence[str],
    seeds: Mapping[Path, Results],
    sampling: Sampling,
) -> dict[str, Any]:
    """Compare two systems in every group of cases, as `rank --groups` does.

    Keys: `what` a gain is of, `tests` (how many Holm's adjustment is over), `fewest` cases that a
    verdict takes, `text` as `rank` prints it, and `tables`, one a column of the file: `column`,
    `sentence` and `rows` of `group`, `n` (cases), `before`, `after` and `gain`, None of one case.

    Args:
        comparison: of the two, the earlier one first.
        groupings: of some cases.
        cases: those that the groupings are of.
        seeds: results of two or more seeds of the earlier system; {}: no floor.
        sampling: draws of intervals and tests.
    """
    of_comparison = [for_cases(grouping, cases, comparison.cases) for grouping in groupings]
    with_cases = tuple(grouping for grouping in of_comparison if grouping.groups)
    rule = default_rule(comparison.scorer)
    floors = seed_floors(seeds, comparison, rule) if seeds and with_cases else {}
    groups = rank_subgroups(comparison, with_cases, rule, sampling, floors) if with_cases else ()
    by_column = groupby(groups, key=lambda group: group.column)
    return {
        "what": next((group.number for group in groups if group.number), ""),
        "tests": sum(gain.n >= FEWEST_CASES for group in groups for gain in group.gains),
        "fewest": FEWEST_CASES,
        "text": subgroups_text(with_cases, groups, tuple(comparison.systems)) if groups else "",
        "tables": [
            {
                "column": grouping.column,
                "sentence": grouping_sentence(grouping),
                "rows": [_row(group) for group in members],
            }
            for grouping, (_, members) in zip(with_cases, by_column, strict=True)
        ],
    }


def _row(group: Subgroup) -> dict[str, Any]:
    row: dict[str, Any] = {"group": group.name, "n": group.cases, "gain": None}
    standings = group.standings
    if standings is None:
        return row | {"before": None, "after": None}
    means = standings.mean_rank if standings.mean_score is None else standings.mean_score
    before, after = means.tolist()
    return row | {"before": before, "after": after, "gain": asdict(group.gains[0])}
