"""Refine any model's label maps with frozen rules: python -m postprocess. CPU only, no torch.

Exit code 0: every label map was refined, written and checked. 1: at least one failed, all others
were written. 2: wrong usage, no label map, or an artefact that does not verify; nothing was run.
"""

import argparse
import json
import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from challenge.case import CaseError
from challenge.case_outputs import OutputFolders
from challenge.provenance import ProvenanceError
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Scheme, other_challenge, renumbers
from challenge.shares import SeenShares

from .artefacts import JSON_NAME, ArtefactError, Artefacts, load_artefacts
from .find_label_maps import LabelMap, LabelMaps, find_label_maps, known_channels
from .output_record import finish_record, start_record
from .refine_file import Line, refine_file
from .training_cases import in_sample_sentence

log = logging.getLogger("podium")


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
        channels = known_channels(args.channels, args.images, scheme)
        label_maps = find_label_maps(args.labels, args.images, args.probabilities, channels)
        label_maps = without_other_labels(label_maps, scheme, args.foreign)
        if args.probability_maps and not args.probabilities:
            raise UsageError("--probability-maps: needs --probabilities")
        folders = {key: getattr(args, key) for key in ("labels", "images", "probabilities")}
        make_output(args.output, folders, label_maps)
        record = start_record(
            args.labels, args.artefact, artefacts.fit, label_maps.cases, args.output
        )
    except Refusal as error:
        return _finish(2, str(error))
    lines = [{"id": id, "error": reason} for id, reason in label_maps.failed.items()]
    for line in lines:
        log.error("case=%s failed: %s", line["id"], line["error"])
        print(json.dumps(line), flush=True)
    shares, outputs = SeenShares(scheme), OutputFolders(args.output, args.probability_maps)
    for label_map in label_maps.cases:
        lines.append(attempt(label_map, artefacts, outputs, shares))
        print(json.dumps(lines[-1]), flush=True)
    if reason := shares.left_out():
        log.info(reason)
    report_origin(args.artefact, artefacts, lines)
    try:
        finish_record(args.output, record, lines)
    except ProvenanceError as error:
        return _finish(1, str(error))
    failed = [line for line in lines if "error" in line]
    if failed:
        first = f"{failed[0]['id']}: {failed[0]['error']}"
        return _finish(1, f"{len(failed)} of {len(lines)} cases failed; {first}")
    log.info("%d of %d cases refined to %s", len(lines), len(lines), args.output)
    return 0


def attempt(
    label_map: LabelMap, artefacts: Artefacts, folders: OutputFolders, shares: SeenShares
) -> Line:
    """Refine one label map, or say why not; labels of an earlier run are removed first."""
    try:
        (folders.outputs / label_map.output).unlink(missing_ok=True)
        return refine_file(label_map, artefacts, folders, shares)
    except CaseError as error:
        log.error("case=%s failed: %s", label_map.id, error)
        return {"id": label_map.id, "error": str(error)}
    except Exception as error:  # one case must not cost the others
        log.exception("case=%s failed", label_map.id)
        return {"id": label_map.id, "error": str(error) or type(error).__name__}


def report_origin(folder: Path, artefacts: Artefacts, lines: Sequence[Line]) -> None:
    """Warn where rules were fitted on the cases that they refined, or where that is not known."""
    fitted_on = [line["fitted_on_case"] for line in lines if "error" not in line]
    if not artefacts.has_held_out_gain:
        log.warning("%s: rules %s: their gain is not known", folder, artefacts.origin)
    elif training := fitted_on.count(True):
        log.warning("%s: %s", folder, in_sample_sentence(training, len(fitted_on)))
    elif None in fitted_on:
        log.info("%s: does not list the cases that chose its rules; are they others?", folder)


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


def without_other_labels(label_maps: LabelMaps, scheme: Scheme, accepted: bool) -> LabelMaps:
    """Move cases to the failed ones in whose challenge a value stands for another label.

    Raises:
        UsageError: no other case is left.
    """
    odd = {
        case.id: other.name
        for case in label_maps.cases
        if (other := other_challenge(case.id, scheme)) and renumbers(other, scheme)
    }
    if odd and accepted:
        log.warning("%d cases named as of another challenge: --foreign", len(odd))
        return label_maps
    failed = {
        id: f"named as of {name}, whose label values are not those of {scheme.name}; "
        "--foreign refines it all the same"
        for id, name in odd.items()
    }
    cases = tuple(case for case in label_maps.cases if case.id not in odd)
    if failed and not cases:
        id = next(iter(failed))
        raise UsageError(f"{len(failed)} of {len(failed)} cases: {id}: {failed[id]}")
    return LabelMaps(cases, {**label_maps.failed, **failed})


def make_output(output: Path, folders: Mapping[str, Path | None], label_maps: LabelMaps) -> None:
    """Make the output folder.

    Raises:
        UsageError: it cannot be made, is one of the input folders (by option), or what is written
            there would replace what is read.
    """
    for option, folder in folders.items():
        if folder and folder.resolve() == output.resolve():
            raise UsageError(f"{output}: --output is the folder of --{option}")
    read = {path.resolve() for case in label_maps.cases for path in case.files}
    for case in label_maps.cases:
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
    archives = "<ID>.npz as nnU-Net saves them; without, rules that require them are skipped"
    add("--probabilities", type=Path, metavar="DIR", help=archives)
    images = "write each region's probability as an image, <ID>_<region>, into this folder"
    add("--probability-maps", type=Path, metavar="DIR", help=images)
    scans = "named as BraTS or nnU-Net does; without, the artefact's fallback rules apply"
    add("--images", type=Path, metavar="DIR", help=scans)
    order = "sequences of nnU-Net's _0000, _0001 ...; default: dataset.json's, else the challenge's"
    add("--channels", metavar="NAMES", help=order)
    names = "refine cases whose names speak of a challenge of other label values"
    add("--foreign", action="store_true", help=names)
    frozen = f"folder of {JSON_NAME}, clusters.npz and, of gates, gates.npz"
    add("--artefact", type=Path, required=True, metavar="DIR", help=frozen)
    add("--output", type=Path, required=True, metavar="DIR", help="made where it is missing")
    return parser.parse_args(argv)


def _finish(code: int, message: str) -> int:
    sys.stdout.flush()
    print(" ".join(message.split()), file=sys.stderr)
    return code


def run_program() -> int:
    """Run on the command line's words; Ctrl-C is one line."""
    try:
        return main()
    except KeyboardInterrupt:
        return _finish(
            128 + signal.SIGINT,
            "interrupted; label maps that are there are whole; the same command runs again from "
            "the first case",
        )


if __name__ == "__main__":
    sys.exit(run_program())
