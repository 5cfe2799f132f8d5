"""The experiments that arXiv 2512.14937 asks for, on cohorts whose best rules are known.

`python -m lab study --html study.html` plants cluster-dependent errors, searches for the rules that
repair them, and compares: no rules, one set for all, one a cluster; sizes, shares, both; the
published configuration and the validated one; ranking, Dice and NSD as objectives; further
features; repeated rounds; seeds and a shifted cohort; and cohorts without systematic errors, where
nothing should ship.

With `--cohort oof/a oof/b --references raw/Dataset501_X --scheme brats-gli` it runs them on label
maps of one or several systems, each made out of fold: the baselines' scores, what rules gain on
each, by each scorer, and what rules of one system gain on another's maps.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from lab.arguments import add_foreign, add_jobs, add_scheme, add_seed
from lab.metrics.scorers import SCORERS
from lab.output_files import check_page


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    planted = parser.add_argument_group("planted cohorts")
    add = planted.add_argument
    add("--cases", type=int, default=200, metavar="N", help="planted cases (200)")
    add("--null-seeds", type=int, default=20, metavar="N", help="cohorts without errors (20)")
    add("--null-cases", type=int, default=100, metavar="N", help="cases in each of those (100)")
    faults = "cohorts of each kind of fault, 0 for none (5)"
    add("--fault-seeds", type=int, default=5, metavar="N", help=faults)
    add("--fault-cases", type=int, default=40, metavar="N", help="cases in each of those (40)")
    add_seed(planted, "of the planted cohort")
    label_maps = parser.add_argument_group("label maps instead")
    add = label_maps.add_argument
    add("--cohort", type=Path, nargs="+", metavar="MASKS", help="a folder a system, out of fold")
    add("--references", type=Path, metavar="DIR", help="nnU-Net raw dataset folder of their cases")
    add_scheme(label_maps, "whose label values the maps hold")
    scorers = "the first chooses rules, all judge them (default: the newest of the challenge)"
    add("--scorers", nargs="+", choices=SCORERS, metavar="NAME", help=scorers)
    add_foreign(label_maps, "take maps of another cohort, or of cases that were trained on")
    add_jobs(parser, 2)
    add = parser.add_argument
    add("--html", type=Path, required=True, metavar="FILE", help="the page; .json, .md go beside")


def run(args: argparse.Namespace) -> int:
    """Run every experiment, and write the page and its numbers."""
    from lab.parallel import workers
    from lab.study.page import write_study

    check_page(args.html)
    if args.cohort or args.references:
        return run_on_systems(args)
    started = time.perf_counter()
    with workers(args.jobs, None):
        content = study(args.cases, args.seed, print_progress(started))
        content["null"] = null_study(args.null_seeds, args.null_cases, args.seed + 1)
        print_progress(started)("null cohorts")
        content["faults"] = fault_table(
            args.fault_cases, args.fault_seeds, args.null_seeds, args.seed, print_progress(started)
        )
    content["null_cases"] = args.null_cases
    content["seconds"] = time.perf_counter() - started
    for path in write_study(content, args.html):
        print(path)
    return 0


def run_on_systems(args: argparse.Namespace) -> int:
    """Run the experiments on label maps.

    Raises:
        Refusal: an option is missing, or label maps and references do not belong together.
    """
    from lab.metrics.scorers import scorer_named
    from lab.parallel import workers
    from lab.rule_search.config import SEARCH_CONFIGS
    from lab.study.page import write_systems_study
    from lab.study.systems import read_systems
    from lab.study.systems_study import study_systems

    needed = {"--cohort": args.cohort, "--references": args.references, "--scheme": args.scheme}
    if missing := [name for name, value in needed.items() if not value]:
        raise Refusal(f"{', '.join(missing)}: missing, of a study of label maps")
    scheme, config = SCHEMES[args.scheme], SEARCH_CONFIGS["validated"]
    scorers = [scorer_named(name, scheme) for name in args.scorers or [None]]
    systems = read_systems(args.cohort, args.references, scheme, config, args.foreign)
    started = time.perf_counter()
    with workers(args.jobs, None):
        content = study_systems(systems, scorers, print_progress(started))
    content["seconds"] = time.perf_counter() - started
    for path in write_systems_study(content, args.html):
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
        "decision": {
            **e.describe_decision(planted, decision),
            "agreement": e.agreement(planted, decision.assigned.clusters),
        },
        "recovered": recovered(planted, decision, CLUSTERS),
    }
    report("decision")
    content["methods"] = e.compare_methods(planted, decision)
    content["pairs"] = e.compare_pairs(planted, decision)
    report("methods")
    published = make_planted(cohort, cases, SEARCH_CONFIGS["published"])
    published_decision = decide(published.features, published.cache, published.config)
    both = [(planted, decision), (published, published_decision)]
    content["configs"] = [
        {**row, "agreement": e.agreement(of, chosen.assigned.clusters)}
        for row, (of, chosen) in zip(e.compare_configs(both), both, strict=True)
    ]
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


def fault_table(
    cases: int, seeds: int, null_seeds: int, seed: int, report: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Judge every method on every kind of fault, and on cohorts without any; [] for no seeds."""
    from lab.study.fault_kinds import FAULT_KINDS, NULL_KIND
    from lab.study.fault_study import study_faults

    if not seeds:
        return []
    rows = study_faults(FAULT_KINDS, cases, seeds, seed, report)
    return rows + study_faults((NULL_KIND,), cases, max(null_seeds, 1), seed, report)


def print_progress(started: float) -> Callable[[str], None]:
    """Return what prints a name and the seconds since `started`."""

    def report(name: str) -> None:
        print(f"{name}: done after {time.perf_counter() - started:.0f} s", flush=True)

    return report
