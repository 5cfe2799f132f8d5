"""The experiments that arXiv 2512.14937 asks for, on cohorts whose best rules are known.

`python -m lab study --html study.html` plants cluster-dependent errors, searches for the rules that
repair them, and compares: no rules, one set for all, one a cluster; sizes, shares, both; the
published configuration and the validated one; ranking, Dice and NSD as objectives; further
features; repeated rounds; seeds and a shifted cohort; cohorts without systematic errors, where
nothing should ship; and which method repairs which kind of error. Each cohort is written to
study.parts when it is done, and the same command goes on with those that lack.

With `--cohort oof/a oof/b --references raw/Dataset501_X --scheme brats-gli` it runs them on label
maps of one or several systems, each made out of fold: the baselines' scores, what rules gain on
each, by each scorer, and what rules of one system gain on another's maps.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from lab.arguments import add_foreign, add_jobs, add_scheme, add_seed
from lab.metrics.scorers import SCORERS
from lab.output_files import check_page
from lab.study.parts import Content, Part, compute_parts, compute_serially, remove_parts


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
    from lab.study.fault_table import fault_parts, fault_tables
    from lab.study.page import write_study

    check_page(args.html)
    if args.cohort or args.references:
        return run_on_systems(args)
    folder, report = args.html.with_suffix(".parts"), print_progress(time.perf_counter())
    cohort = Part("planted cohort", (args.cases, args.seed), partial(study, args.cases, args.seed))
    null = null_parts(args.null_seeds, args.null_cases, args.seed + 1)
    faults = fault_parts(args.fault_cases, args.fault_seeds, args.null_seeds, args.seed)
    with workers(args.jobs, None):
        content = dict(compute_serially(cohort, folder, report))
        content["null"] = compute_parts(null, folder, report)
        content |= fault_tables(compute_parts(faults, folder, report))
    content |= {"null_cases": args.null_cases, "command": command_of(args)}
    for path in write_study(content, args.html):
        print(path)
    remove_parts([cohort, *null, *faults], folder)
    return 0


def command_of(args: argparse.Namespace) -> str:
    """Return the command that makes the same numbers."""
    names = ("cases", "null_seeds", "null_cases", "fault_seeds", "fault_cases", "seed")
    options = " ".join(f"--{name.replace('_', '-')} {getattr(args, name)}" for name in names)
    return f"python -m lab study {options} --html {args.html.name}"


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


def study(cases: int, seed: int) -> dict[str, Any]:
    """Run the experiments on one planted cohort, with a line of progress for each."""
    from lab.rule_search.config import SEARCH_CONFIGS
    from lab.rule_search.decision import decide
    from lab.study import experiments as e
    from lab.study.checks import check_stability
    from lab.study.cohorts import SCORER, make_planted
    from lab.study.planted import PlantedCohort
    from lab.study.planted_clusters import CLUSTERS, shifted
    from lab.study.recovery import recovered

    report = print_progress(time.perf_counter())
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


def null_parts(cohorts: int, cases: int, seed: int) -> list[Part]:
    """List one part a cohort without systematic errors, seeds `seed` and on."""
    return [
        Part(f"null, seed {number}", (cases, number), partial(null_row, cases, number), ships)
        for number in range(seed, seed + cohorts)
    ]


def null_row(cases: int, seed: int) -> Content:
    """Search a cohort without systematic errors."""
    from lab.study.checks import check_null
    from lab.study.planted import PlantedCohort
    from lab.study.planted_clusters import CLUSTERS, null_of

    return check_null(PlantedCohort(null_of(CLUSTERS), seed), cases)


def ships(row: Content) -> str:
    """Say what ships on a cohort."""
    return f"ships {row['ships']}"


def print_progress(started: float) -> Callable[[str], None]:
    """Return what prints a line, and the seconds since `started`."""

    def report(line: str) -> None:
        print(f"{line} (after {time.perf_counter() - started:.0f} s)", flush=True)

    return report
