"""Predict every training case with the one member that never saw it.

What post-processing is fitted on must look like what the container will meet; predictions of
cases that a network was trained on do not.
"""

import argparse
import json
from pathlib import Path

from challenge.case import read_case, write_labels
from challenge.scheme import labels_from
from ensemble.average import to_head
from ensemble.device import choose_device
from ensemble.engine import Engine
from ensemble.manifest import Member, verify_model
from ensemble.predict import predict_member
from lab.cohort import read_cohort


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--model", type=Path, required=True, help="packed model folder")
    parser.add_argument("--cohort", type=Path, required=True, help="nnU-Net raw dataset folder")
    parser.add_argument("--splits", type=Path, required=True, help="splits_final.json of training")
    parser.add_argument("--out", type=Path, required=True, help="label maps go here")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--backend", default="auto", metavar="NAME", help="what runs networks")


def run(args: argparse.Namespace) -> int:
    """Write the label map, in the scheme's values, of every validation case."""
    model = verify_model(args.model / "MANIFEST.json")
    cohort = {case.files.id: case for case in read_cohort(args.cohort, model.scheme)}
    splits = json.loads(args.splits.read_text(encoding="utf-8"))
    args.out.mkdir(parents=True, exist_ok=True)
    engine = Engine(choose_device(args.device), args.backend)
    for member in model.members:
        for id in splits[fold_of(member, splits)]["val"]:
            if (args.out / cohort[id].files.output).exists():
                continue  # an interrupted run goes on where it stopped
            case = read_case(cohort[id].files)
            own = predict_member(case, member, model, engine)
            probabilities = to_head(own, member.head, model.head)
            labels = labels_from(probabilities, model.head, model.scheme)
            write_labels(labels, cohort[id].files, args.out)
            print(f"{id} by {member.name}", flush=True)
    return 0


def fold_of(member: Member, splits: list[dict[str, list[str]]]) -> int:
    """Return the fold a member was trained without, from its folder's name."""
    fold = member.checkpoint.parent.name.removeprefix("fold_")
    if not fold.isdigit() or int(fold) >= len(splits):
        raise ValueError(
            f"{member.name}: fold {fold!r} is not in the splits (0..{len(splits) - 1})"
        )
    return int(fold)
