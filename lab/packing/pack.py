"""Freeze trained nnU-Net folders, or zips from `nnUNetv2_export_model_to_zip`, into weights/.

Of a checkpoint only what inference reads is packed: network weights (as trained, each tensor once),
the configuration's name and the mirroring axes. The result still opens in stock nnU-Net, and its
labels are those of stock nnU-Net: what makes them others (--half, --no-mirroring, --step) is an
option, and its cost in voxels is printed.
"""

import argparse
from pathlib import Path

from challenge.scheme import SCHEMES
from ensemble.member_weights import Weight
from lab.arguments import add_foreign, add_scheme
from lab.packing.build_model import ModelRequest, build_model
from lab.packing.label_options import one_each, parse_donor, parse_weight
from lab.packing.pack_source import Source
from lab.packing.proof import ProofRequest
from lab.packing.stock_prediction import STOCK_STEP
from lab.packing.trained_folder import CHECKPOINTS, PackError
from lab.packing.trained_network import Accepted

# Options of sources and their defaults; a selection's candidates are packed already.
SOURCE_DEFAULTS = {
    "weight": None,
    "no_mirroring": False,
    "step": STOCK_STEP,
    "missing_sequences": False,
}
# Of sources and of donors, which a selection may have too.
FOLDER_DEFAULTS = {
    "folds": None,
    "labels": None,
    "channels": None,
    "checkpoint": "final",
    "configuration": None,
    "foreign_trainer": False,
    "half": False,
    "orientation": None,
    "cohort": None,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.usage = f"{parser.prog} FOLDER_OR_ZIP ... --model NAME --scheme NAME [OPTION ...]"
    _add_model(parser)
    _add_sources(parser.add_argument_group("what is packed"))
    _add_training(parser.add_argument_group("training, where its files do not describe it"))
    _add_release(parser.add_argument_group("checks and release"))


def _add_model(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", required=True, metavar="NAME", help="name of the new model folder")
    add_scheme(parser, "challenge that it was trained for", required=True)
    add("--out", type=Path, default=Path("weights"), metavar="DIR", help="default: weights")
    answers = "challenges that it may answer (default: --scheme)"
    add("--answers", metavar="NAME,...", help=answers)
    half = "round weights to half precision: half the size, other labels in some voxels"
    add("--half", action="store_true", help=half)
    no_mirroring = "no average over the flips of training: up to 8 x faster, other labels"
    add("--no-mirroring", action="store_true", help=no_mirroring)
    step = f"tile step as a share of the patch (default: {STOCK_STEP:g}, as stock nnU-Net)"
    add("--step", type=float, default=STOCK_STEP, metavar="SHARE", help=step)
    missing = "run cases that lack sequences (trained on such)"
    add("--missing-sequences", action="store_true", help=missing)
    add(
        "--accepts-missing",  # the option's first name
        dest="missing_sequences",
        action="store_true",
        help=argparse.SUPPRESS,
    )
    add("--artefact", type=Path, metavar="DIR", help="post-processing to ship")
    add("--note", default="", metavar="TEXT", help="a sentence for users, printed at every run")


def _add_sources(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    sources = "trained nnU-Net folder with fold_*, or its export zip"
    add("sources", nargs="*", type=Path, metavar="FOLDER_OR_ZIP", help=sources)
    selection = "of `lab select`, instead of sources"
    add("--selection", type=Path, metavar="FILE", help=selection)
    folds = "numbers, or all (default: as nnU-Net predicts)"
    add("--folds", nargs="+", metavar="N", help=folds)
    checkpoint = f"{', '.join(CHECKPOINTS)} (default: final)"
    add("--checkpoint", choices=CHECKPOINTS, default="final", metavar="NAME", help=checkpoint)
    weight = "one per source: a number, or NAME=W,... by channel (default: 1)"
    add("--weight", nargs="+", metavar="W", help=weight)
    donor = "folder or zip, run where others see no REGION"
    add("--donor", action="append", default=[], metavar="REGION=...", help=donor)


def _add_training(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    configuration = "if a source has several or none; as --labels"
    add("--configuration", action="append", metavar="NAME", help=configuration)
    labels = "names of label values; once, or once per source"
    add("--labels", action="append", metavar="NAME=N,...", help=labels)
    channels = "names of channels; once, or once per source"
    add("--channels", action="append", metavar="NAME,...", help=channels)
    foreign = "a trainer that nnU-Net does not ship built the network of plans.json"
    add("--foreign-trainer", action="store_true", help=foreign)
    add("--orientation", metavar="CODE", help="axis order that images are brought into: RAS")
    cohort = "raw dataset, whose images' axes are recorded"
    add("--cohort", type=Path, metavar="DIR", help=cohort)


def _add_release(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    real = "to compare with stock nnU-Net on: a challenge's folder or a scan (default: synthetic)"
    add("--prove", type=Path, metavar="CASE", help=real)
    add("--release", action="store_true", help="write a model card; load it in a new process")
    add_foreign(group, "take rules or maps that were made for something else")
    add("--data", default="", metavar="TEXT", help="for the card: what it was trained on")


def run(args: argparse.Namespace) -> int:
    """Pack the sources into a new model folder and verify it as the program will.

    Raises:
        Refusal: what is handed in cannot be packed; nothing is left behind.
    """
    if bool(args.sources) == bool(args.selection):
        raise PackError("either sources or --selection")
    if args.selection:
        _refuse_source_options(args)
    request = ModelRequest(
        name=args.model,
        scheme=SCHEMES[args.scheme],
        out=args.out,
        origin=", ".join([*map(str, args.sources or [args.selection]), *args.donor]),
        answers=args.answers,
        note=args.note,
        mirroring=not args.no_mirroring,
        step=args.step,
        accepts_missing=args.missing_sequences,
        artefact=args.artefact,
        foreign=args.foreign,
        proof=ProofRequest(args.prove),
        is_release=args.release,
        data=args.data,
    )
    manifest = build_model(request, _sources(args), args.selection)
    files = (path for path in request.target.rglob("*") if path.is_file())
    size_mb = sum(path.stat().st_size for path in files) / 1e6
    print(f"{request.target}: {len(manifest['members'])} members, {size_mb:.1f} MB")
    return 0


def _refuse_source_options(args: argparse.Namespace) -> None:
    refused = SOURCE_DEFAULTS if args.donor else {**FOLDER_DEFAULTS, **SOURCE_DEFAULTS}
    unused = [key for key, default in refused.items() if getattr(args, key) != default]
    if unused:
        option = f"--{unused[0].replace('_', '-')}"
        raise PackError(f"{args.selection}: {option} is of sources, and candidates are packed")


def _sources(args: argparse.Namespace) -> list[Source]:
    """Return the sources, then the donors, each with its share of the options.

    Raises:
        PackError: an option has another number of values than there are sources.
    """
    count, donors = len(args.sources), [parse_donor(d, SCHEMES[args.scheme]) for d in args.donor]
    paths = ", ".join(map(str, args.sources))
    if args.weight and len(args.weight) != count:
        raise PackError(f"--weight: {len(args.weight)} for {count} sources ({paths})")
    weights: list[Weight | None] = [None] * count
    if args.weight:
        weights = [0.0 if each == "0" and count > 1 else parse_weight(each) for each in args.weight]
    folders = [("", path, each) for path, each in zip(args.sources, weights, strict=True)]
    folders += [(region, path, 1.0) for region, path in donors]
    labels = one_each(args.labels, len(folders), "--labels")
    channels = one_each(args.channels, len(folders), "--channels")
    configurations = one_each(args.configuration, len(folders), "--configuration")
    return [
        Source(
            path=path,
            checkpoint=f"checkpoint_{args.checkpoint}",
            folds=args.folds,
            weight=weight,
            labels=source_labels,
            channels=source_channels,
            half=args.half,
            accepted=Accepted(configuration, args.foreign_trainer),
            orientation=args.orientation,
            cohort=args.cohort,
            donor=region,
        )
        for (region, path, weight), source_labels, source_channels, configuration in zip(
            folders, labels, channels, configurations, strict=True
        )
    ]
