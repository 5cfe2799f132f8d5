"""Podium: a challenge's input folder in, checked labels out.

The story: find cases -> read -> predict -> refine -> check and write. Exit code 0 when every case
found was written, 1 when at least one failed, 2 when nothing could be run.
"""

import argparse
import json
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from challenge.case import CaseFiles, read_case, write_labels
from challenge.platforms import Found, InputError, find_cases
from challenge.scheme import SCHEMES, Scheme, restrict, unusual_shares, volumes_ml
from ensemble.manifest import ManifestError, Model, find_manifests, scheme_of, verify_model
from postprocess import Artefacts, refine
from postprocess.artefacts import ArtefactError, load_artefacts

log = logging.getLogger("podium")

PLATFORM_WEIGHTS = Path("/opt/ml/model")  # where grand-challenge unpacks a model archive
OWN_WEIGHTS = Path(__file__).resolve().parent / "weights"


class UsageError(ValueError):
    """The program was called in a way that cannot work."""


@dataclass(frozen=True)
class Ready:
    """A model whose files are verified, and its frozen post-processing."""

    model: Model
    artefacts: Artefacts


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    args = parse(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s", force=True)
    signal.signal(signal.SIGTERM, _leave)
    try:
        check_paths(args)
        found = find_cases(args.input)
        plan, faults = match_models(found, find_manifests(args.weights), args.model)
        ready = {path: prepare_model(path) for path in sorted(set(plan.values()))}
    except (UsageError, InputError, ManifestError, ArtefactError) as error:
        return _finish(2, str(error))
    outcomes = run_cases(found, plan, ready, faults, args)
    failed = {id: outcome["error"] for id, outcome in outcomes.items() if "error" in outcome}
    if args.record:
        write_record(args.record, found.platform, ready, outcomes)
    if failed:
        id, reason = next(iter(failed.items()))
        return _finish(1, f"{len(failed)} of {len(outcomes)} cases failed; {id}: {reason}")
    log.info("%d of %d cases written to %s", len(outcomes), len(outcomes), args.output)
    return 0


def run_cases(
    found: Found,
    plan: Mapping[str, Path],
    ready: Mapping[Path, Ready],
    faults: Mapping[str, str],
    args: argparse.Namespace,
) -> dict[str, dict[str, Any]]:
    """Run every case that has a model; a failure is recorded and the next case goes on."""
    from ensemble.device import choose_device

    outcomes: dict[str, dict[str, Any]] = {}
    for id, fault in faults.items():
        log.error("case=%s failed: %s", id, fault)
        outcomes[id] = {"error": fault}
    device = choose_device(args.device) if plan else None
    for files in found.cases:
        if files.id not in plan or (args.strict and any("error" in o for o in outcomes.values())):
            continue
        (args.output / files.output).unlink(missing_ok=True)  # never leave an earlier run's answer
        try:
            outcomes[files.id] = run_case(files, ready[plan[files.id]], device, args.output)
        except Exception as error:  # one case, whatever befalls it, must not cost the others
            log.exception("case=%s failed", files.id)
            outcomes[files.id] = {"error": str(error) or type(error).__name__}
    return outcomes


def run_case(files: CaseFiles, ready: Ready, device: Any, output: Path) -> dict[str, Any]:
    """Take one case from its files to its checked label file; return what is worth recording."""
    from ensemble.predict import predict

    began = time.perf_counter()
    case = read_case(files)
    probabilities = predict(case, ready.model, device)
    predicted = time.perf_counter()
    refined = refine(case, probabilities, ready.model.head, ready.artefacts)
    scheme = SCHEMES.get(files.scheme or "", ready.model.scheme)
    labels = restrict(refined.labels, ready.model.scheme, scheme)
    warnings = unusual_shares(refined.labels, ready.model.scheme)
    path = write_labels(labels, files, output)
    volumes = volumes_ml(labels, scheme, case.voxel_volume_mm3)
    seconds = {"predict": predicted - began, "all": time.perf_counter() - began}
    for warning in warnings:
        log.warning("case=%s unusual: %s; is a member's label map swapped?", case.id, warning)
    sizes = ", ".join(f"{name} {ml:.1f} mL" for name, ml in volumes.items())
    log.info("%s: %s, %.1f s -> %s", case.id, sizes, seconds["all"], path)
    return {
        "model": ready.model.name,
        "output": str(files.output),
        "volumes_ml": volumes,
        "warnings": warnings,
        "refine": refined.record,
        "seconds": seconds,
    }


def match_models(
    found: Found, manifests: Mapping[str, Path], wanted: str | None
) -> tuple[dict[str, Path], dict[str, str]]:
    """Give each case its model's manifest; return also the faults of the cases that have none."""
    plan: dict[str, Path] = {}
    faults = dict(found.faults)
    for files in found.cases:
        try:
            plan[files.id] = choose_model(files, manifests, wanted)
        except UsageError as error:
            faults[files.id] = str(error)
    if not plan and found.cases:
        raise UsageError(faults[found.cases[0].id])
    return plan, faults


def choose_model(files: CaseFiles, manifests: Mapping[str, Path], wanted: str | None) -> Path:
    """Return the manifest of the model that fits a case.

    The case's own challenge comes first; else the one model that reads the same sequences and
    names every label that the challenge writes with the same value.
    """
    if wanted is not None:
        if wanted not in manifests:
            raise UsageError(f"no model {wanted!r}, only {', '.join(sorted(manifests))}")
        manifests = {wanted: manifests[wanted]}
    schemes = {name: scheme_of(path) for name, path in manifests.items()}
    target = SCHEMES.get(files.scheme or "")
    exact = [name for name, scheme in schemes.items() if scheme is target]
    fitting = exact or [name for name, scheme in schemes.items() if _fits(files, target, scheme)]
    if len(fitting) != 1:
        which = ", ".join(sorted(fitting or manifests))
        problem = "several models fit" if fitting else "no model fits"
        raise UsageError(f"{problem} case {files.id} ({which}); choose one with --model")
    return manifests[fitting[0]]


def _fits(files: CaseFiles, target: Scheme | None, scheme: Scheme) -> bool:
    if set(files.images) != set(scheme.sequences):
        return False
    written = {name: target.labels[name] for name in target.written} if target else {}
    return written.items() <= dict(scheme.labels).items()


def prepare_model(manifest: Path) -> Ready:
    """Verify a model's files and load its frozen post-processing."""
    model = verify_model(manifest)
    log.info("model=%s members=%d scheme=%s %s",
             model.name, len(model.members), model.scheme.name, model.note)  # fmt: skip
    return Ready(model, load_artefacts(model.folder, model.scheme))


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line, in today's form or in the older `infer --data_path=...`."""
    older = argv[:1] == ["infer"]
    parser = argparse.ArgumentParser(prog="inference.py", description=__doc__)
    names = ("--data_path", "--output_path") if older else ("--input", "--output")
    parser.add_argument(names[0], dest="input", type=Path, default=Path("/input"), metavar="DIR")
    parser.add_argument(names[1], dest="output", type=Path, default=Path("/output"), metavar="DIR")
    parser.add_argument("--weights", type=Path, default=None, metavar="DIR",
                        help=f"default: {PLATFORM_WEIGHTS} if it holds a manifest, else weights/")  # fmt: skip
    if older:
        parser.add_argument("--parameters_file", help="accepted, not needed")
    parser.add_argument("--model", help="default: what the input fits")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write a JSON run record")
    stop = parser.add_mutually_exclusive_group()
    stop.add_argument("--keep-going", dest="strict", action="store_false",
                      help="a failed case does not stop the others (default)")  # fmt: skip
    stop.add_argument("--strict", action="store_true", help="stop at the first failed case")
    args = parser.parse_args(argv[1:] if older else argv)
    args.weights = args.weights or default_weights()
    return args


def default_weights() -> Path:
    """Return the platform's weights folder if it holds a manifest, else the one that ships."""
    try:
        find_manifests(PLATFORM_WEIGHTS)
    except ManifestError:
        return OWN_WEIGHTS
    return PLATFORM_WEIGHTS


def check_paths(args: argparse.Namespace) -> None:
    """Refuse an output that cannot be written and a record that would lie among the labels."""
    if not args.output.is_dir():
        raise UsageError(f"{args.output}: no such output folder")
    if not os.access(args.output, os.W_OK | os.X_OK):
        raise UsageError(f"{args.output}: output folder is not writable")
    if args.record and args.record.resolve().is_relative_to(args.output.resolve()):
        raise UsageError(f"{args.record}: the record must lie outside the output folder")
    if args.record and not args.record.resolve().parent.is_dir():
        raise UsageError(f"{args.record}: no such folder for the record")


def write_record(
    path: Path, platform: str, ready: Mapping[Path, Ready], outcomes: Mapping[str, Any]
) -> None:
    """Write what was run, with what, and how it went, as JSON."""
    record = {
        "version": os.environ.get("PODIUM_VERSION", "source"),
        "platform": platform,
        "models": {r.model.name: [m.name for m in r.model.members] for r in ready.values()},
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "cases": outcomes,
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _finish(code: int, message: str) -> int:
    sys.stdout.flush()
    print(" ".join(message.split()), file=sys.stderr)
    return code


def _leave(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
