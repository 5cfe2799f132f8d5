"""Rank systems that were scored on the same cases, and say which differences are shown.

`python -m lab rank A.json B.json [...]` reads what `lab evaluate`, a platform (CSV) or nnU-Net
(summary.json) wrote. A rank is relative to the systems it is among and hides how far they are
apart, so the absolute differences are tested and printed beside it.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

from lab.arguments import add_out, add_seed, positive_number
from lab.evaluation.columns import ComparisonError, RequestedColumns
from lab.evaluation.comparison import Comparison, read_comparison
from lab.evaluation.paired import Pair, Sampling, compare
from lab.evaluation.rank_text import sentence, text
from lab.evaluation.results import to_json
from lab.evaluation.standings import Nan, Rule, Standings, default_rule, stand
from lab.output_files import check_file
from lab.statistics import Ties

# The post-processing paper's ranker (BraTS-Unofficial-Ranker, 2025): every column with Dice or NSD
# in its name, dense ranks, and the CSV's summary rows ranked as if they were cases.
PUBLISHED_METRICS = ("dice", "nsd_0.5", "nsd_1.0")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("results", nargs="+", type=Path, metavar="FILE", help="one result file a system")
    add("--metrics", nargs="+", help="default: what the scorer's organisers rank by")
    add("--regions", nargs="+", help="default: every region that every file has")
    add("--ties", choices=get_args(Ties), help="ranks of equal systems (default: average)")
    add(
        "--nan",
        choices=get_args(Nan),
        help="rank of NaN; by-cause (default): best where neither map holds the region, else "
        "worst; last (default of 2026-isles): the number of systems",
    )
    add("--summary-rows", action="store_true", help="rank a CSV's mean, std, ... like cases")
    add(
        "--published",
        action="store_true",
        help="as the published BraTS ranker: --ties dense --summary-rows, Dice and NSD only",
    )
    in_sample = "compare also maps that were refined by rules fitted on the same cases"
    add("--in-sample", action="store_true", help=in_sample)
    add("--strict", action="store_true", help="refuse files that do not hold the same cases")
    add("--resamples", type=positive_number, default=10_000, metavar="N", help="bootstrap (10000)")
    add("--flips", type=positive_number, default=10_000, metavar="N", help="sign flips (10000)")
    add_seed(parser, "of both")
    add_out(parser, "write the numbers as JSON too", "FILE.json", required=False)


def run(args: argparse.Namespace) -> int:
    """Print who stands where and how any two systems compare."""
    sampling = Sampling(args.resamples, args.flips, args.seed)
    if args.published and (args.ties or args.metrics or args.nan):
        raise ComparisonError("--published sets --ties, --metrics and --nan itself")
    if args.out:
        check_out(args.out, args.results)
    requested = RequestedColumns(
        metrics=PUBLISHED_METRICS if args.published else args.metrics and tuple(args.metrics),
        regions=args.regions and tuple(args.regions),
        summary_rows=args.summary_rows or args.published,
        strict=args.strict,
    )
    comparison = read_comparison(args.results, requested)
    default = default_rule(comparison.scorer)
    ties: Ties = "dense" if args.published else args.ties or default.ties
    rule = Rule(ties, args.nan or default.nan)
    verdicts = replace(comparison, in_sample={}) if args.in_sample else comparison
    for left_out in comparison.left_out:
        print(f"rank: {left_out}", file=sys.stderr)
    standings = stand(comparison, rule)
    pairs = compare(verdicts, standings, rule, sampling)
    print(text(comparison, standings, pairs, rule, sampling))
    if args.out:
        content = as_json(comparison, standings, pairs) | {
            "rule": asdict(rule) | {"published": args.published},
            "sampling": asdict(sampling),
        }
        args.out.write_text(to_json(content) + "\n", encoding="utf-8")
    if verdicts.in_sample:
        print(
            f"rank: no verdict on {', '.join(verdicts.in_sample)}, scored on cases that rules were "
            "fitted on; `lab search` writes held-out maps, WORK/held_out; --in-sample accepts this",
            file=sys.stderr,
        )
    return int(bool(verdicts.in_sample))


def check_out(out: Path, results: Sequence[Path]) -> None:
    """Refuse an output that could not be written or would overwrite a result file.

    Raises:
        ComparisonError: it is one of the result files.
        Refusal: it is a folder, or its folder cannot be made.
    """
    check_file(out)
    if out.resolve() in [path.resolve() for path in results]:
        raise ComparisonError(f"{out}: is one of the result files")


def as_json(
    comparison: Comparison, standings: Standings, pairs: tuple[Pair, ...]
) -> dict[str, Any]:
    """Return what the tables show, and the mean rank of every case."""
    named = _by(tuple(comparison.systems))
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
            "mean_rank_of_case": {
                id: named(row)
                for id, row in zip(comparison.cases, standings.case_ranks, strict=True)
            },
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
        "pairs": [asdict(pair) | {"sentence": sentence(pair)} for pair in pairs],
    }


def _by(names: tuple[str, ...]) -> Any:
    def named(values: Any) -> Mapping[str, Any]:
        return dict(zip(names, values, strict=True))

    return named
