"""The experiments that arXiv 2512.14937 asks for, on cohorts whose best rules are known.

`python -m lab study --html study.html` plants cluster-dependent errors, searches for the rules that
repair them, and compares: no rules, one set for all, one a cluster; sizes, shares, both; the
published configuration and the validated one; ranking, Dice and NSD as objectives; further
features; repeated rounds; seeds and a shifted cohort; and cohorts without systematic errors, where
nothing should ship.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.arguments import add_jobs, add_seed
from lab.output_files import check_page


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("--cases", type=int, default=200, metavar="N", help="planted cases (200)")
    add("--null-seeds", type=int, default=20, metavar="N", help="cohorts without errors (20)")
    add("--null-cases", type=int, default=100, metavar="N", help="cases in each of those (100)")
    add_seed(parser, "of the planted cohort")
    add_jobs(parser, 2)
    add("--html", type=Path, required=True, metavar="FILE", help="the page; .json, .md go beside")


def run(args: argparse.Namespace) -> int:
    """Run every experiment, and write the page and its numbers."""
    from lab.parallel import workers
    from lab.study.page import write_study

    check_page(args.html)
    started = time.perf_counter()
    with workers(args.jobs, None):
        content = study(args.cases, args.seed, print_progress(started))
        content["null"] = null_study(args.null_seeds, args.null_cases, args.seed + 1)
    print_progress(started)("null cohorts")
    content["null_cases"] = args.null_cases
    content["seconds"] = time.perf_counter() - started
    for path in write_study(content, args.html):
        print(path)
    return 0


def study(cases: int, seed: int, report: Callable[[str], None]) -> dict[str, Any]:
    """Run the experiments on one planted cohort; `report` is called with the name of each."""
    from lab.rule_search.config import SEARCH_CONFIGS
    from lab.rule_search.decision import decide
    from lab.study import experiments as e
    from lab.study.checks import check_stability
    from lab.study.cohorts import SCORER, make_planted
    from lab.study.planted import PlantedCohort
    from lab.study.planted_clusters import CLUSTERS, shifted
    from lab.study.recovery import recovered

    cohort = PlantedCohort(CLUSTERS, seed)
    planted = make_planted(cohort, cases)
    report("planted cohort")
    decision = decide(planted.features, planted.cache, planted.config)
    content: dict[str, Any] = {
        "cases": cases,
        "seed": seed,
        "scorer": SCORER,
        "decision": e.describe_decision(planted, decision),
        "recovered": recovered(planted, decision, CLUSTERS),
    }
    report("decision")
    content["methods"] = e.compare_methods(planted, decision)
    content["pairs"] = e.compare_pairs(planted, decision)
    report("methods")
    published = make_planted(cohort, cases, SEARCH_CONFIGS["published"])
    published_decision = decide(published.features, published.cache, published.config)
    content["configs"] = e.compare_configs([(planted, decision), (published, published_decision)])
    report("configurations")
    content["objectives"] = e.compare_objectives(planted, decision)
    report("objectives")
    content["features"] = e.compare_features(planted, decision)
    report("features")
    content["rounds"] = e.repeat_rounds(cohort, planted, decision)
    report("rounds")
    other = make_planted(PlantedCohort(shifted(CLUSTERS), seed + 1000), cases)
    content["stability"] = check_stability(planted, decision, other)
    report("stability")
    return content


def null_study(cohorts: int, cases: int, seed: int) -> list[dict[str, Any]]:
    """Search cohorts without systematic errors, seeds `seed` and on."""
    from lab.study.checks import check_null
    from lab.study.planted import PlantedCohort
    from lab.study.planted_clusters import CLUSTERS, null_of

    return [check_null(PlantedCohort(null_of(CLUSTERS), seed + i), cases) for i in range(cohorts)]


def print_progress(started: float) -> Callable[[str], None]:
    """Return what prints a name and the seconds since `started`."""

    def report(name: str) -> None:
        print(f"{name}: done after {time.perf_counter() - started:.0f} s", flush=True)

    return report
