"""Ship what a search decided: its artefact goes into a model folder, and into its manifest.

`python -m lab freeze WORK --model weights/NAME`. Where the held-out gain was not clear of zero the
labels stay as the ensemble gives them; `--force` ships what was fitted all the same, and the
artefact says so.
"""

import argparse
from pathlib import Path

from challenge.refusal import Refusal
from lab.arguments import add_out
from lab.rule_search.workspace import DECIDED, FORCED, SEARCH, read_setup, read_work
from postprocess.artefacts import load_artefacts, save_artefacts
from postprocess.rule_kinds import row_from


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("work", type=Path, metavar="WORK")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--model", type=Path, metavar="DIR", help="model folder, weights/NAME")
    add_out(where, "folder for `-m postprocess`", required=False)
    parser.add_argument("--force", action="store_true", help="ship rules whatever their gain")


def run(args: argparse.Namespace) -> int:
    """Copy the artefact with all its checks, and say what ships."""
    from ensemble.manifest import MANIFEST, read_manifest, scheme_of
    from lab.packing.write_manifest import write_manifest

    setup, ships = read_setup(args.work), read_work(args.work, SEARCH)["ships"]
    artefacts = load_artefacts(args.work / (FORCED if args.force else DECIDED), setup.scheme)
    if args.model and (own := scheme_of(args.model / MANIFEST)) != setup.scheme:
        raise Refusal(f"{args.model}: of scheme {own.name}, not {setup.scheme_name}")
    folder = args.model or args.out
    folder.mkdir(parents=True, exist_ok=True)
    save_artefacts(folder, artefacts)
    if args.model:
        write_manifest(folder, read_manifest(folder / MANIFEST))
    print(f"{folder}: {artefacts.fit['ships']} (decided: {ships})")
    for k, cluster in enumerate(artefacts.clusters):
        print(f"cluster {k}, {cluster.training_cases} cases: "
              f"{[row_from(rule) for rule in cluster.rules] or 'labels stay'}")  # fmt: skip
    return 0
