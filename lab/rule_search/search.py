"""Choose rules for each cluster, and judge that way of choosing on cases that chose nothing.

`python -m lab search WORK [--scorer 2025-gli]`, after `lab features` and `lab fit`. Every distinct
state that a rule makes of a case is scored once; the rules chosen are applied to the images in the
end, and scored as any prediction, which must give the same numbers. WORK/decided then holds the
artefact as it should ship, WORK/forced what was fitted whatever its gain.
"""

import argparse
import datetime
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from challenge.refusal import Refusal
from lab.arguments import add_dask, add_jobs, add_scorer
from lab.data.cohort import CohortCase, read_cohort
from lab.metrics.objective import SEARCH_OBJECTIVES, search_columns
from lab.metrics.scorers import scorer_named
from lab.parallel import workers
from lab.rule_search.cases import Task, open_search_cases, score_on_images
from lab.rule_search.cross_validation import Cohort, apply
from lab.rule_search.decision import Decision, curves, decide
from lab.rule_search.feature_table import informative, load_table
from lab.rule_search.frozen import Provenance, freeze
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_space import make_search_space, rules_of
from lab.rule_search.summary import decision_lines
from lab.rule_search.workspace import (
    CLUSTERS,
    DECIDED,
    FEATURES,
    FORCED,
    SEARCH,
    read_setup,
    read_work,
    write_work,
)
from postprocess.artefacts import save_artefacts
from postprocess.rule_kinds import row_from

SAME = 1e-9  # what a score from a table may differ from that of the images


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("work", type=Path, metavar="WORK")
    add_scorer(parser)
    add(
        "--objective",
        choices=SEARCH_OBJECTIVES,
        help="default: the configuration's (overlap; published: rank)",
    )
    add_jobs(parser)
    add_dask(parser)


def run(args: argparse.Namespace) -> int:
    """Search, judge, check on the images, write search.json and both artefacts."""
    setup, settled = read_setup(args.work), read_work(args.work, CLUSTERS)
    scorer = scorer_named(args.scorer, setup.scheme)
    task = Task(setup, scorer)
    cases = read_cohort(Path(setup.cohort), setup.scheme)
    with workers(args.jobs, args.dask):
        cohort = open_cohort(args.work, cases, task, args.objective)
        cohort = replace(cohort, seed=settled["seed"])
        decision = decide(cohort, settled["clusters"])
        check_on_images(cohort, decision, cases, task)
    provenance = Provenance(datetime.date.today(), scorer.name)
    for name, forced in ((DECIDED, False), (FORCED, True)):
        (args.work / name).mkdir(exist_ok=True)
        save_artefacts(
            args.work / name, freeze(cohort, decision, replace(provenance, forced=forced))
        )
    write_work(args.work, SEARCH, search_content(cohort, decision, task))
    print("\n".join(decision_lines(cohort, decision)))
    return 0


def open_cohort(
    work: Path, cases: Sequence[CohortCase], task: Task, objective: str | None
) -> Cohort:
    """Read features and cut every case into parts.

    Raises:
        Refusal: the features are not those of these cases.
    """
    setup = task.setup
    table, _ = informative(load_table(work / FEATURES), setup.config.drops_constant)
    if table.ids != tuple(case.files.id for case in cases):
        raise Refusal(f"{work / FEATURES}: not the cases of {setup.cohort}; run lab features")
    search_cases, confusion = open_search_cases(cases, task)
    parameters = make_search_space(setup.scheme, setup.config, confusion)
    columns = search_columns(task.scorer, setup.scheme)
    # A table answers faster than it travels.
    jobs = 1 if task.scorer.fast_scorer else None
    return Cohort(
        table=table,
        cache=ScoreCache(search_cases, parameters, columns, setup.scheme, jobs),
        config=setup.config,
        objective=objective or setup.config.objective,
        parameters=tuple(range(len(parameters))),
        most_clusters=setup.config.most_clusters,
    )


def check_on_images(
    cohort: Cohort, decision: Decision, cases: Sequence[CohortCase], task: Task
) -> None:
    """Score each case's rules on its images.

    Raises:
        AssertionError: a score is not what the search took it for; the message names the case.
    """
    everything = np.arange(len(cases))
    settings, _ = apply(cohort, decision.fitted, everything)
    expected = cohort.cache.scores(settings, everything)
    rules = [rules_of(cohort.cache.parameters, setting) for setting in settings]
    running = joblib.Parallel(n_jobs=None, return_as="generator")
    found = running(
        joblib.delayed(score_on_images)(case, own, task)
        for case, own in zip(cases, rules, strict=True)
    )
    for case, scores, row in zip(cases, found, expected, strict=True):
        images = np.array([scores[region][metric] for region, metric in cohort.cache.columns])
        if not np.allclose(images, row, rtol=0, atol=SAME, equal_nan=True):
            raise AssertionError(f"{case.files.id}: {images} on the images, {row} in the search")


def search_content(cohort: Cohort, decision: Decision, task: Task) -> dict[str, Any]:
    """Return all that later steps and people ask about a search."""
    everything = np.arange(len(cohort.table.ids))
    fitted, parameters = decision.fitted, cohort.cache.parameters
    groups = [np.flatnonzero(decision.clusters == k) for k in range(len(fitted.settings))]
    chain = fitted.model
    described = np.nan_to_num(cohort.table.rows)
    return {
        "scorer": task.scorer.name,
        "objective": cohort.objective,
        "config": cohort.config.name,
        "scheme": cohort.cache.scheme.name,
        "cases": list(cohort.table.ids),
        "ships": decision.ships,
        "pooled_ships": decision.pooled_ships,
        "k": decision.k,
        "held_out_k": decision.held_out_k.tolist(),
        "assigned": decision.clusters.tolist(),
        "points": chain.project(described)[:, :2].tolist(),
        "centres": chain.centres[:, :2].tolist(),
        "parameters": [{**asdict(parameter), "title": parameter.title} for parameter in parameters],
        "clusters": [
            {
                "cases": int(n),
                "setting": list(setting),
                "rules": [row_from(rule) for rule in rules_of(parameters, setting)],
                "curves": curves(cohort, setting, own),
            }
            for n, setting, own in zip(fitted.sizes, fitted.settings, groups, strict=True)
        ],
        "pooled": {
            "setting": list(fitted.pooled),
            "rules": [row_from(rule) for rule in rules_of(parameters, fitted.pooled)],
            "curves": curves(cohort, fitted.pooled, everything),
        },
        "effects": decision.effects,
        "gain_in_sample": decision.gain_in_sample,
        "variants_scored": cohort.cache.states,
        "grid_points": len(everything) * sum(len(parameter.grid) for parameter in parameters),
    }
