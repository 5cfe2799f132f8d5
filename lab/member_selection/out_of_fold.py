"""Predict every training case with the members that never saw it, averaged as inference does.

Post-processing is fitted on predictions like those that the container will make; predictions of
cases that a network was trained on are better than those. Of a model of several sources each case
is predicted by one fold of every source. Where no member saw any of the cases (`--unseen`), the
whole ensemble predicts each, as the container does.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from challenge.folders import few
from challenge.provenance import HELD_OUT, HELD_OUT_FACT, Provenance, program_version
from challenge.refusal import Refusal
from ensemble.device import choose_device
from ensemble.engine import Engine
from ensemble.manifest import MANIFEST, Member, Model, verify_model
from lab.arguments import add_out
from lab.data.cohort import CohortCase, read_cohort
from lab.member_selection.predict_cases import Request, predict_cases
from lab.member_selection.splits import SplitsError, by_source, members_without, read_splits
from lab.member_selection.stored_validation import open_validation, validation_fault
from lab.provenance.memorised import seen_by
from lab.provenance.records import cohort_record, model_record, splits_record


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--model", type=Path, required=True, help="packed model folder")
    parser.add_argument("--cohort", type=Path, required=True, help="nnU-Net raw dataset folder")
    seen = parser.add_mutually_exclusive_group(required=True)
    splits = "splits_final.json of training; once, or once per source"
    seen.add_argument("--splits", type=Path, nargs="+", metavar="FILE", help=splits)
    seen.add_argument("--unseen", action="store_true", help="no member was trained on any case")
    add_out(parser, "label maps go here")
    maps = "probabilities go here, for lab select; the folder's name is the candidate's"
    parser.add_argument("--maps", type=Path, metavar="DIR", help=maps)
    validation = (
        "nnU-Net's results folder of each source, whose fold_*/validation spares predictions"
    )
    parser.add_argument("--validation", type=Path, nargs="+", metavar="DIR", help=validation)
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--backend", default="auto", metavar="NAME", help="what runs networks")


def run(args: argparse.Namespace) -> int:
    """Write the label map, in the scheme's values, of every case that some member did not see."""
    if args.maps and args.maps.resolve() == args.out.resolve():
        raise Refusal(f"--maps {args.maps}: is the folder of --out")
    if args.validation and args.unseen:
        raise Refusal("--validation: nnU-Net's is of its splits; use --splits instead of --unseen")
    model = verify_model(args.model / MANIFEST)
    if args.validation and (fault := validation_fault(model)):
        raise Refusal(f"--validation: {model.folder} has {fault}, which nnU-Net's has no part in")
    stored = open_validation(args.validation, model) if args.validation else None
    cohort = {case.files.id: case for case in read_cohort(args.cohort, model.scheme)}
    inputs = {
        "model": model_record(args.model, with_rules=False),
        "cohort": cohort_record(args.cohort, list(cohort.values())),
    }
    if args.unseen:
        members_of = dict.fromkeys(cohort, model.members)
    else:
        splits = [read_splits(path, cohort) for path in args.splits]
        members_of = members_without(model.members, splits)
        for number, (path, folds) in enumerate(zip(args.splits, splits, strict=True)):
            inputs[f"splits {number}" if number else "splits"] = splits_record(path, folds)
    check_unseen(members_of)
    _print_gaps(members_of, model, cohort)
    _print_donors(model)
    record = Provenance(
        product="label maps",
        name="",
        sha256="",
        verb="out-of-fold",
        version=program_version(),
        options={"unseen": args.unseen, "validation": bool(args.validation)},
        facts={HELD_OUT_FACT: HELD_OUT, "cases": len(members_of), "scheme": model.scheme.name},
        inputs=inputs,
    )
    request = Request(args.model, model, cohort, members_of, record, args.out, args.maps, stored)
    if stored is not None:
        count = sum(request.stored_path(id) is not None for id in members_of)
        print(f"nnU-Net's validation has {count} of {len(members_of)} cases; the rest is predicted")
    failed = predict_cases(request, lambda: Engine(choose_device(args.device), args.backend, True))
    if not failed:
        return 0
    what = f"{len(failed)} of {len(members_of)} cases failed; the same command tries them again"
    print(f"{what}, and writes the records of {args.out} then", file=sys.stderr)
    return 1


def check_unseen(members_of: Mapping[str, tuple[Member, ...]]) -> None:
    """Refuse to let a network predict a case that its training is known to have held.

    Raises:
        SplitsError: naming the network and some cases.
    """
    ids_of: dict[str, list[str]] = {}
    members = {member.name: member for each in members_of.values() for member in each}
    for id, of_case in members_of.items():
        for member in of_case:
            ids_of.setdefault(member.name, []).append(id)
    for name, ids in ids_of.items():
        if seen := seen_by(members[name].trained_on, ids):
            raise SplitsError(
                f"{name}: was trained on {len(seen)} of the {len(ids)} cases that it would predict "
                f"({few(seen)}), by the splits that it was packed with"
            )


def _print_donors(model: Model) -> None:
    for region, donors in model.donors.items():
        names = ", ".join(member.name for member in donors)
        print(
            f"donor of {region}: {names}; in the label maps and maps where the others see none of "
            "it, as in the container, and not averaged"
        )


def _print_gaps(
    members_of: Mapping[str, tuple[Member, ...]], model: Model, cohort: Mapping[str, CohortCase]
) -> None:
    """Print which cases are not predicted, or by fewer sources than the model has.

    Raises:
        Refusal: every member saw every case.
    """
    if not members_of:
        raise Refusal(f"{model.folder}: every member was trained on every case of the cohort")
    if absent := len(cohort) - len(members_of):
        print(
            f"{absent} of {len(cohort)} cases are not predicted: no member was trained without them"
        )
    sources = len(by_source(model.members))
    fewer = sum(len(by_source(members)) < sources for members in members_of.values())
    if fewer:
        print(f"{fewer} cases are predicted by fewer than the model's {sources} sources")
