"""Rank systems that were scored on the same cases, and say which differences are shown.

`python -m lab rank A.json B.json [...]` reads what `lab evaluate`, a platform or a team (a table),
nnU-Net (summary.json) or PANTHER's evaluator wrote. A rank is relative to the systems it is among
and hides how far they are apart, so the absolute differences are tested and printed beside it.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from lab.arguments import add_out, add_seed, positive_number
from lab.evaluation.case_groups import read_groupings
from lab.evaluation.columns import ComparisonError, RequestedColumns
from lab.evaluation.comparison import read_comparison
from lab.evaluation.formats import read_results
from lab.evaluation.pair import Sampling
from lab.evaluation.rank_json import as_json
from lab.evaluation.rank_text import text
from lab.evaluation.ranking import rank_systems
from lab.evaluation.results import Results, to_json
from lab.evaluation.standings import Nan, Rule, default_rule
from lab.output_files import check_file, check_page
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
    rankings_help = "resamples of cases that are ranked anew (1000)"
    groups_help = "case id, then columns such as site or size: the ranking of every group"
    floor_help = "results of further seeds of the first FILE: how far seeds differ"
    in_sample = "compare also maps that were refined by rules fitted on the same cases"
    add("--in-sample", action="store_true", help=in_sample)
    add("--strict", action="store_true", help="refuse files that do not hold the same cases")
    add("--resamples", type=positive_number, default=10_000, metavar="N", help="bootstrap (10000)")
    add("--flips", type=positive_number, default=10_000, metavar="N", help="sign flips (10000)")
    add("--rankings", type=positive_number, default=1000, metavar="N", help=rankings_help)
    add_seed(parser, "of all three")
    add("--groups", type=Path, metavar="FILE.csv", help=groups_help)
    add("--seed-floor", nargs="+", type=Path, default=[], metavar="FILE", help=floor_help)
    add_out(parser, "write the numbers as JSON too", "FILE.json", required=False)
    add("--html", type=Path, metavar="FILE.html", help="write a page with pictures too")


def run(args: argparse.Namespace) -> int:
    """Print who stands where and how any two systems compare."""
    sampling = Sampling(args.resamples, args.flips, args.seed, args.rankings)
    if args.published and (args.ties or args.metrics or args.nan):
        raise ComparisonError("--published sets --ties, --metrics and --nan itself")
    for path, check in ((args.out, check_file), (args.html, check_page)):
        if path:
            check_output(path, args.results, check)
    requested = RequestedColumns(
        metrics=PUBLISHED_METRICS if args.published else args.metrics and tuple(args.metrics),
        regions=args.regions and tuple(args.regions),
        summary_rows=args.summary_rows or args.published,
        strict=args.strict,
    )
    comparison = read_comparison(args.results, requested)
    default = default_rule(comparison.scorer)
    seeds = read_seeds(args.results[0], args.seed_floor)
    ties: Ties = "dense" if args.published else args.ties or default.ties
    rule = Rule(ties, args.nan or default.nan)
    groupings, no_groups = (
        read_groupings(args.groups, comparison.cases) if args.groups else ((), ())
    )
    for left_out in (*comparison.left_out, *no_groups):
        print(f"rank: {left_out}", file=sys.stderr)
    ranking = rank_systems(comparison, rule, sampling, seeds, groupings, args.in_sample)
    print(text(ranking))
    if args.out:
        content = as_json(ranking)
        content["rule"] |= {"published": args.published}
        args.out.write_text(to_json(content) + "\n", encoding="utf-8")
    if args.html:
        from lab.evaluation.rank_page import render  # matplotlib takes a second

        args.html.write_text(render(ranking), encoding="utf-8", errors="backslashreplace")
    without_verdict = {} if args.in_sample else comparison.in_sample
    if without_verdict:
        print(
            f"rank: no verdict on {', '.join(without_verdict)}, scored on cases that rules were "
            "fitted on; `lab search` writes held-out maps, WORK/held_out; --in-sample accepts this",
            file=sys.stderr,
        )
    return int(bool(without_verdict))


def read_seeds(first: Path, others: Sequence[Path]) -> dict[Path, Results]:
    """Read results of further seeds of the first system, beside its own; {} where there are none.

    Raises:
        Refusal: a file is not a result file, or is given twice.
    """
    paths = [first, *others]
    for path in others:
        if [each.resolve() for each in paths].count(path.resolve()) > 1:
            raise ComparisonError(f"--seed-floor {path}: given twice, or is the first system")
    return {path: read_results(path) for path in paths} if others else {}


def check_output(path: Path, results: Sequence[Path], check: Callable[[Path], None]) -> None:
    """Refuse an output that could not be written or would overwrite a result file.

    Raises:
        ComparisonError: it is one of the result files.
        Refusal: it is a folder, its folder cannot be made, or its name says it is something else.
    """
    check(path)
    if path.resolve() in [each.resolve() for each in results]:
        raise ComparisonError(f"{path}: is one of the result files")
