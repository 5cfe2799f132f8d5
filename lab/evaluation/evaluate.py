"""Score a folder of predictions against a folder of references with a challenge's own metric.

`python -m lab evaluate --scorer 2025-gli --predictions DIR --references DIR --out results.json`
writes the scores as JSON, in the platforms' CSV layout beside it, and nnU-Net's summary.json. A run
that was interrupted goes on where it stopped: finished cases are kept in a journal beside the
result file until all are done.
"""

import argparse
import functools
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np

from challenge.headers import last_line
from challenge.refusal import Refusal
from challenge.scheme import Scheme
from lab.arguments import add_dask, add_foreign, add_jobs, add_out, add_scheme, add_scorer
from lab.evaluation.case_cohorts import read_cohorts, unknown_cohort, with_cohorts
from lab.evaluation.case_facts import gather_facts
from lab.evaluation.choose_scorer import choose_scorer, refuse_other_labels
from lab.evaluation.detection import detect, detection_rows
from lab.evaluation.formats import write_csv, write_nnunet
from lab.evaluation.journal import CaseResult, Journal
from lab.evaluation.label_pairs import Unscored, read_pair
from lab.evaluation.matching import CasePair, match_cases
from lab.evaluation.origin import (
    PREDICTIONS,
    PROBABILITIES,
    REFERENCES,
    in_sample,
    scores_record,
    without_expected,
)
from lab.evaluation.probability_files import add_map, with_probabilities, without_maps
from lab.evaluation.results import Problem, Results, write_json
from lab.evaluation.score_table import table
from lab.metrics.csv_layouts import Layout
from lab.metrics.panther import volume_rmse_mm3
from lab.metrics.scorer import Scorer, score_missing, without_scores
from lab.output_files import make_folder
from lab.parallel import workers
from lab.progress import progress_bar


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add_scorer(parser, "official metric by name and year", required=True)
    add("--predictions", type=Path, required=True, metavar="DIR")
    add("--references", type=Path, required=True, metavar="DIR")
    add_out(parser, "results.json; .csv and nnU-Net's go beside it", "FILE", required=False)
    what = "2026-isles: folder of <id>_lesion.nii.gz or <id>.mha (default: beside the predictions)"
    add("--probabilities", type=Path, metavar="DIR", help=what)
    add(
        "--cohorts",
        type=Path,
        metavar="CSV",
        help="GoAT 2024, 2025: columns NewID and Cohort (default: what ids tell)",
    )
    add_scheme(parser, "voxel: whose labels (default: from BraTS ids)")
    add(
        "--absent",
        choices=["excluded", "one"],
        default="excluded",
        help="voxel: a label in neither map is excluded from the mean, or scores 1",
    )
    add_foreign(parser, "score cases whose names speak of a challenge of other label values")
    add_jobs(parser)
    add_dask(parser)
    add("--strict", action="store_true", help="any problem: exit 1 and write nothing")


def run(args: argparse.Namespace) -> int:
    """Score every case, print the table, write the files; exit 1 if a case has no scores."""
    if args.out:
        check_out(args.out)
    pairs, problems = match_cases(args.predictions, args.references)
    scorer, scheme, assumed = choose_scorer(args.scorer, args.scheme, args.absent, pairs)
    refuse_other_labels([pair.id for pair in pairs], scheme, args.foreign)
    pairs, odd_cohorts = with_cohorts(pairs, scorer, _cohort_table(args.cohorts, scorer))
    pairs, unmeasured = with_probabilities(pairs, args.probabilities, scorer)
    problems = without_maps(problems, pairs, scorer)
    folders = {PREDICTIONS: args.predictions, REFERENCES: args.references}
    if any(pair.probability for pair in pairs):
        folders[PROBABILITIES] = args.probabilities or args.predictions
    record = scores_record(folders, pairs, scorer, args.out.name if args.out else "")
    journal = Journal(args.out, scorer) if args.out else None
    with workers(args.jobs, args.dask):
        cases = evaluate(pairs, scorer, scheme, journal)
    results = collect(cases, [*problems, *assumed, *odd_cohorts, *unmeasured], scorer, scheme)
    results = without_expected(replace(results, provenance=record), args.predictions)
    _print_problems(results)
    if sentence := in_sample(results):
        print(f"{args.predictions}: {sentence}; no evidence of what they gain", file=sys.stderr)
    if args.strict and results.problems:
        print(f"{len(results.problems)} problems; --strict writes nothing", file=sys.stderr)
        if journal:
            journal.remove()
        return 1
    if journal:  # first: a reader that closes the pipe, as `head` does, loses no result
        write_files(results, args.out, scorer.layout)
        journal.remove()
    if results.cases:
        print(table(results))
    unscored = [p for p in results.problems if not p.scored and p.kind != "extra"]
    return 1 if unscored else 0


def check_out(out: Path) -> None:
    """Make a result file's folder, or refuse one that could not be written, before scoring.

    Raises:
        Refusal: its folder cannot be made, or it is a folder or a CSV file.
    """
    if out.is_dir() or out.suffix == ".csv":  # the platform's table goes there
        raise Refusal(f"{out}: --out takes a file's name that does not end in .csv")
    make_folder(out.parent)


def write_files(results: Results, out: Path, layout: Layout) -> None:
    """Write results.json, and beside it the platform's table and nnU-Net's summary."""
    write_json(results, out, detection_rows(detect(results)))
    write_csv(results, out.with_suffix(".csv"), layout)
    write_nnunet(results, out.with_name(f"{out.stem}-nnunet-summary.json"))


def _print_problems(results: Results) -> None:
    for problem in results.problems:
        # Names of files and foreign errors may hold line breaks.
        print(" ".join(f"{problem.kind}: {problem.message}".split()), file=sys.stderr)


def evaluate(
    pairs: Sequence[CasePair], scorer: Scorer, scheme: Scheme, journal: Journal | None = None
) -> list[CaseResult]:
    """Score all pairs in the processes of the surrounding joblib backend.

    Cases that the journal holds are not scored again; the others are appended to it.
    """
    done = journal.read(pairs) if journal else {}
    missing = [pair for pair in pairs if pair.id not in done]
    task = joblib.delayed(functools.partial(score_case, scorer=scorer, scheme=scheme))
    with progress_bar(len(pairs), description="scoring", done=len(done)) as bar:
        running = joblib.Parallel(n_jobs=None, return_as="generator_unordered")
        for case in running(task(pair) for pair in missing):
            done[case.pair.id] = case
            if journal:
                journal.append(case)
            bar.update()
    return [done[pair.id] for pair in pairs]


def score_case(pair: CasePair, scorer: Scorer, scheme: Scheme) -> CaseResult:
    """Score one case; nothing that a file can be makes this raise."""
    try:
        if scorer.by_cohort and not pair.cohort:
            raise Unscored("cohort", f"{pair.reference}: {unknown_cohort(scorer)}")
        scorer = scorer.of(pair.cohort)
        return _scored(pair, scorer, scheme)
    except Unscored as error:
        kind, text = error.kind, str(error)
    except Exception as error:  # noqa: BLE001 - one file never ends an evaluation
        kind = "failed"
        text = f"{pair.prediction or pair.reference}: {type(error).__name__}: {last_line(error)}"
    problem = Problem(pair.id, kind, text, scored=False)
    return CaseResult(pair, without_scores(scorer), None, (problem,))


def _scored(pair: CasePair, scorer: Scorer, scheme: Scheme) -> CaseResult:
    read, problems = read_pair(pair.id, (pair.prediction, pair.reference), scorer, scheme)
    facts = gather_facts(read, (pair.prediction, pair.reference), scheme)
    if pair.prediction is not None:
        read, faults = add_map(read, pair)
        return CaseResult(pair, scorer.score(read), facts, (*problems, *faults))
    scores = score_missing(scorer, read)
    text = f"{pair.reference}: no prediction for {pair.id}, {scorer.missing_in_words}"
    problems.append(Problem(pair.id, "missing", text, scored=True))
    return CaseResult(pair, scores, facts, tuple(problems))


def collect(
    cases: Sequence[CaseResult], problems: Sequence[Problem], scorer: Scorer, scheme: Scheme
) -> Results:
    """Put the cases together, in the order of their ids."""
    scores = {case.pair.id: case.scores for case in cases if case.scores is not None}
    scores |= {p.case: without_scores(scorer) for p in problems if p.kind == "duplicate" and p.case}
    results = Results(
        scorer=scorer.name,
        cases=dict(sorted(scores.items())),
        labels=dict(scheme.labels),
        regions=dict(scheme.regions),
        scheme=scheme.name,
        absent=scorer.absent,
        cohorts={case.pair.id: case.pair.cohort for case in cases if case.pair.cohort},
        facts={case.pair.id: case.facts for case in cases if case.facts},
        problems=(*problems, *(problem for case in cases for problem in case.problems)),
    )
    return results if not scorer.binary else _with_volume_rmse(results)


def _with_volume_rmse(results: Results) -> Results:
    names = ("volume_prediction_mm3", "volume_reference_mm3")
    ours, theirs = (results.column("tumour", name) for name in names)
    scored = ~np.isnan(ours)
    rmse = volume_rmse_mm3(ours[scored], theirs[scored]) if scored.any() else np.nan
    extra = {"tumour": {"volume_rmse_mm3": {"value": rmse, "n": int(scored.sum())}}}
    return Results(**{**vars(results), "extra": extra})


def _cohort_table(path: Path | None, scorer: Scorer) -> dict[str, str]:
    if path is None:
        return {}
    if not scorer.by_cohort:
        raise Refusal(f"--cohorts {path}: {scorer.name} scores all cases alike")
    return read_cohorts(path)
