"""Check the weights as they will be checked at run time, open every checkpoint, and try a case.

`python -m lab verify [--weights DIR] [--quick]` prints one line a check; exit code 1 if any fails.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from challenge.refusal import Refusal
from ensemble.manifest import find_manifests, scheme_of, verify_model
from lab.packing.exported_proof import check_known_answers
from lab.packing.model_facts import table
from lab.packing.synthetic_case import try_case
from lab.packing.write_manifest import open_members
from postprocess.artefacts import load_artefacts


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("--weights", type=Path, default=Path("weights"), metavar="DIR", help="default: weights")
    add("--quick", action="store_true", help="no synthetic case")


def run(args: argparse.Namespace) -> int:
    """Run every check on every model, and print how each went."""
    manifests = find_manifests(args.weights)
    failed = 0
    for model, manifest in sorted(manifests.items()):
        for name, check in CHECKS.items():
            if args.quick and check is try_case:
                print(f"{model}: {name}: not run, --quick")
                continue
            try:
                print(f"{model}: {name}: {check(manifest)}", flush=True)
            except Refusal as error:
                failed += 1
                print(f"{model}: {name} FAILED: {error}")
    return 1 if failed else 0


def check_members(manifest: Path) -> str:
    """Verify hashes and sizes, open every checkpoint as plain tensors, ask what has answers."""
    model = verify_model(manifest)
    open_members(manifest)
    known = check_known_answers(manifest)
    answers = f", known answers of {known} exported members right" if known else ""
    return f"{len(model.members)} members, hashes right, checkpoints open{answers}"


def check_facts(manifest: Path) -> str:
    """Say what the model is: the table that `pack` prints."""
    return "\n".join(("", *table(manifest)))


def check_postprocess(manifest: Path) -> str:
    """Load the frozen post-processing with all its checks."""
    artefacts = load_artefacts(manifest.parent, scheme_of(manifest))
    if artefacts.model is None:
        return "none, labels stay as the ensemble gives them"
    rules = sum(len(cluster.rules) for cluster in artefacts.clusters)
    gates = f", {len(artefacts.gates)} gates" if artefacts.gates else ""
    answers = f"fallback {artefacts.fallback.name}, no credible component {artefacts.empty_answer}"
    return (
        f"{len(artefacts.clusters)} clusters, {rules} rules, {answers}{gates}, "
        f"known answers right, {artefacts.origin}"
    )


CHECKS: dict[str, Callable[[Path], str]] = {
    "members": check_members,
    "what it is": check_facts,
    "post-processing": check_postprocess,
    "synthetic case": try_case,
}
