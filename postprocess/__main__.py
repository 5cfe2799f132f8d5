"""Refine any model's label maps with frozen rules: python -m postprocess. CPU only, no torch.

Exit code 0: every label map was refined, written and checked. 1: at least one failed, all others
were written. 2: wrong usage, no label map, or an artefact that does not verify; nothing was run.
"""

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

from challenge.case import CaseError, CaseFiles
from challenge.label_file import write_labels
from challenge.platforms import InputError
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Scheme
from challenge.shares import SeenShares, labels_of

from . import refine_labels
from .artefacts import JSON_NAME, ArtefactError, Artefacts, load_artefacts
from .find_label_maps import FoundMaps, LabelMap, find_label_maps
from .read_inputs import observe

log = logging.getLogger("podium")

Line = dict[str, Any]


class UsageError(Refusal):
    """The program was called in a way that cannot work."""


def main(argv: list[str] | None = None) -> int:
    """Verify the artefact, find label maps, refine each; return the exit code."""
    args = parse(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s", force=True
    )
    try:
        scheme = named_scheme(args.artefact)
        artefacts = load_artefacts(args.artefact, scheme)
        channels = known_channels(args.channels, scheme)
        found = find_label_maps(args.labels, args.images, args.probabilities, channels)
        make_output(args, found)
    except (UsageError, InputError, ArtefactError) as error:
        return _finish(2, str(error))
    lines = [{"id": id, "error": fault} for id, fault in found.faults.items()]
    for line in lines:
        log.error("case=%s failed: %s", line["id"], line["error"])
        print(json.dumps(line), flush=True)
    shares = SeenShares(scheme)
    for case in found.cases:
        lines.append(attempt(case, artefacts, args.output, shares))
        print(json.dumps(lines[-1]), flush=True)
    if unjudged := shares.left_out():
        log.info(unjudged)
    failed = [line for line in lines if "error" in line]
    if failed:
        first = f"{failed[0]['id']}: {failed[0]['error']}"
        return _finish(1, f"{len(failed)} of {len(lines)} cases failed; {first}")
    log.info("%d of %d cases refined to %s", len(lines), len(lines), args.output)
    return 0


def attempt(found: LabelMap, artefacts: Artefacts, output: Path, shares: SeenShares) -> Line:
    """Refine one label map, or say why not; no earlier run's answer survives."""
    try:
        (output / found.output).unlink(missing_ok=True)
        return run_case(found, artefacts, output, shares)
    except CaseError as error:
        log.error("case=%s failed: %s", found.id, error)
        return {"id": found.id, "error": str(error)}
    except Exception as error:  # whatever befalls one case must not cost the others
        log.exception("case=%s failed", found.id)
        return {"id": found.id, "error": str(error) or type(error).__name__}


def run_case(found: LabelMap, artefacts: Artefacts, output: Path, shares: SeenShares) -> Line:
    """Take one label map from its file to the refined one; return what is worth recording."""
    observed = observe(found, artefacts.scheme)
    predicted = labels_of(observed.head) if observed.head else ()
    for id, sentence in shares.add(found.id, observed.labels, predicted):
        log.warning("%s: unusual: %s; is the label map swapped?", id, sentence)
    refined = refine_labels(observed, artefacts)
    files = CaseFiles(found.id, {"labels": found.path}, "labels", found.output)
    path = write_labels(refined.labels, files, output)
    record = refined.record
    line: Line = {
        "id": found.id,
        "output": str(path),
        "images": list(found.images),
        "probabilities": str(found.probabilities) if found.probabilities else None,
        "remarks": list(observed.case.remarks),
        **{key: record[key] for key in ("cluster", "distance", "fallback")},
        "rules": [rule for rule in record["rules"] if "skipped" not in rule],
        "skipped": [rule for rule in record["rules"] if "skipped" in rule],
        **{key: record[key] for key in ("recovered_by", "voxels_changed", "volumes_mm3")},
    }
    log.info("%s: %s -> %s", found.id, _summary(line), path)
    return line


def named_scheme(folder: Path) -> Scheme:
    """Return the scheme that the artefact in a folder names.

    Raises:
        ArtefactError: there is no artefact, or it names no scheme that is known.
    """
    path = folder / JSON_NAME
    try:
        name = json.loads(path.read_bytes())["scheme"]
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{path}: names no scheme ({error})") from error
    if not isinstance(name, str) or name not in SCHEMES:
        raise ArtefactError(f"{path}: scheme {name!r} is not one of {', '.join(SCHEMES)}")
    return SCHEMES[name]


def known_channels(given: str | None, scheme: Scheme) -> tuple[str, ...]:
    """Return the sequence of each numbered channel, by default in the scheme's order."""
    if given is None:
        return scheme.sequences
    names = tuple(given.split(","))
    if len(set(names)) < len(names) or not set(names) <= set(scheme.sequences):
        known = ",".join(scheme.sequences)
        raise UsageError(f"--channels {given}: not different sequences of {scheme.name}, {known}")
    return names


def make_output(args: argparse.Namespace, found: FoundMaps) -> None:
    """Make the output folder, unless something that is read might be written over."""
    output: Path = args.output
    for name in ("labels", "images", "probabilities"):
        if (folder := getattr(args, name)) and folder.resolve() == output.resolve():
            raise UsageError(f"{output}: --output is the folder of --{name}")
    read = {path.resolve() for case in found.cases for path in case.files}
    for case in found.cases:
        if (output / case.output).resolve() in read:
            raise UsageError(f"{output / case.output}: would be written over, and is read")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{output}: cannot be made ({error.strerror})") from error


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m postprocess", description=__doc__)
    add = parser.add_argument
    maps = "label maps in the values of the artefact's challenge, flat"
    add("--labels", type=Path, required=True, metavar="DIR", help=maps)
    archives = "<ID>.npz as nnU-Net saves them; without, rules that need them are skipped"
    add("--probabilities", type=Path, metavar="DIR", help=archives)
    scans = "named as BraTS or nnU-Net does; without, the artefact's fallback is taken"
    add("--images", type=Path, metavar="DIR", help=scans)
    order = "sequences of nnU-Net's _0000, _0001 ...; default: the challenge's order"
    add("--channels", metavar="NAMES", help=order)
    frozen = f"folder of {JSON_NAME} and clusters.npz"
    add("--artefact", type=Path, required=True, metavar="DIR", help=frozen)
    add("--output", type=Path, required=True, metavar="DIR", help="made where it is missing")
    return parser.parse_args(argv)


def _summary(line: Line) -> str:
    changes = [f"{n} -{c['lost']} +{c['gained']}" for n, c in line["voxels_changed"].items()]
    return f"voxels {', '.join(changes)}" if changes else "no voxel changed"


def _finish(code: int, message: str) -> int:
    sys.stdout.flush()
    print(" ".join(message.split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
