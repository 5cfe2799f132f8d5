"""Freeze trained nnU-Net folders, or zips from `nnUNetv2_export_model_to_zip`, into weights/.

Of a checkpoint only what inference reads is kept: network weights (half precision, each tensor
once), the configuration's name and the mirroring axes. The result still opens in stock nnU-Net.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from challenge.folders import is_hidden
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Scheme, answer_fault
from ensemble.manifest import (
    MANIFEST,
    SCHEMA,
    ManifestError,
    sha256_of,
    verify_model,
)
from ensemble.network import build_network, load_network
from lab.arguments import add_scheme
from lab.packing.label_options import one_each
from lab.packing.pack_selection import pack_selection
from lab.packing.pack_source import Source, pack_source
from lab.packing.proof import prove
from lab.packing.release import check_fresh, write_card
from lab.packing.stock_prediction import Trained
from lab.packing.synthetic_case import try_case
from lab.packing.trained_folder import CHECKPOINTS, PackError, folds_of, naming, trained_folder
from lab.packing.trained_network import Accepted
from postprocess.artefacts import load_artefacts, save_artefacts

# What says how sources are packed; a selection's candidates are packed already.
OF_SOURCES = {
    "folds": None,
    "weight": None,
    "labels": None,
    "channels": None,
    "checkpoint": "final",
    "configuration": "",
    "foreign_trainer": False,
    "mirroring": False,
    "step": 0.5,
    "missing_sequences": False,
    "orientation": None,
    "cohort": None,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    sources = "a folder with plans.json, dataset.json and fold_*, or its export zip"
    parser.add_argument("sources", nargs="*", type=Path, metavar="FOLDER_OR_ZIP", help=sources)
    chosen = "instead of sources: what `lab select` wrote, its candidates packed before"
    parser.add_argument("--selection", type=Path, metavar="FILE", help=chosen)
    parser.add_argument("--model", required=True, help="name of the model folder to make")
    add_scheme(parser, "challenge that it was trained for", required=True)
    asked = "challenges whose labels it may write, the usual one first; default: that of --scheme"
    parser.add_argument("--answers", metavar="NAME,...", help=asked)
    parser.add_argument(
        "--out", type=Path, default=Path("weights"), metavar="DIR", help="default: weights"
    )
    folds = "numbers, or all; default: every numbered fold that has the checkpoint, else fold_all"
    parser.add_argument("--folds", nargs="+", metavar="FOLD", help=folds)
    parser.add_argument("--checkpoint", choices=CHECKPOINTS, default="final")
    chosen = "where a zip holds several, or a checkpoint does not say its own"
    parser.add_argument("--configuration", default="", metavar="NAME", help=chosen)
    parser.add_argument("--weight", nargs="+", type=float, help="one a source; default: 1 each")
    unclear = "where dataset.json is unclear; once, or once for each source"
    parser.add_argument("--labels", action="append", metavar="NAME=VALUE,...", help=unclear)
    parser.add_argument("--channels", action="append", metavar="NAME,...", help=unclear)
    foreign = "take a trainer that nnU-Net does not ship for one that builds plans.json's network"
    parser.add_argument("--foreign-trainer", action="store_true", help=foreign)
    parser.add_argument("--mirroring", action="store_true", help="average over flips (8 x slower)")
    parser.add_argument("--step", type=float, default=0.5, help="tile step as a share of the patch")
    parser.add_argument("--artefact", type=Path, metavar="DIR", help="post-processing to ship")
    parser.add_argument("--data", default="", help="what it was trained on, for the model card")
    gaps = "run cases that lack sequences: the members were trained on such cases too"
    parser.add_argument("--missing-sequences", "--accepts-missing", action="store_true", help=gaps)
    turned = "axis order such as RAS that images are brought into; default: what the training says"
    parser.add_argument("--orientation", metavar="CODE", help=turned)
    cases = "nnU-Net raw folder of the training, whose images' axes are recorded"
    parser.add_argument("--cohort", type=Path, metavar="DIR", help=cases)
    real = (
        "prove it on a real case too: a challenge's folder, a scan, or nnU-Net's <case>_0000 file"
    )
    parser.add_argument("--prove", type=Path, metavar="CASE", help=real)
    released = "write a model card, and load what was packed in a fresh process"
    parser.add_argument("--release", action="store_true", help=released)
    parser.add_argument("--note", default="", help="one sentence for users, printed at every run")


def run(args: argparse.Namespace) -> int:
    """Pack the sources into a new model folder and verify it as the program will.

    Raises:
        Refusal: what is handed in cannot be packed; nothing is left behind.
    """
    scheme, target = SCHEMES[args.scheme], args.out / args.model
    check_arguments(args)
    manifest = empty_manifest(args, scheme)
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.out, prefix=".packing-") as scratch:
        building = Path(scratch) / args.model
        building.mkdir()
        manifest["proof"] = []  # of each source, beside stock nnU-Net
        if args.selection:
            check_target(target)
            answers = manifest["answers"] if args.answers else None
            manifest |= pack_selection(args.selection, building, scheme, answers)
        else:
            pack_sources(args, building, scheme, manifest)
        if args.artefact:
            save_artefacts(building, load_artefacts(args.artefact, scheme))
        if args.release:
            write_card(building, manifest, scheme, args.data)
        write_manifest(building, manifest)
        with unplaced(building, args.selection or ", ".join(map(str, args.sources))):
            check_members(building / MANIFEST)
            if args.release:
                check_fresh(building / MANIFEST)
            print(f"{args.model}: synthetic case: {try_case(building / MANIFEST)}")
        building.rename(target)
    size_mb = sum(p.stat().st_size for p in target.rglob("*") if p.is_file()) / 1e6
    print(f"{target}: {len(manifest['members'])} members, {size_mb:.1f} MB")
    return 0


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse what can be seen to be wrong before anything is opened.

    Raises:
        PackError: the message names the option.
    """
    if not args.model.strip(".") or Path(args.model).name != args.model:
        raise PackError(f"--model {args.model!r} is not the name of a folder")
    if bool(args.sources) == bool(args.selection):
        raise PackError("either sources or --selection")
    ignored = [key for key, usual in OF_SOURCES.items() if getattr(args, key) != usual]
    if args.selection and ignored:
        option = f"--{ignored[0].replace('_', '-')}"
        raise PackError(f"{args.selection}: {option} is of sources, and candidates are packed")
    given = ", ".join(map(str, args.sources))
    if args.weight and len(args.weight) != len(args.sources):
        raise PackError(f"--weight: {len(args.weight)} for {len(args.sources)} sources ({given})")
    if args.weight and not all(0 < weight < math.inf for weight in args.weight):
        raise PackError(f"--weight {' '.join(f'{w:g}' for w in args.weight)}: each must be above 0")
    if not 0 < args.step <= 1:
        raise PackError(f"--step {args.step:g} is not above 0 and at most 1")


def check_target(target: Path) -> None:
    """Refuse to write over a model.

    Raises:
        PackError: it is there.
    """
    if target.exists():
        raise PackError(f"{target} exists already; remove it or choose another --model")


def empty_manifest(args: argparse.Namespace, scheme: Scheme) -> dict[str, Any]:
    """Return the manifest that members are added to."""
    return {
        "schema": SCHEMA,
        "model": args.model,
        "scheme": scheme.name,
        "answers": given_answers(args.answers, scheme),
        "note": args.note,
        "settings": {
            "mirroring": args.mirroring,
            "step": args.step,
            **({"accepts_missing": True} if args.missing_sequences else {}),
        },
        "members": [],
        "versions": {name: version(name) for name in ("torch", "nnunetv2", "numpy")},
    }


def pack_sources(
    args: argparse.Namespace, building: Path, scheme: Scheme, manifest: dict[str, Any]
) -> None:
    """Pack every source and prove it; add its members and its proof to the manifest."""
    count = len(args.sources)
    weights = args.weight or [1.0] * count
    labels = one_each(args.labels, count, "--labels")
    channels = one_each(args.channels, count, "--channels")
    accepted = Accepted(args.configuration, args.foreign_trainer)
    for path, weight, named, order in zip(args.sources, weights, labels, channels, strict=True):
        with trained_folder(path, args.configuration) as folder:
            with naming(folder):
                checkpoint = f"checkpoint_{args.checkpoint}"
                folds = tuple(folds_of(folder, checkpoint, args.folds))
                source = Source(
                    folder,
                    folds,
                    checkpoint,
                    weight,
                    named,
                    order,
                    args.mirroring,
                    accepted,
                    args.orientation,
                    args.cohort,
                )
                number = sum(path.is_dir() for path in building.iterdir())
                home = building / (f"{folder.title}-{number}" if number else folder.title)
                manifest["members"] += pack_source(source, home, scheme)
            write_manifest(building, manifest)
            check_target(args.out / args.model)  # after what is wrong with the source itself
            with unplaced(building, ", ".join(map(str, args.sources))):
                verify_model(building / MANIFEST)
            with unplaced(building, folder.name):
                trained = Trained(folder.path, folds, checkpoint)
                manifest["proof"].append(prove(trained, building / MANIFEST, home.name, args.prove))


def given_answers(text: str | None, scheme: Scheme) -> list[str]:
    """Read --answers, and refuse a challenge that labels of `scheme` cannot answer."""
    names = text.split(",") if text else [scheme.name]
    for name in names:
        if fault := answer_fault(scheme, name):
            raise ManifestError(f"--answers {text}: {fault}")
    return names


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write MANIFEST.json with size and sha256 of every other file of the folder."""
    files = {
        str(path.relative_to(folder)): {
            "sha256": sha256_of(path),
            "size_bytes": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST and not is_hidden(path)
    }
    text = json.dumps({**manifest, "files": files}, indent=1) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def check_members(manifest: Path) -> None:
    """Open every member as the program will: hashes, plans, heads, and the network's weights."""
    for member in verify_model(manifest).members:
        network = build_network(member.plan, len(member.sequences), len(member.head.channels))
        load_network(network, member.checkpoint)


@contextmanager
def unplaced(building: Path, given: object) -> Iterator[None]:
    """Let what is refused of a folder in the making name what the user gave.

    Raises:
        PackError: in place of any refusal.
    """
    try:
        yield
    except Refusal as error:
        text = str(error).replace(f"{building / MANIFEST}: ", "").replace(f"{building}/", "")
        raise PackError(f"{given}: {text}") from error
