"""Podium: a challenge's input folder in, checked labels out.

Exit code 0: every case found was written and checked. 1: at least one failed, all others were
written. 2: wrong usage, no case, or weights that do not verify; nothing was run.
"""

import argparse
import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from challenge.case import Case, CaseError, CaseFiles, read_case, write_labels
from challenge.platforms import TIME_LIMIT_S, InputError, find_cases
from challenge.scheme import SCHEMES, restrict, unusual_shares, volumes_mm3
from ensemble.budget import Budget, Turns
from ensemble.choice import ChoiceError, match_models
from ensemble.manifest import ManifestError, Model, find_manifests, verify_model
from ensemble.threads import cores
from postprocess import refine
from postprocess.artefacts import ArtefactError, Artefacts, load_artefacts

if TYPE_CHECKING:
    from ensemble.engine import Engine
    from ensemble.predict import Prediction

log = logging.getLogger("podium")

PLATFORM_WEIGHTS = Path("/opt/ml/model")  # where grand-challenge unpacks a model archive
OWN_WEIGHTS = Path(__file__).resolve().parent / "weights"
WRITING = threading.Lock()  # held while a label file comes to be
Outcome = dict[str, Any]


class UsageError(ValueError):
    """The program was called in a way that cannot work."""


@dataclass(frozen=True)
class Ready:
    """A model whose files are verified, and its frozen post-processing."""

    model: Model
    artefacts: Artefacts


def run_case(files: CaseFiles, ready: Ready, engine: "Engine", turns: Turns, to: Path) -> Outcome:
    """Take one case from its files to its checked label file; return what is worth recording."""
    from ensemble.predict import predict

    with engine.timed("read"):
        case = read_case(files)
    with turns.take() as budget:  # one case on the device; another one is read or written meanwhile
        began = budget.now()
        for told in predict(case, ready.model, engine, budget, ready.artefacts.needs_votes):
            if not told.is_final:  # better than nothing, should the platform stop us
                early = budget.now()
                finish_case(case, files, ready, told, to)
                budget.keep(budget.now() - early)
                del told  # the next network needs the room
        seconds = budget.now() - began
    with engine.timed("finish"):
        outcome = finish_case(case, files, ready, told, to)
    summarise(case.id, outcome, seconds)
    return {**outcome, "predict_s": round(seconds, 3), "given_up": list(told.dropped)}


def finish_case(
    case: Case, files: CaseFiles, ready: Ready, told: "Prediction", to: Path
) -> Outcome:  # fmt: skip
    """Turn what the ensemble says into a checked label file."""
    model = ready.model
    refined = refine(case, told.probabilities, model.head, ready.artefacts, told.votes)
    target = SCHEMES[files.scheme] if files.scheme else model.scheme
    labels = restrict(refined.labels, model.scheme, target)
    with WRITING:
        write_labels(labels, files, to)
    volumes = volumes_mm3(labels, target, case.voxel_volume_mm3)
    return {
        "model": model.name,
        "output": str(files.output),
        "volumes_mm3": {name: volumes[name] for name in target.written},
        "unusual": unusual_shares(refined.labels, model.scheme),
        "refine": refined.record,
    }


def main(argv: list[str] | None = None) -> int:
    """Find cases, make the models ready, run every case; return the exit code."""
    began = time.monotonic()
    args = parse(sys.argv[1:] if argv is None else argv)
    # Before torch is loaded: waiting threads sleep instead of spinning, 20 times faster on cores
    # that other programs share; and there are no more of them than the container has cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", str(cores()))
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(message)s", force=True
    )
    signal.signal(signal.SIGTERM, _leave)
    try:
        check_paths(args)
        found = find_cases(args.input)
        log.info("platform=%s cases=%d", found.platform, len(found.cases) + len(found.faults))
        manifests, faults = match_models(found, find_manifests(args.weights), args.model)
        ready = {path: make_ready(path) for path in sorted(set(manifests.values()))}
        jobs = [(f, ready[manifests[f.id]]) for f in found.cases if f.id in manifests]
        engine = make_engine(args, len(jobs))
    except (UsageError, InputError, ChoiceError, ManifestError, ArtefactError) as error:
        return _finish(2, str(error))
    for id, fault in faults.items():
        log.error("case=%s failed: %s", id, fault)
    outcomes: dict[str, Outcome] = {id: {"error": fault} for id, fault in faults.items()}
    limit_s = args.time_limit or TIME_LIMIT_S[found.platform]
    budget = Budget(limit_s - (time.monotonic() - began))
    run_cases(jobs, outcomes, engine, Turns(budget, len(jobs)), args)
    if args.record:
        write_record(args.record, found.platform, ready.values(), engine, outcomes)
    failed = {id: outcome["error"] for id, outcome in outcomes.items() if "error" in outcome}
    if failed:
        id, reason = next(iter(failed.items()))
        return _finish(1, f"{len(failed)} of {len(outcomes)} cases failed; {id}: {reason}")
    log.info("%d of %d cases written to %s", len(outcomes), len(outcomes), args.output)
    return 0


def run_cases(
    jobs: list[tuple[CaseFiles, Ready]], outcomes: dict[str, Outcome], engine: "Engine",
    turns: Turns, args: argparse.Namespace,
) -> None:  # fmt: skip
    """Run case after case, adding to `outcomes`; a failed case does not stop the others."""

    def attempt(files: CaseFiles, ready: Ready) -> None:
        if args.strict and any("error" in outcome for outcome in outcomes.values()):
            outcomes[files.id] = {"error": "not run: --strict, and an earlier case failed"}
            return
        try:
            (args.output / files.output).unlink(missing_ok=True)  # no earlier run's answer survives
            outcomes[files.id] = run_case(files, ready, engine, turns, args.output)
        except (CaseError, OSError, MemoryError) as error:
            log.error("case=%s failed: %s", files.id, error)
            outcomes[files.id] = {"error": str(error) or "out of memory"}
        except Exception as error:  # whatever befalls one case must not cost the others
            log.exception("case=%s failed", files.id)
            outcomes[files.id] = {"error": str(error) or type(error).__name__}
        finally:
            turns.done()

    with ThreadPoolExecutor(1 if args.strict else 2) as pool:
        for running in [pool.submit(attempt, *job) for job in jobs]:
            running.result()


def make_engine(args: argparse.Namespace, cases: int) -> "Engine":
    """Choose the device; networks stay loaded where there is more than one case."""
    from ensemble.backends import BackendError
    from ensemble.device import choose_device
    from ensemble.engine import Engine

    try:
        return Engine(choose_device(args.device), args.backend, keeps=cases > 1)
    except BackendError as error:
        raise UsageError(f"--backend: {error}") from error


def make_ready(manifest: Path) -> Ready:
    """Verify a model's files and load its frozen post-processing."""
    model = verify_model(manifest)
    log.info("model=%s members=%d %s", model.name, len(model.members), model.note)
    return Ready(model, load_artefacts(model.folder, model.scheme))


def summarise(id: str, outcome: Outcome, seconds: float) -> None:
    """Print one line a case, and a warning for each share that looks like a swapped label map."""
    sizes = ", ".join(f"{n} {mm3 / 1000:.1f} mL" for n, mm3 in outcome["volumes_mm3"].items())
    log.info("%s: %s, in %.1f s -> %s", id, sizes, seconds, outcome["output"])
    for sentence in outcome["unusual"]:
        log.warning("case=%s unusual: %s; is a member's label map swapped?", id, sentence)


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line, in today's form or in the older `infer --data_path=...`."""
    older = argv[:1] == ["infer"]
    parser = argparse.ArgumentParser(prog="inference.py", description=__doc__)
    add = parser.add_argument
    where, to = ("--data_path", "--output_path") if older else ("--input", "--output")
    add(where, dest="input", type=Path, default=Path("/input"), metavar="DIR")
    add(to, dest="output", type=Path, default=Path("/output"), metavar="DIR")
    own = f"default: {PLATFORM_WEIGHTS} if it holds a manifest, else weights/ beside the program"
    add("--weights", type=Path, metavar="DIR", help=own)
    if older:
        add("--parameters_file", metavar="FILE", help="accepted; there is nothing to set")
    add("--model", metavar="NAME", help="default: what the input fits")
    add("--device", choices=("auto", "cuda", "cpu"), default="auto")
    add("--backend", default="auto", metavar="NAME", help="what runs networks; default: measured")
    add("--time-limit", type=seconds, metavar="SECONDS",
        help="for the whole folder; default: the platform's")  # fmt: skip
    add("--record", type=Path, metavar="FILE", help="write a JSON run record")
    parser.set_defaults(strict=False)
    stop = parser.add_mutually_exclusive_group()
    going = "a failed case does not stop the others (default)"
    stop.add_argument("--keep-going", dest="strict", action="store_false", help=going)
    stop.add_argument("--strict", action="store_true", help="stop at the first failed case")
    args = parser.parse_args(argv[1:] if older else argv)
    args.weights = args.weights or default_weights()
    return args


def seconds(text: str) -> float:
    """Read a positive number of seconds."""
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is no time to work in")
    return value


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
        raise UsageError(f"{args.output}: the output folder is not writable")
    if args.record and args.record.resolve().is_relative_to(args.output.resolve()):
        raise UsageError(f"{args.record}: the record must lie outside the output folder")
    if args.record and not args.record.resolve().parent.is_dir():
        raise UsageError(f"{args.record}: no such folder for the record")


def write_record(
    path: Path, platform: str, models: Iterable[Ready], engine: "Engine",
    outcomes: Mapping[str, Outcome],
) -> None:  # fmt: skip
    """Write what was run, with what, and how it went, as JSON."""
    record = {
        "version": os.environ.get("PODIUM_VERSION", "source"),
        "platform": platform,
        "models": {r.model.name: [m.name for m in r.model.members] for r in models},
        "seconds": {stage: round(s, 3) for stage, s in engine.seconds.items()},
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "cases": {id: outcomes[id] for id in sorted(outcomes)},
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _finish(code: int, message: str) -> int:
    sys.stdout.flush()
    print(" ".join(message.split()), file=sys.stderr)
    return code


def _leave(signum: int, frame: FrameType | None) -> None:
    with WRITING:  # a file that is being written is finished first
        os._exit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
