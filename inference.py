"""Podium: a challenge's input folder in, checked labels out."""

import argparse
import io
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
from typing import TYPE_CHECKING

from challenge.case import Case, CaseError, CaseFiles, read_case
from challenge.cli import PLATFORM_WEIGHTS, UsageError, check_paths, parse
from challenge.label_file import write_labels
from challenge.limits import in_words, working_time_s
from challenge.platforms import SOCKETS, find_cases
from challenge.refusal import Refusal
from challenge.scheme import restrict, unwritten_mm3, volumes_mm3
from challenge.server import Work, WorkError, serve
from challenge.shares import labels_of, unusual_shares
from challenge.summary import Outcome, summarise
from ensemble.budget import Budget, Turns
from ensemble.manifest import ManifestError, Model, find_manifests, scheme_of, verify_model
from ensemble.match_models import gap_accepted_by, match_models
from ensemble.threads import cores
from postprocess import refine
from postprocess.artefacts import Artefacts, load_artefacts

if TYPE_CHECKING:
    from ensemble.engine import Engine
    from ensemble.predict import Prediction

log = logging.getLogger("podium")

OWN_WEIGHTS = Path(__file__).resolve().parent / "weights"
WRITING = threading.Lock()  # held while a label file comes to be


@dataclass(frozen=True)
class Ready:
    """A model whose files are verified, and its frozen post-processing."""

    model: Model
    artefacts: Artefacts


def run_case(files: CaseFiles, ready: Ready, engine: "Engine", turns: Turns, to: Path) -> Outcome:
    """Take one case from its files to its checked label file; return what is worth recording."""
    from ensemble.predict import predict

    with engine.timed("read"):
        case = read_case(files, ready.model.orientation)
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
    target = model.answers_as(files.scheme)
    labels = restrict(refined.labels, model.scheme, target)
    with WRITING:
        write_labels(labels, files, to, case.orientation)
    volumes = volumes_mm3(labels, target, case.voxel_volume_mm3)
    return {
        "model": model.name,
        "answers": target.name,
        "named": files.scheme,
        "output": str(files.output),
        "absent": list(case.missing_sequences),
        "unused": list(files.unused),
        "absent_accepted_by": gap_accepted_by(case.missing_sequences, model),
        "axes": case.stored_orientation,
        "trained_axes": list(model.unfamiliar_axes(case.stored_orientation)),
        "remarks": list(case.remarks),
        "volumes_mm3": {name: volumes[name] for name in target.written},
        "unwritten_mm3": unwritten_mm3(refined.labels, model.scheme, target, case.voxel_volume_mm3),
        "unusual": unusual_shares(refined.labels, model.scheme, labels_of(model.head)),
        "refine": refined.record,
    }


def main(argv: list[str] | None = None) -> int:
    """Do one folder, or serve folder after folder; return the exit code."""
    began = time.monotonic()
    args = parse(sys.argv[1:] if argv is None else argv)
    args.weights = args.weights or default_weights()
    set_up_process()
    desk = Desk(args)
    if not args.serves:
        return _finish(*desk.run_folder(began))
    try:
        serve(desk.open_for_calls, args.port)
    except (OSError, Refusal) as error:
        return _finish(2, str(error))
    return 0


class Desk:
    """Folder in, labels out; what was verified and loaded for one folder serves the next."""

    def __init__(self, args: argparse.Namespace) -> None:
        """Nothing is loaded yet."""
        self.args = args
        self.ready: dict[Path, Ready] = {}
        self.engine: Engine | None = None

    def run_folder(self, began: float) -> tuple[int, str]:
        """Find cases, make the models ready, run every case; return exit code and last word."""
        args = self.args
        try:
            check_paths(args)
            found = find_cases(args.input)
            limit_s = args.time_limit or working_time_s(found.platform)
            number, limit = len(found.cases) + len(found.failed), in_words(limit_s)
            log.info("platform=%s cases=%d limit=%s", found.platform, number, limit)
            chosen, faults = match_models(
                found, find_manifests(args.weights), args.model, args.missing_sequences
            )
            manifests = sorted({choice.manifest for choice in chosen.values()})
            ready = {path: self.make_ready(path) for path in manifests}
            jobs = [(choice.files, ready[choice.manifest]) for choice in chosen.values()]
            engine = self.engine = self.engine or make_engine(args, keeps=len(jobs) > 1)
        except Refusal as error:
            return 2, str(error)
        for id, fault in faults.items():
            log.error("case=%s failed: %s", id, fault)
        outcomes: dict[str, Outcome] = {id: {"error": fault} for id, fault in faults.items()}
        budget = Budget(limit_s - (time.monotonic() - began))
        run_cases(jobs, outcomes, engine, Turns(budget, len(jobs)), args)
        try:
            if args.record:
                write_record(args.record, found.platform, ready.values(), engine, outcomes)
        except OSError as error:  # the labels are there all the same
            return 1, f"{args.record}: the record cannot be written ({error.strerror})"
        return conclude(outcomes, args.output)

    def make_ready(self, manifest: Path) -> Ready:
        """Verify a model's files and load its frozen post-processing, once."""
        if manifest not in self.ready:
            model = verify_model(manifest)
            log.info("model=%s members=%d %s", model.name, len(model.members), model.note)
            self.ready[manifest] = Ready(model, load_artefacts(model.folder, model.scheme))
        return self.ready[manifest]

    def open_for_calls(self) -> Work:
        """Load every network that a call may need; return what a call does."""
        engine = self.engine = make_engine(self.args, keeps=True)
        asked_for = {socket.scheme for socket in SOCKETS.values()}
        for manifest in find_manifests(self.args.weights).values():
            if scheme_of(manifest).name in asked_for:
                for member in self.make_ready(manifest).model.members:
                    engine.load(member, passes=1)
        if not self.ready:
            raise UsageError(f"{self.args.weights}: no model for any socket of the platform")
        return self.do_call

    def do_call(self) -> None:
        """Do what lies in the input folder now."""
        code, last_word = self.run_folder(time.monotonic())
        if code:
            raise WorkError(last_word)


def set_up_process() -> None:
    """Set what must be set before torch is loaded or anything is said."""
    # Waiting threads sleep instead of spinning, 20 times faster on cores that other programs
    # share; and there are no more of them than the container has cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", str(cores()))
    for stream in (sys.stdout, sys.stderr):  # a file's name may be no text at all
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(message)s", force=True
    )
    signal.signal(signal.SIGTERM, _leave)


def conclude(outcomes: Mapping[str, Outcome], output: Path) -> tuple[int, str]:
    """Return the exit code of a finished folder, and its last word."""
    failed = {id: outcome["error"] for id, outcome in outcomes.items() if "error" in outcome}
    if failed:
        id, reason = next(iter(failed.items()))
        return 1, f"{len(failed)} of {len(outcomes)} cases failed; {id}: {reason}"
    return 0, f"{len(outcomes)} of {len(outcomes)} cases written to {output}"


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


def make_engine(args: argparse.Namespace, keeps: bool) -> "Engine":
    """Choose the device; networks stay loaded where another case may follow."""
    from ensemble.backends import BackendError
    from ensemble.device import choose_device
    from ensemble.engine import Engine

    try:
        return Engine(choose_device(args.device), args.backend, keeps)
    except BackendError as error:
        raise UsageError(f"--backend: {error}") from error


def default_weights() -> Path:
    """Return the platform's weights folder if it holds a manifest, else the one that ships."""
    try:
        find_manifests(PLATFORM_WEIGHTS)
    except ManifestError:
        return OWN_WEIGHTS
    return PLATFORM_WEIGHTS


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


def _finish(code: int, last_word: str) -> int:
    if code == 0:
        log.info(last_word)
    sys.stdout.flush()
    if code:
        print(" ".join(last_word.split()), file=sys.stderr)
    return code


def _leave(signum: int, frame: FrameType | None) -> None:
    with WRITING:  # a file that is being written is finished first
        os._exit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
