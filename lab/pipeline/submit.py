"""From trained folders to a proven model that ships, in one command that goes on where it stopped.

`python -m lab submit RESULTS_FOLDER ... --cohort nnUNet_raw/DatasetX --scheme NAME --name mine
--work work`. Each step is a verb of its own, whose command `--dry-run` shows and whose output is
in WORK/logs. With `--predictions DIR` instead of folders, rules alone are fitted, for label maps of
any program that were made out of fold.
"""

import argparse
import re
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from challenge.label_file import write_labels
from challenge.provenance import Provenance, program_version, require_same, write_provenance
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from ensemble.device import choose_device
from lab.arguments import add_dask, add_jobs, add_scheme, add_scorer
from lab.data.cohort import CohortCase, read_cohort
from lab.member_selection.splits import read_splits
from lab.packing.trained_folder import CHECKPOINTS
from lab.pipeline.plan import (
    all_steps,
    candidate_steps,
    freeze_steps,
    gate_steps,
    model_steps,
    proof_steps,
    report_steps,
    rules_steps,
    selection_steps,
)
from lab.pipeline.plan_text import plan_lines
from lab.pipeline.run_steps import StepError, StepRunner, locked
from lab.pipeline.sources import check_splits, find_sources, find_splits, source_record
from lab.pipeline.steps import Step
from lab.pipeline.submission import Submission
from lab.pipeline.summary import write_summary
from lab.progress import duration, print_line
from lab.provenance.records import cohort_record

UNIT_S = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    results = "nnU-Net's results folder of a training, or a folder with member.json"
    add("sources", type=Path, nargs="*", metavar="RESULTS", help=results)
    add("--cohort", type=Path, required=True, metavar="DIR", help="nnU-Net raw dataset folder")
    add_scheme(parser, "challenge to submit to", required=True)
    add("--name", required=True, metavar="NAME", help="of the model folder that ships")
    add("--work", type=Path, required=True, metavar="DIR", help="everything is written here")
    splits = "splits_final.json (default: nnUNet_preprocessed, or what the folds validated)"
    add("--splits", type=Path, metavar="FILE", help=splits)
    which = f"of {', '.join(CHECKPOINTS)} (default: final); each is a candidate"
    default = ["final"]
    add("--checkpoint", nargs="+", choices=CHECKPOINTS, default=default, metavar="C", help=which)
    add("--labels", action="append", default=[], metavar="NAME=N,...", help="as of `lab pack`")
    add("--channels", action="append", default=[], metavar="NAME,...", help="as of `lab pack`")
    add("--predictions", type=Path, metavar="DIR", help="out-of-fold labels, instead of RESULTS")
    add("--probabilities", type=Path, metavar="DIR", help="<ID>.npz of the predictions")
    add_scorer(parser)
    add("--data", default="", metavar="TEXT", help="for the card: what it was trained on")
    limit = "what does not fit is left out and named: 90min, 8h"
    add("--time", type=seconds_of, metavar="TIME", help=limit)
    add("--dry-run", action="store_true", help="print the plan and its commands; run nothing")
    add_jobs(parser)
    add_dask(parser)


def run(args: argparse.Namespace) -> int:
    """Print the plan, follow it, and end with what ships."""
    if bool(args.sources) == bool(args.predictions):
        raise Refusal("either RESULTS folders, or --predictions of any program")
    scheme, work = SCHEMES[args.scheme], args.work.resolve()
    cohort = args.cohort.resolve()
    cases = read_cohort(cohort, scheme)
    sources = find_sources(args.sources, args.checkpoint) if args.sources else []
    with locked(work):
        splits = args.splits.resolve() if args.splits else None
        if sources and splits is None:
            splits = find_splits(cohort, sources, work)
        if splits is not None:
            folds = read_splits(splits, {case.files.id for case in cases})
            check_splits(cohort, sources, folds)
        submission = Submission(
            name=args.name,
            scheme=scheme,
            scorer=args.scorer or scheme.default_scorer,
            cohort=cohort,
            references=references_of(cases, cohort, work),
            cases=len(cases),
            work=work,
            sources=tuple(sources),
            splits=splits,
            predictions=args.predictions and args.predictions.resolve(),
            probabilities=args.probabilities and args.probabilities.resolve(),
            labels=tuple(args.labels),
            channels=tuple(args.channels),
            data=args.data,
            jobs=args.jobs,
            dask=args.dask,
            device=choose_device("auto").type,
        )
        record = submission_record(submission, cases)
        require_same(work, record)
        write_provenance(work, record)
        end_s = args.time and time.monotonic() + args.time
        runner = StepRunner(work, all_steps(submission), end_s)
        print("\n".join(plan_lines(submission, runner, args.dry_run)), flush=True)
        if args.dry_run:
            return 0
        with runner.display():
            lines = follow(submission, runner)
        print("\n".join(lines))
    return 0


def follow(s: Submission, runner: StepRunner) -> list[str]:
    """Run all steps; return the lines that a submission ends with.

    Raises:
        Refusal: a step failed.
    """
    rest = [*model_steps(s, False), *proof_steps(s)]
    first = [*candidate_steps(s), *selection_steps(s)]
    is_selected = s.is_ensemble and runner.fits(first, rest)
    if is_selected:
        runner.run(first)
    elif s.is_ensemble:
        _leave_out("the selection, all sources get equal weights", first, runner)
    runner.run(list(model_steps(s, is_selected)))
    rules, proof = list(rules_steps(s, is_selected)), list(proof_steps(s))
    after = [*freeze_steps(s), *report_steps(s, is_selected)]
    has_rules, why_no_gates = runner.fits([*rules, *after], proof), ""
    if has_rules:
        runner.run(rules)
        why_no_gates = judge_gates(s, runner, [*after, *proof])
        runner.run(list(freeze_steps(s)))
    else:
        _leave_out("rules", [*rules, *gate_steps(s), *after], runner)
    runner.run(proof)
    if has_rules:
        runner.run(list(report_steps(s, is_selected)))
    return write_summary(s, has_rules, why_no_gates)


def judge_gates(s: Submission, runner: StepRunner, rest: Sequence[Step]) -> str:
    """Learn and judge gates if there is time for that and the rest; return why they were not.

    The release does not depend on gates, so one whose step fails ships without them, and says so.
    """
    steps = list(gate_steps(s))
    if not runner.fits(steps, rest):
        _leave_out("gates", steps, runner)
        return "--time left none"
    try:
        runner.run(steps)
    except StepError as error:
        print_line(f"gates not evaluated: {error}")
        return str(error)
    return ""


def submission_record(s: Submission, cases: Sequence[CohortCase]) -> Provenance:
    """Return the record of a work folder: what it is made from, which may not change under way."""
    inputs = {f"source {each.name}": source_record(each) for each in s.sources}
    options = {
        "name": s.name,
        "scheme": s.scheme.name,
        "scorer": s.scorer,
        "labels": list(s.labels),
        "channels": list(s.channels),
    }
    inputs["cohort"] = cohort_record(s.cohort, cases)
    return Provenance("submission", s.name, "", "submit", program_version(), options, {}, inputs)


def references_of(cases: Sequence[CohortCase], cohort: Path, work: Path) -> Path:
    """Return the cohort's label maps in the scheme's values, written anew if they have others."""
    table = cases[0].value_table
    used = np.flatnonzero(table)
    if (table[used] == used).all():
        return cohort / "labelsTr"
    folder = work / "references"
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases:
        if not (folder / case.files.output).exists():
            write_labels(case.read_reference().array, case.files, folder)
    print(f"{folder}: references in the challenge's values; {cohort.name} numbers labels otherwise")
    return folder


def seconds_of(text: str) -> float:
    """Read a time: a number and s, min, h or d."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time like 90min or 8h")
    return float(match[1]) * UNIT_S[match[2]]


def _leave_out(what: str, steps: Sequence[Step], runner: StepRunner) -> None:
    runner.leave_out(steps)
    basis = [step.basis for step in steps if step.basis]
    needed = ", ".join([f"about {duration(runner.estimate_s(steps))}", *basis])
    text = f"left out for --time: {what} ({needed}); the same command without it goes on"
    print_line(text)
