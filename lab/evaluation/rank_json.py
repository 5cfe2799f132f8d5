"""What `python -m lab rank --out` writes."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from lab.evaluation.case_groups import Grouping
from lab.evaluation.pair import Pair
from lab.evaluation.pair_text import below_floor, sentence
from lab.evaluation.ranking import Ranking
from lab.evaluation.ranking_stability import Stability
from lab.evaluation.significance import Significance
from lab.evaluation.subgroups import Subgroup
from lab.evaluation.tiers import Tiers

Named = Callable[[Any], dict[str, Any]]
QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)


def as_json(ranking: Ranking) -> dict[str, Any]:
    """Return what the tables show, the mean rank of every case, and all cases by name."""
    comparison, standings = ranking.comparison, ranking.standings
    named = _by(ranking.names)
    cells, split = standings.nan_cells
    return {
        "scorer": comparison.scorer,
        "absent": comparison.absent,
        "ranked_by": list(dict.fromkeys(column.metric for column in comparison.columns)),
        "chosen": comparison.chosen,
        "not_ranked": comparison.not_ranked,
        "systems": {name: str(path) for name, path in comparison.systems.items()},
        "cases": len(comparison.cases),
        "summary_rows": len(comparison.summary_values),
        "left_out": comparison.left_out,
        "in_sample": comparison.in_sample,
        "nan_cells": {"any": cells, "some_but_not_all": split},
        "ranking": {
            "place": named(standings.place),
            "mean_rank": named(standings.mean_rank),
            "mean_rank_of_region": {r: named(v) for r, v in standings.region_rank.items()},
            "mean_rank_of_column": [
                {"region": c.region, "metric": c.metric, "mean_rank": named(row)}
                for c, row in zip(comparison.columns, standings.ranks.mean(0), strict=True)
            ],
            "mean_rank_of_case": dict(
                zip(comparison.cases, map(named, standings.case_ranks), strict=True)
            ),
            "mean_score": None if standings.mean_score is None else named(standings.mean_score),
        },
        "position_of_means": {
            "mean_position": named(standings.mean_position),
            "columns": [
                {
                    "region": c.region,
                    "metric": c.metric,
                    "better": c.better,
                    "mean": named(standings.means[i]),
                    "position": named(standings.positions[i]),
                }
                for i, c in enumerate(standings.mean_columns)
            ],
        },
        "stability": [_stability(named, each) for each in ranking.stability],
        "significance": _significance(named, ranking.significance),
        "tiers": _tiers(named, ranking.tiers),
        "seed_floor": {what: asdict(floor) for what, floor in ranking.floors.items()},
        "groups": {each.column: _grouping(each, comparison.cases) for each in ranking.groupings},
        "subgroups": [_subgroup(named, each) for each in ranking.subgroups],
        "counts_known": comparison.counted,
        "pairs": [_pair(ranking, pair) for pair in ranking.pairs],
        "rule": asdict(ranking.rule),
        "sampling": asdict(ranking.sampling),
    }


def _stability(named: Named, stability: Stability) -> dict[str, Any]:
    low, high = stability.interval
    tau = stability.tau[~np.isnan(stability.tau)]
    return {
        "method": stability.method,
        "place": named(stability.full),
        "median": named(stability.median),
        "low": named(low),
        "high": named(high),
        "first": named(stability.first),
        "share_of_place": named(stability.frequency.tolist()),
        "kendall_tau_b": {
            "samples": len(tau),
            "mean": float(tau.mean()) if len(tau) else None,
            "quantiles": dict(zip(map(str, QUANTILES), np.quantile(tau, QUANTILES), strict=True))
            if len(tau)
            else None,
        },
    }


def _tiers(named: Named, tiers: Tiers) -> dict[str, Any]:
    names = tuple(named(tiers.tier))
    return {
        "tier": named(tiers.tier),
        "apart_within": [[names[i] for i in pair] for pair in tiers.apart_within],
        "p_ahead": {name: named(p) for name, p in zip(names, tiers.p, strict=True)},
    }


def _significance(named: Named, tests: Significance) -> dict[str, Any]:
    names = named(tests.wins)
    return {
        "test": "Wilcoxon signed rank, one-sided: the row's system is better than the column's",
        "of": tests.number,
        "p": dict(zip(names, map(named, tests.p), strict=True)),
        "p_holm": dict(zip(names, map(named, tests.p_holm), strict=True)),
        "wins": named(tests.wins),
        "wins_holm": named(tests.wins_holm),
    }


def _grouping(grouping: Grouping, cases: Sequence[str]) -> dict[str, Any]:
    return {
        "groups": {name: [cases[i] for i in group] for name, group in grouping.groups.items()},
        "without": grouping.without,
        "in_thirds": grouping.in_thirds,
    }


def _subgroup(named: Named, group: Subgroup) -> dict[str, Any]:
    standings = group.standings
    ranking = standings and {
        "place": named(standings.place),
        "mean_rank": named(standings.mean_rank),
        "mean_score": None if standings.mean_score is None else named(standings.mean_score),
        "means": [
            {"region": c.region, "metric": c.metric, "mean": named(row)}
            for c, row in zip(standings.mean_columns, standings.means, strict=True)
        ],
    }
    facts = {"column": group.column, "group": group.name, "cases": group.cases}
    gains = [asdict(gain) for gain in group.gains]
    return facts | {"ranking": ranking, "tau": group.tau, "gain_of": group.number, "gains": gains}


def _pair(ranking: Ranking, pair: Pair) -> dict[str, Any]:
    cases = ranking.comparison.cases
    support = {
        what: asdict(each)
        | {"official": each.official}
        | {side: [cases[i] for i in getattr(each, side)] for side in ("left", "entered")}
        for what, each in pair.support.items()
    }
    return asdict(pair) | {
        "support": support,
        "withheld": sorted(pair.withheld),
        "below_seed_floor": [c.what for c in pair.comparisons if below_floor(c, ranking.floors)],
        "sentence": sentence(pair, ranking.floors),
    }


def _by(names: tuple[str, ...]) -> Named:
    def named(values: Any) -> dict[str, Any]:
        return dict(zip(names, values, strict=True))

    return named
