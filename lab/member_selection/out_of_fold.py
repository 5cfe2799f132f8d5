"""Predict every training case with the one member that never saw it.

What post-processing is fitted on must look like what the container will meet; predictions of
cases that a network was trained on do not. Where no member saw any of the cases (`--unseen`), the
whole ensemble predicts each, as it will.
"""

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from challenge.case import read_case
from challenge.label_file import write_labels
from challenge.refusal import Refusal
from challenge.scheme import labels_from
from ensemble.device import choose_device
from ensemble.engine import Engine
from ensemble.heads import to_head
from ensemble.manifest import Member, Model, verify_model
from ensemble.predict import predict, predict_member
from lab.arguments import add_out
from lab.data.cohort import CohortCase, read_cohort
from lab.json_files import read_json
from lab.member_selection.probability_maps import (
    Candidate,
    read_candidate,
    write_candidate,
    write_map,
)


class SplitsError(Refusal):
    """Splits that are none, or that a model's members do not fit."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--model", type=Path, required=True, help="packed model folder")
    parser.add_argument("--cohort", type=Path, required=True, help="nnU-Net raw dataset folder")
    seen = parser.add_mutually_exclusive_group(required=True)
    seen.add_argument("--splits", type=Path, help="splits_final.json of training")
    seen.add_argument("--unseen", action="store_true", help="no member was trained on any case")
    add_out(parser, "label maps go here")
    maps = "probabilities go here, for lab select; a folder a candidate, named as it will be"
    parser.add_argument("--maps", type=Path, metavar="DIR", help=maps)
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--backend", default="auto", metavar="NAME", help="what runs networks")


def run(args: argparse.Namespace) -> int:
    """Write the label map, in the scheme's values, of every case that some member did not see."""
    model = verify_model(args.model / "MANIFEST.json")
    cohort = {case.files.id: case for case in read_cohort(args.cohort, model.scheme)}
    args.out.mkdir(parents=True, exist_ok=True)
    whole = predict_unseen if args.unseen else predict_by_fold
    return whole(args, model, cohort)


def predict_by_fold(
    args: argparse.Namespace, model: Model, cohort: Mapping[str, CohortCase]
) -> int:
    """Predict each case with the member that was trained without it.

    Raises:
        SplitsError: before anything is predicted, where splits and members do not fit.
    """
    folds = read_splits(args.splits, cohort)
    fold_by_member = {member.name: fold_of(member, folds) for member in model.members}
    _say_unseen(folds, fold_by_member)
    if args.maps:
        args.maps.mkdir(parents=True, exist_ok=True)
    engine = Engine(choose_device(args.device), args.backend)
    member_of: dict[str, str] = {}
    seconds = []
    for member in model.members:
        for id in folds[fold_by_member[member.name]]["val"]:
            member_of[id] = member.name
            map_path = args.maps / f"{id}.npz" if args.maps else None
            if (args.out / cohort[id].files.output).exists() and (
                map_path is None or map_path.exists()
            ):
                continue  # an interrupted run goes on where it stopped
            case = read_case(cohort[id].files)
            began = time.perf_counter()
            own = predict_member(case, member, model, engine)
            seconds.append(time.perf_counter() - began)
            probabilities = to_head(own, member.head, model.head)
            if map_path:
                write_map(map_path, probabilities, model.head)
            labels = labels_from(probabilities, model.head, model.scheme)
            write_labels(labels, cohort[id].files, args.out)
            print(f"{id} by {member.name}", flush=True)
    if args.maps:
        told = Candidate(
            args.maps.name, args.maps, model.scheme, model.head, member_of,
            statistics.median(seconds) if seconds else read_candidate(args.maps).case_s, args.model,
        )  # fmt: skip
        write_candidate(told)
    return 0


def predict_unseen(args: argparse.Namespace, model: Model, cohort: Mapping[str, CohortCase]) -> int:
    """Predict each case with the whole ensemble.

    Raises:
        Refusal: maps are asked for.
    """
    if args.maps:
        raise Refusal("--maps: of one member each, which --unseen does not ask for")
    engine = Engine(choose_device(args.device), args.backend, keeps_networks=True)
    for each in cohort.values():
        if (args.out / each.files.output).exists():
            continue
        *_, told = predict(read_case(each.files), model, engine)
        labels = labels_from(told.probabilities, model.head, model.scheme)
        write_labels(labels, each.files, args.out)
        print(f"{each.files.id} by {len(model.members)} members", flush=True)
    return 0


def _say_unseen(splits: list[dict[str, list[str]]], fold_by_member: Mapping[str, int]) -> None:
    """Say which folds' cases no member was trained without."""
    absent = [fold for fold in range(len(splits)) if fold not in fold_by_member.values()]
    if absent:
        cases = sum(len(splits[fold]["val"]) for fold in absent)
        told = ", ".join(map(str, absent))
        print(f"fold {told}: no member, {cases} cases are not predicted", flush=True)


def read_splits(path: Path, cohort: Collection[str]) -> list[dict[str, list[str]]]:
    """Read nnU-Net's splits_final.json.

    Raises:
        SplitsError: not splits, a case in no cohort, in two folds' validation, or in both parts of
            one fold: its prediction would come from a network that was trained on it.
    """
    folds = read_json(path)
    try:
        held = [id for fold in folds for id in fold["val"]]
        both = [id for fold in folds for id in set(fold["val"]) & set(fold["train"])]
    except (KeyError, TypeError) as error:
        raise SplitsError(f"{path}: not nnU-Net's splits ({error!r})") from error
    if twice := sorted(id for id, n in Counter(held).items() if n > 1):
        raise SplitsError(f"{path}: folds overlap, {', '.join(twice[:5])} validated twice")
    if both:
        raise SplitsError(f"{path}: {', '.join(sorted(both)[:5])} trained on and validated alike")
    if unknown := sorted(set(held) - set(cohort)):
        raise SplitsError(f"{path}: {', '.join(unknown[:5])} not in the cohort")
    return list(folds)


def fold_of(member: Member, splits: list[dict[str, list[str]]]) -> int:
    """Return the fold a member was trained without, from its folder's name.

    Raises:
        SplitsError: the splits do not know the fold, or the member was trained on all cases.
    """
    fold = member.checkpoint.parent.name.removeprefix("fold_")
    if fold == "all":
        raise SplitsError(f"{member.name}: fold_all was trained on every case and left none out")
    if not fold.isdigit() or int(fold) >= len(splits):
        raise SplitsError(
            f"{member.name}: fold {fold!r} is not in the splits (0..{len(splits) - 1})"
        )
    return int(fold)
