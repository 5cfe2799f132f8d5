"""Predict every training case with the one member that never saw it.

Post-processing is fitted on predictions like those that the container will make; predictions of
cases that a network was trained on are better than those. Where no member saw any of the cases
(`--unseen`), the whole ensemble predicts each, as the container does.
"""

import argparse
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

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

Fold = Mapping[str, list[str]]  # of nnU-Net's splits: "train" and "val", case ids


class SplitsError(Refusal):
    """Splits that are none, or that a model's members do not fit."""


@dataclass(frozen=True)
class Prediction:
    """What is predicted, by what, and where it goes; what is there already is not done again."""

    model_folder: Path
    model: Model
    cohort: Mapping[str, CohortCase]  # by case id
    engine: Engine
    out: Path  # of label maps
    maps: Path | None = None  # of probabilities

    def is_done(self, id: str) -> bool:
        """Return whether an interrupted run wrote all files of a case."""
        path = self.map_path(id)
        is_mapped = path is None or path.exists()
        return (self.out / self.cohort[id].files.output).exists() and is_mapped

    def map_path(self, id: str) -> Path | None:
        """Return where the probabilities of a case go; None where nobody needs them."""
        return self.maps / f"{id}.npz" if self.maps else None


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--model", type=Path, required=True, help="packed model folder")
    parser.add_argument("--cohort", type=Path, required=True, help="nnU-Net raw dataset folder")
    seen = parser.add_mutually_exclusive_group(required=True)
    seen.add_argument("--splits", type=Path, help="splits_final.json of training")
    seen.add_argument("--unseen", action="store_true", help="no member was trained on any case")
    add_out(parser, "label maps go here")
    maps = "probabilities go here, for lab select; the folder's name is the candidate's"
    parser.add_argument("--maps", type=Path, metavar="DIR", help=maps)
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--backend", default="auto", metavar="NAME", help="what runs networks")


def run(args: argparse.Namespace) -> int:
    """Write the label map, in the scheme's values, of every case that some member did not see."""
    model = verify_model(args.model / "MANIFEST.json")
    cohort = {case.files.id: case for case in read_cohort(args.cohort, model.scheme)}
    args.out.mkdir(parents=True, exist_ok=True)
    if args.unseen and args.maps:
        raise Refusal("--maps: of one member each, but --unseen predicts with all members")
    folds = [] if args.unseen else read_splits(args.splits, cohort)
    fold_by_member = {} if args.unseen else {m.name: fold_of(m, folds) for m in model.members}
    engine = Engine(choose_device(args.device), args.backend, keeps_networks=args.unseen)
    prediction = Prediction(args.model, model, cohort, engine, args.out, args.maps)
    if args.unseen:
        predict_unseen(prediction)
    else:
        _print_folds_without_member(folds, fold_by_member)
        predict_by_fold(prediction, folds, fold_by_member)
    return 0


def predict_by_fold(
    prediction: Prediction, folds: Sequence[Fold], fold_by_member: Mapping[str, int]
) -> None:
    """Predict each case with the member that was trained without it."""
    model = prediction.model
    if prediction.maps:
        prediction.maps.mkdir(parents=True, exist_ok=True)
    member_of: dict[str, str] = {}
    seconds = []
    for member in model.members:
        for id in folds[fold_by_member[member.name]]["val"]:
            member_of[id] = member.name
            if not prediction.is_done(id):
                seconds.append(_predict_case(prediction, member, id))
                print(f"{id} by {member.name}", flush=True)
    if prediction.maps:
        write_candidate(
            Candidate(
                name=prediction.maps.name,
                folder=prediction.maps,
                scheme=model.scheme,
                head=model.head,
                member_of=member_of,
                case_s=median(seconds) if seconds else read_candidate(prediction.maps).case_s,
                model=prediction.model_folder,
            )
        )


def _predict_case(prediction: Prediction, member: Member, id: str) -> float:
    """Write a case's labels and probabilities by one member; return its seconds."""
    model, files = prediction.model, prediction.cohort[id].files
    case = read_case(files)
    started = time.perf_counter()
    member_probabilities = predict_member(case, member, model, prediction.engine)
    seconds = time.perf_counter() - started
    probabilities = to_head(member_probabilities, member.head, model.head)
    map_path = prediction.map_path(id)
    if map_path:
        write_map(map_path, probabilities, model.head)
    write_labels(labels_from(probabilities, model.head, model.scheme), files, prediction.out)
    return seconds


def predict_unseen(prediction: Prediction) -> None:
    """Predict each case with the whole ensemble."""
    model = prediction.model
    for id, case in prediction.cohort.items():
        if not prediction.is_done(id):
            *_, final = predict(read_case(case.files), model, prediction.engine)
            labels = labels_from(final.probabilities, model.head, model.scheme)
            write_labels(labels, case.files, prediction.out)
            print(f"{id} by {len(model.members)} members", flush=True)


def _print_folds_without_member(folds: Sequence[Fold], fold_by_member: Mapping[str, int]) -> None:
    """Print which folds' cases no member was trained without."""
    absent = [fold for fold in range(len(folds)) if fold not in fold_by_member.values()]
    if absent:
        cases = sum(len(folds[fold]["val"]) for fold in absent)
        numbers = ", ".join(map(str, absent))
        print(f"fold {numbers}: no member, {cases} cases are not predicted", flush=True)


def read_splits(path: Path, cohort: Collection[str]) -> list[Fold]:
    """Read nnU-Net's splits_final.json.

    Raises:
        SplitsError: not splits, a case in no cohort, in two folds' validation, or in both parts of
            one fold: its prediction would come from a network that was trained on it.
    """
    folds = read_json(path)
    try:
        held_out = [id for fold in folds for id in fold["val"]]
        both = [id for fold in folds for id in set(fold["val"]) & set(fold["train"])]
    except (KeyError, TypeError) as error:
        raise SplitsError(f"{path}: not nnU-Net's splits ({error!r})") from error
    if twice := sorted(id for id, n in Counter(held_out).items() if n > 1):
        raise SplitsError(f"{path}: folds overlap, {', '.join(twice[:5])} validated twice")
    if both:
        raise SplitsError(f"{path}: {', '.join(sorted(both)[:5])} trained on and validated alike")
    if unknown := sorted(set(held_out) - set(cohort)):
        raise SplitsError(f"{path}: {', '.join(unknown[:5])} not in the cohort")
    return list(folds)


def fold_of(member: Member, splits: Sequence[Fold]) -> int:
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
