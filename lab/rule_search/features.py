"""Describe out-of-fold predictions: the first step of adaptive post-processing.

`python -m lab features --cohort DIR --predictions DIR --model weights/NAME --out WORK`, where the
predictions are label maps in the scheme's values as `lab out-of-fold` writes them, each made
without that case. Features are those of the predicted mask, as they will be at run time. With
`--probabilities` (npz as nnU-Net or `lab out-of-fold --maps` writes them) and `--members` (label
maps of several networks, none of which saw the case) they also say how sure the ensemble is; then
the container's ensemble must be as it was here.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np

from challenge.case import read_case
from challenge.folders import describe_contents, few, find_file
from challenge.provenance import Provenance, program_version, sha256_of
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from challenge.volume import check_same_grid, read_volume
from lab.arguments import add_dask, add_foreign, add_jobs, add_out, add_scheme
from lab.data.cohort import CohortCase, read_cohort
from lab.parallel import workers
from lab.progress import progress
from lab.provenance.checks import accept, nearest
from lab.provenance.memorised import memorised_fault
from lab.provenance.records import model_record
from lab.rule_search.case_probabilities import read_case_probabilities, read_votes
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.feature_table import FeatureTable, save_table
from lab.rule_search.input_records import input_faults, input_records
from lab.rule_search.workspace import FEATURES, Setup, write_setup
from postprocess.feature_names import group_names
from postprocess.features import FeatureError
from postprocess.refine_input import RefineInput, case_features


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("--cohort", type=Path, required=True, metavar="DIR", help="nnU-Net raw dataset folder")
    add("--predictions", type=Path, required=True, metavar="DIR", help="out-of-fold label maps")
    which = parser.add_mutually_exclusive_group(required=True)
    add_scheme(which, "whose label values the predictions hold")
    which.add_argument("--model", type=Path, metavar="DIR", help="weights/NAME, of that scheme")
    add("--config", choices=SEARCH_CONFIGS, default="validated", help="default: validated")
    add("--probabilities", type=Path, metavar="DIR", help="<ID>.npz of the same predictions")
    members = "label maps of each network, at least two"
    add("--members", type=Path, nargs="+", default=[], metavar="DIR", help=members)
    foreign = "take predictions of another model or cohort than those named here"
    add_foreign(parser, foreign)
    add_out(parser, "folder for this and later steps", "WORK")
    add_jobs(parser)
    add_dask(parser)


def run(args: argparse.Namespace) -> int:
    """Describe every case, and write the work folder."""
    from ensemble.manifest import MANIFEST, scheme_of

    scheme = SCHEMES[args.scheme] if args.scheme else scheme_of(args.model / MANIFEST)
    if len(args.members) == 1:
        raise Refusal("--members: one folder, at least two are needed to disagree")
    setup = Setup(
        scheme_name=scheme.name,
        config_name=args.config,
        cohort=str(args.cohort.resolve()),
        predictions=str(args.predictions.resolve()),
        probabilities=str(args.probabilities.resolve()) if args.probabilities else None,
        members=tuple(str(folder.resolve()) for folder in args.members),
    )
    cases = read_cohort(args.cohort, scheme)
    check_predictions(cases, [args.predictions, *args.members])
    inputs = input_records(cases, setup)
    model = model_record(args.model, with_rules=False) if args.model else None
    all_faults = input_faults(inputs, setup, model)
    if args.model:
        ids, what = [case.files.id for case in cases], str(args.predictions)
        all_faults.append(memorised_fault(inputs["predictions"], args.model, ids, what))
    faults = [accept(fault, args.foreign) for fault in filter(None, all_faults)]
    args.out.mkdir(parents=True, exist_ok=True)
    with workers(args.jobs, args.dask):
        table = describe_cohort(cases, setup)
    save_table(table, args.out / FEATURES)
    record = Provenance(
        product="features",
        name=FEATURES,
        sha256=sha256_of(args.out / FEATURES),
        verb="features",
        version=program_version(),
        options={"config": args.config},
        facts={"cases": len(cases)} | ({"foreign": faults} if faults else {}),
        inputs=inputs,
    )
    write_setup(args.out, replace(setup, provenance=record))
    for id, reason in zip(table.ids, table.reasons, strict=True):
        if reason:
            print(f"{id}: {reason}; left out of the clusters", file=sys.stderr)
    described = int(table.described.sum())
    print(f"{len(table.names)} features of {described} of {len(table.ids)} cases in {args.out}")
    if nearest(inputs["predictions"], "model") is None:
        print(
            f"{args.predictions}: predictions of unknown origin; a model's card claims no gain of "
            "rules that are fitted on them"
        )
    return 0


def check_predictions(cases: Sequence[CohortCase], folders: Sequence[Path]) -> None:
    """Refuse a folder that lacks a case's label map, before any case is described.

    Raises:
        Refusal: naming the folder, a few cases that it lacks, and what it holds instead.
    """
    for folder in folders:
        names = [case.reference.name for case in cases]
        missing = [name for name in names if find_file(folder, name) is None]
        if missing:
            raise Refusal(
                f"{folder}: no prediction for {len(missing)} of {len(cases)} cases of the cohort "
                f"({few(missing)}); it holds {describe_contents(folder)}"
            )


def describe_cohort(cases: Sequence[CohortCase], setup: Setup) -> FeatureTable:
    """Describe every case of a cohort, in the processes of the surrounding joblib backend."""
    names = available_features(setup, any(case.files.values for case in cases))
    parallel = joblib.Parallel(n_jobs=None, return_as="generator")
    results = parallel(joblib.delayed(describe_case)(case, names, setup) for case in cases)
    rows = list(progress(results, len(cases), description="describing"))
    return FeatureTable(
        tuple(case.files.id for case in cases),
        names,
        np.stack([row for row, _ in rows]),
        tuple(reason for _, reason in rows),
    )


def available_features(setup: Setup, has_values: bool) -> tuple[str, ...]:
    """Return the features of a configuration that can be made from what is at hand.

    `has_values` says whether cases have JSON inputs.
    """
    missing = {
        "probability": setup.probabilities is None,
        "votes": not setup.members,
        "input": not has_values,
    }
    groups = [group for group in setup.config.groups if not missing.get(group, False)]
    return tuple(name for group in groups for name in group_names(setup.scheme, group))


def describe_case(case: CohortCase, names: tuple[str, ...], setup: Setup) -> tuple[np.ndarray, str]:
    """Return a case's features (feature,), or NaN and why it has none.

    Raises:
        CaseError: a file is missing, unreadable or on another grid; the message names it.
    """
    inputs = read_inputs(case, setup)
    try:
        return case_features(inputs, names, setup.config.settings), ""
    except FeatureError as error:
        return np.full(len(names), np.nan), str(error)


def read_inputs(case: CohortCase, setup: Setup) -> RefineInput:
    """Read a case as it is before any rule: scans, prediction, probabilities, votes."""
    scheme, scans = setup.scheme, read_case(case.files)
    path = setup.prediction_of(case)
    prediction = read_volume(path, np.uint8)
    check_same_grid(prediction, case.read_reference(), path, case.reference)
    votes: np.ndarray | None = None
    if setup.members:
        votes = read_votes(setup.member_predictions_of(case), prediction.array.shape, scheme)
    probabilities, head = None, None
    if npz := setup.probabilities_of(case):
        probabilities, head = read_case_probabilities(npz, prediction.array.shape, scheme)
    return RefineInput(scans, prediction.array, scheme, probabilities, head, votes)
