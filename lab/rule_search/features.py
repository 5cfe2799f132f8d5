"""Describe out-of-fold predictions: the first step of adaptive post-processing.

`python -m lab features --cohort DIR --predictions DIR --model weights/NAME --out WORK`, where the
predictions are label maps in the scheme's values as `lab out-of-fold` writes them, each made
without that case. Features are those of the predicted mask, as they will be at run time. With
`--probabilities` (npz as nnU-Net saves them) and `--members` (label maps of several networks, none
of which saw the case) they also say how sure the ensemble is; then the container's ensemble must be
as it was here.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import joblib
import numpy as np
from tqdm import tqdm

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from lab.arguments import add_dask, add_jobs, add_out, add_scheme
from lab.data.cohort import CohortCase, read_cohort
from lab.parallel import workers
from lab.rule_search.config import SEARCH_CONFIGS
from lab.rule_search.feature_table import FeatureTable, save_table
from lab.rule_search.observation import describe_case, names_for
from lab.rule_search.workspace import FEATURES, Setup, write_setup


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("--cohort", type=Path, required=True, metavar="DIR", help="nnU-Net raw dataset folder")
    add("--predictions", type=Path, required=True, metavar="DIR", help="out-of-fold label maps")
    which = parser.add_mutually_exclusive_group(required=True)
    add_scheme(which, "whose label values the predictions hold")
    which.add_argument("--model", type=Path, metavar="DIR", help="weights/NAME, which tells it")
    add("--config", choices=SEARCH_CONFIGS, default="validated")
    add("--probabilities", type=Path, metavar="DIR", help="<ID>.npz of the same predictions")
    add("--members", type=Path, nargs="+", default=[], metavar="DIR",
        help="label maps of each network, at least two")  # fmt: skip
    add_out(parser, "folder for this and later steps", "WORK")
    add_jobs(parser)
    add_dask(parser)


def run(args: argparse.Namespace) -> int:
    """Describe every case, and write the work folder."""
    from ensemble.manifest import MANIFEST, scheme_of

    scheme = SCHEMES[args.scheme] if args.scheme else scheme_of(args.model / MANIFEST)
    folders = [str(path.resolve()) for path in args.members]
    if len(folders) == 1:
        raise Refusal("--members: one folder, at least two are needed to disagree")
    setup = Setup(
        scheme.name, args.config, str(args.cohort.resolve()), str(args.predictions.resolve()),
        str(args.probabilities.resolve()) if args.probabilities else None, tuple(folders),
    )  # fmt: skip
    cases = read_cohort(args.cohort, scheme)
    args.out.mkdir(parents=True, exist_ok=True)
    with workers(args.jobs, args.dask):
        table = describe(cases, setup)
    save_table(table, args.out / FEATURES)
    write_setup(args.out, setup)
    for id, reason in zip(table.ids, table.reasons, strict=True):
        if reason:
            print(f"{id}: {reason}; left out of the clusters", file=sys.stderr)
    described = int(table.described.sum())
    print(f"{len(table.names)} features of {described} of {len(table.ids)} cases in {args.out}")
    return 0


def describe(cases: Sequence[CohortCase], setup: Setup) -> FeatureTable:
    """Describe every case of a cohort, in the processes of the surrounding joblib backend."""
    names = names_for(setup)
    running = joblib.Parallel(n_jobs=None, return_as="generator")
    found = running(joblib.delayed(describe_case)(case, names, setup) for case in cases)
    rows = list(tqdm(found, total=len(cases), unit="case", disable=None))
    return FeatureTable(
        tuple(case.files.id for case in cases),
        names,
        np.stack([row for row, _ in rows]),
        tuple(reason for _, reason in rows),
    )
