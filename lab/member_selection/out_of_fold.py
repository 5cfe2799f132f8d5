"""Predict every training case with the members that never saw it, averaged as inference does.

Post-processing is fitted on predictions like those that the container will make; predictions of
cases that a network was trained on are better than those. Of a model of several sources each case
is predicted by one fold of every source. Where no member saw any of the cases (`--unseen`), the
whole ensemble predicts each, as the container does.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from challenge.case import CaseError, read_case
from challenge.label_file import write_labels
from challenge.provenance import HELD_OUT, HELD_OUT_FACT, Provenance, program_version
from challenge.refusal import Refusal
from challenge.scheme import labels_from
from ensemble.device import choose_device
from ensemble.engine import Engine
from ensemble.manifest import MANIFEST, Member, Model, verify_model
from ensemble.predict import predict
from lab.arguments import add_out
from lab.data.cohort import CohortCase, read_cohort
from lab.member_selection.probability_maps import (
    Candidate,
    read_candidate,
    write_candidate,
    write_map,
)
from lab.member_selection.splits import by_source, members_without, read_splits
from lab.progress import print_line, progress
from lab.provenance.records import cohort_record, model_record, splits_record
from lab.provenance.resume import Output, finish_folders, start_folders


@dataclass(frozen=True)
class Request:
    """What is predicted, by what, and where it goes; what is there already is not done again."""

    model_folder: Path
    model: Model
    cohort: Mapping[str, CohortCase]  # by case id
    members_of: Mapping[str, tuple[Member, ...]]  # case id -> those that never saw it
    record: Provenance  # of label maps; `name` and `sha256` are those of a folder
    out: Path  # of label maps
    maps: Path | None = None  # of probabilities

    @property
    def outputs(self) -> list[Output]:
        """Return each folder that is written, with its record and the files of all cases."""
        labels = [self.out / self.cohort[id].files.output for id in self.members_of]
        outputs = [Output(self.out, self.record, labels)]
        if self.maps:
            record = replace(self.record, product="probability maps")
            archives = [self.maps / f"{id}.npz" for id in self.members_of]
            outputs.append(Output(self.maps, record, archives))
        return outputs

    def is_done(self, id: str) -> bool:
        """Return whether an interrupted run wrote all files of a case."""
        map_path = self.map_path(id)
        is_mapped = map_path is None or map_path.exists()
        return (self.out / self.cohort[id].files.output).exists() and is_mapped

    def map_path(self, id: str) -> Path | None:
        """Return where the probabilities of a case go; None where nobody needs them."""
        return self.maps / f"{id}.npz" if self.maps else None


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
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--backend", default="auto", metavar="NAME", help="what runs networks")


def run(args: argparse.Namespace) -> int:
    """Write the label map, in the scheme's values, of every case that some member did not see."""
    if args.maps and args.maps.resolve() == args.out.resolve():
        raise Refusal(f"--maps {args.maps}: is the folder of --out")
    model = verify_model(args.model / MANIFEST)
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
    _print_gaps(members_of, model, cohort)
    record = Provenance(
        product="label maps",
        name="",
        sha256="",
        verb="out-of-fold",
        version=program_version(),
        options={"unseen": args.unseen},
        facts={HELD_OUT_FACT: HELD_OUT, "cases": len(members_of), "scheme": model.scheme.name},
        inputs=inputs,
    )
    request = Request(args.model, model, cohort, members_of, record, args.out, args.maps)
    failed = predict_cases(request, lambda: Engine(choose_device(args.device), args.backend, True))
    if not failed:
        return 0
    what = f"{len(failed)} of {len(members_of)} cases failed; the same command tries them again"
    print(f"{what}, and writes the records of {args.out} then", file=sys.stderr)
    return 1


def predict_cases(request: Request, new_engine: Callable[[], Engine]) -> list[str]:
    """Predict each case with the members that were trained without it, and write the records.

    Args:
        request: what is predicted; cases of an earlier run with the same inputs are left as they
            are, and counted on stdout.
        new_engine: makes an engine that keeps its networks; there is one for each set of members.

    Returns:
        The cases that cannot be read or written; with any, the folders are not finished.

    Raises:
        ProvenanceError: a folder holds what was made from something else.
    """
    start_folders(request.outputs)
    done = [id for id in request.members_of if request.is_done(id)]
    if done:
        print(f"{len(done)} of {len(request.members_of)} cases are there from an earlier run")
    missing = [id for id in request.members_of if not request.is_done(id)]
    engine, members, seconds, failed = None, None, [], []
    for id in progress(missing, len(missing), "case", "predict"):
        if engine is None or members != request.members_of[id]:
            engine, members = new_engine(), request.members_of[id]
        try:
            seconds.append(_predict_case(request, id, engine) / len(members))
        except CaseError as error:  # one case never costs the others
            print(f"{id} failed: {error}", file=sys.stderr)
            failed.append(id)
            continue
        print_line(f"{id} by {', '.join(member.name for member in members)}")
    if failed:
        return failed
    if request.maps:
        write_candidate(_candidate(request, request.maps, seconds))
    finish_folders(request.outputs)
    return []


def _predict_case(request: Request, id: str, engine: Engine) -> float:
    """Write a case's labels and probabilities; return the seconds of its members."""
    model, files = request.model, request.cohort[id].files
    case = read_case(files)
    started = time.perf_counter()
    # The head stays that of the whole model: its labels are decoded as the container decodes them.
    *_, final = predict(case, replace(model, members=request.members_of[id]), engine)
    seconds = time.perf_counter() - started
    map_path = request.map_path(id)
    if map_path:
        write_map(map_path, final.probabilities, model.head)
    write_labels(labels_from(final.probabilities, model.head, model.scheme), files, request.out)
    return seconds


def _candidate(request: Request, maps: Path, seconds: Sequence[float]) -> Candidate:
    """Describe the maps for `lab select`."""
    return Candidate(
        name=maps.name,
        folder=maps,
        scheme=request.model.scheme,
        head=request.model.head,
        members_of={
            id: tuple(member.name for member in members)
            for id, members in request.members_of.items()
        },
        case_s=median(seconds) if seconds else read_candidate(maps).case_s,
        model=request.model_folder,
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
