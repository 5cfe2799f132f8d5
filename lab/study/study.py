"""The experiments that arXiv 2512.14937 asks for, on cohorts whose best rules are known.

`python -m lab study --html study.html` plants cluster-dependent faults, searches for the rules that
repair them, and compares: no rules, one set for all, one a cluster; sizes, shares, both; the
published configuration and ours; ranking, Dice and NSD as objectives; further features; repeated
rounds; seeds and a shifted cohort; and cohorts without systematic faults, where nothing should
ship.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from lab.arguments import add_jobs, add_seed
from lab.output_files import check_page


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("--cases", type=int, default=200, metavar="N", help="planted cases (200)")
    add("--null-seeds", type=int, default=20, metavar="N", help="cohorts without faults (20)")
    add("--null-cases", type=int, default=100, metavar="N", help="cases in each of those (100)")
    add_seed(parser, "of the planted cohort")
    add_jobs(parser, 2)
    add("--html", type=Path, required=True, metavar="FILE", help="the page; .json, .md go beside")


def run(args: argparse.Namespace) -> int:
    """Run every experiment, and write the page and its numbers."""
    from lab.study.page import write_study

    check_page(args.html)
    content = study(args)
    for path in write_study(content, args.html):
        print(path)
    return 0


def study(args: argparse.Namespace) -> dict[str, Any]:
    """Run the experiments one after the other; each says how long it took."""
    from lab.parallel import workers
    from lab.rule_search.decision import decide
    from lab.study import experiments as e
    from lab.study.cohorts import make_planted
    from lab.study.planted_clusters import CLUSTERS, null_of, shifted
    from lab.study.recovery import recovered

    began = time.perf_counter()
    with workers(args.jobs, None):
        planted = make_planted(CLUSTERS, args.cases, args.seed)
        _say("planted cohort", began)
        decision = decide(planted.cohort)
        content: dict[str, Any] = {
            "cases": args.cases,
            "seed": args.seed,
            "scorer": "2025-gli",
            "decision": e.describe_decision(planted, decision),
            "recovered": recovered(planted, decision, CLUSTERS, e.VOXEL_MM3),
        }
        _say("decision", began)
        content["methods"] = e.compare_methods(planted)
        content["pairs"] = e.compare_pairs(planted)
        _say("methods", began)
        content["configs"] = e.compare_configs(CLUSTERS, args.cases, args.seed, (planted, decision))
        _say("configs", began)
        content["objectives"] = e.compare_objectives(planted)
        _say("objectives", began)
        content["features"] = e.compare_features(planted)
        _say("features", began)
        content["rounds"] = e.repeat_rounds(CLUSTERS, planted, args.seed)
        _say("rounds", began)
        other = make_planted(shifted(CLUSTERS), args.cases, args.seed + 1000)
        content["stability"] = e.check_stability(planted, decision, other)
        _say("stability", began)
        content["null"] = [
            e.check_null(null_of(CLUSTERS), args.null_cases, args.seed + 1 + i)
            for i in range(args.null_seeds)
        ]
        _say("null cohorts", began)
    content["null_cases"] = args.null_cases
    content["seconds"] = time.perf_counter() - began
    return content


def _say(what: str, began: float) -> None:
    print(f"{what}: done after {time.perf_counter() - began:.0f} s", flush=True)
