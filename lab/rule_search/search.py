"""Choose rules for each cluster, and evaluate that procedure on held-out cases.

`python -m lab search WORK [--scorer 2025-gli]`, after `lab features` and `lab fit`. Every distinct
variant that rules make of a case is scored once; the rules chosen are applied to the images in the
end, and scored as any prediction, which must give the same numbers. WORK/decided then holds the
artefact as it should ship, WORK/forced what was fitted whatever its gain, and WORK/held_out every
case's labels after rules that were chosen without it, for `evaluate`, `rank` and `report`.
"""

import argparse
import datetime
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from challenge.provenance import HELD_OUT_FACT, KEY, Provenance, hash_json, program_version
from challenge.refusal import Refusal
from lab.arguments import add_dask, add_jobs, add_lost_at_most, add_scorer
from lab.data.cohort import CohortCase, read_cohort
from lab.metrics.objective import (
    SEARCH_OBJECTIVES,
    selection_columns,
    unmeasured_line,
)
from lab.metrics.scorer import Scorer
from lab.metrics.scorers import scorer_named
from lab.metrics.search_columns import search_columns, searched_scorer
from lab.parallel import workers
from lab.progress import progress_bar
from lab.rule_search.cases import all_have_votes, common_peaks, open_search_cases
from lab.rule_search.cross_validation import expected_fits
from lab.rule_search.decision import Decision, decide
from lab.rule_search.feature_table import FeatureTable, informative, load_table
from lab.rule_search.freeze import SearchRun, make_artefacts
from lab.rule_search.image_scores import HELD_OUT_FOLDER, SearchImages
from lab.rule_search.input_records import require_unchanged
from lab.rule_search.journal import Journal, open_journal
from lab.rule_search.score_cache import ScoreCache
from lab.rule_search.search_content import search_content
from lab.rule_search.search_progress import SearchProgress
from lab.rule_search.search_space import make_search_space
from lab.rule_search.seed_noise import noise_json, noise_lines, seed_noise
from lab.rule_search.summary import decision_lines, not_searched_lines, objective_line
from lab.rule_search.workspace import (
    CLUSTERS,
    DECIDED,
    FEATURES,
    FORCED,
    GATES,
    SEARCH,
    Setup,
    read_setup,
    read_work,
    write_work,
)
from postprocess.artefacts import save_artefacts


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("work", type=Path, metavar="WORK")
    add_scorer(parser)
    default = "default: overlap; rank for --config published"
    add("--objective", choices=SEARCH_OBJECTIVES, help=default)
    add_lost_at_most(parser)
    seeds = "label maps of other seeds of the same networks, out of fold: a gain's floor"
    add("--seed-floor", type=Path, nargs="+", default=[], metavar="DIR", help=seeds)
    add_jobs(parser)
    add_dask(parser)


def run(args: argparse.Namespace) -> int:
    """Search, cross-validate, check on the images, write search.json and both artefacts."""
    setup, clusters = read_setup(args.work), read_work(args.work, CLUSTERS)
    scorer = scorer_named(args.scorer, setup.scheme)
    objective = args.objective or setup.config.objective
    limit, seed = args.lost_at_most, clusters["seed"]
    config = replace(setup.config, objective=objective, seed=seed, lost_at_most=limit)
    cases = read_cohort(Path(setup.cohort), setup.scheme)
    features_record = require_unchanged(args.work, cases, setup)
    if clusters["features_sha256"] != features_record.sha256:
        raise Refusal(f"{args.work / CLUSTERS}: of other features; run lab fit again")
    options = {"scorer": scorer.name, "objective": objective, "seed": config.seed}
    journal = open_journal(args.work, options | {"clusters": clusters["clusters"]}, features_record)
    with workers(args.jobs, args.dask):
        features = read_features(args.work, cases, setup)
        cache = make_score_cache(cases, setup, scorer, journal, objective)
        with progress_bar(expected_fits(1, len(cases)), "fit", "choosing rules") as bar:
            cache.progress = SearchProgress(bar)
            decision = decide(features, cache, config, clusters["clusters"])
        cache.progress = SearchProgress()
        noise = None
        if args.seed_floor:
            seeds = cases, setup, args.seed_floor, scorer
            noise = seed_noise(*seeds, cache.columns, objective)
        content = search_content(features, cache, config, decision, scorer)
        content["seed_noise"] = noise_json(noise)
        record = Provenance(
            product="rules",
            name=SEARCH,
            sha256=hash_json(content),
            verb="search",
            version=program_version(),
            options=options | {"lost_at_most": limit},
            facts={"cases": len(cases), "ships": decision.ships},
            inputs={"features": features_record},
        )
        write_held_out(args.work, decision, SearchImages(cache, cases, setup, scorer), record)
    for name, forced in ((DECIDED, False), (FORCED, True)):
        search_run = SearchRun(datetime.date.today(), scorer.name, record, forced)
        (args.work / name).mkdir(exist_ok=True)
        artefacts = make_artefacts(features, cache, config, decision, search_run)
        save_artefacts(args.work / name, artefacts)
    write_work(args.work, SEARCH, content | {KEY: record.to_json()})
    (args.work / GATES).unlink(missing_ok=True)  # of the rules before
    journal.remove()
    leaderboard = selection_columns(scorer, setup.scheme)
    lines = [
        objective_line(objective, cache.columns, leaderboard),
        unmeasured_line(scorer),
        *not_searched_lines(cache, config, setup.probabilities is not None, bool(setup.members)),
    ]
    print("\n".join(filter(None, lines)), end="\n\n")
    print("\n".join(decision_lines(cache, config, decision)))
    if noise:
        print("\n".join(noise_lines(noise, decision.effects)))
    print(
        f"{args.work / HELD_OUT_FOLDER}: {len(cases)} label maps, each by the "
        f"{decision.held_out_method} rules that were chosen without it"
    )
    return 0


def read_features(work: Path, cases: Sequence[CohortCase], setup: Setup) -> FeatureTable:
    """Read the features of a work folder, without those that say nothing.

    Raises:
        Refusal: the features are not those of these cases.
    """
    table, _ = informative(load_table(work / FEATURES), setup.config.drops_constant)
    if table.ids != tuple(case.files.id for case in cases):
        raise Refusal(f"{work / FEATURES}: not the cases of {setup.cohort}; run lab features")
    return table


def make_score_cache(
    cases: Sequence[CohortCase],
    setup: Setup,
    scorer: Scorer,
    journal: Journal | None = None,
    objective: str = "overlap",
) -> ScoreCache:
    """Read every case and divide it into label components, ready to be scored."""
    columns = search_columns(scorer, setup.scheme, objective)
    searched = searched_scorer(scorer, columns)
    search_cases = open_search_cases(cases, setup, searched)
    return ScoreCache(
        search_cases,
        make_search_space(
            setup.scheme, setup.config, common_peaks(search_cases), all_have_votes(search_cases)
        ),
        columns,
        setup.scheme,
        # A table answers faster than it travels.
        jobs=1 if searched.fast_scorer else None,
        journal=journal,
    )


def write_held_out(
    work: Path, decision: Decision, images: SearchImages, search: Provenance
) -> None:
    """Write each case's labels by the rules of the fold that left it out, and check all scores.

    Args:
        work: the work folder.
        decision: what was chosen, held out and on all cases.
        images: of all cases.
        search: its record.

    Raises:
        ScoreMismatch: a score of an image differs from that in the search.
    """
    method, assigned = decision.held_out_method, decision.assigned
    held_out = decision.held_out[method]
    predictions = search.inputs["features"].inputs["predictions"]
    record = Provenance(
        product="label maps",
        name=HELD_OUT_FOLDER,
        sha256="",  # set when all are written
        verb="search",
        version=program_version(),
        facts={
            "rules": f"{method}, each case's without it",
            "cases": len(images.cases),
            "training_cases": 0,
            HELD_OUT_FACT: predictions.held_out,
        },
        inputs={"predictions": predictions, "search": search},
    )
    images.write(held_out.settings, work / HELD_OUT_FOLDER, record)
    pairs = zip(held_out.settings, assigned.settings, strict=True)
    images.check(assigned.settings, np.flatnonzero([one != other for one, other in pairs]))
