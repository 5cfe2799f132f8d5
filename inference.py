"""Podium: a challenge's input folder in, checked labels out.

find cases -> match each with a model -> read -> predict -> refine -> check and write -> record
"""

import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from challenge.case import Case, CaseError, CaseFiles, read_case
from challenge.case_outputs import Answer, OutputFolders
from challenge.cli import PLATFORM_WEIGHTS, Options, check_paths, parse
from challenge.limits import in_words, working_time_s
from challenge.platforms import find_cases
from challenge.process import report, set_up_process
from challenge.refusal import Refusal
from challenge.run_record import Outcome, Run, conclude, write_case, write_record
from challenge.server import Work, WorkError, serve
from challenge.shares import labels_of, unusual_shares
from challenge.summary import memorised_remarks, summarise
from ensemble.budget import Budget, DeviceThread, Shares
from ensemble.manifest import ManifestError, Model, find_manifests, scheme_of, verify_model
from ensemble.match_models import answered_by, match_models, missing_accepted_by
from postprocess import refine
from postprocess.artefacts import Artefacts, load_artefacts
from postprocess.training_cases import in_sample_remarks

if TYPE_CHECKING:
    from ensemble.engine import Engine
    from ensemble.predict import Prediction

log = logging.getLogger("podium")

SHIPPED_WEIGHTS = Path(__file__).resolve().parent / "weights"


@dataclass(frozen=True)
class LoadedModel:
    """A model whose files are verified, and its frozen post-processing."""

    model: Model
    artefacts: Artefacts


Job = tuple[CaseFiles, LoadedModel]


def main(argv: list[str] | None = None) -> int:
    """Run one folder, or serve folder after folder; return the exit code."""
    started = time.monotonic()
    options = parse(sys.argv[1:] if argv is None else argv)
    set_up_process()
    session = Session(options)
    if not options.serves:
        return report(*session.run_folder(started))
    try:
        serve(session.open_for_calls, options.port)
    except (OSError, Refusal) as error:
        return report(2, str(error))
    return 0


class Session:
    """Input folder in, labels out; what was verified and loaded for one folder serves the next."""

    def __init__(self, options: Options) -> None:
        """Nothing is loaded yet."""
        self.options = options
        self.weights = options.weights or default_weights()
        self.models: dict[Path, LoadedModel] = {}
        self.engine: Engine | None = None
        self.device_thread = DeviceThread()

    def run_folder(self, started: float) -> tuple[int, str]:
        """Find cases, load their models, run every case; return exit code and last line."""
        options = self.options
        try:
            check_paths(options)
            manifests = find_manifests(self.weights)
            inputs = find_cases(options.input, options.channels, answered_by(manifests))
            limit_s = options.time_limit or working_time_s(inputs.time_limit_s)
            log.info("platform=%s %s limit=%s", inputs.platform, inputs.count, in_words(limit_s))
            matches, failed = match_models(
                inputs, manifests, options.model, options.missing_sequences
            )
            paths = sorted({match.manifest for match in matches.values()})
            models = {path: self.load_model(path) for path in paths}
            jobs = [(match.files, models[match.manifest]) for match in matches.values()]
            engine = self.engine = self.engine or self.make_engine(len(jobs) > 1)
        except Refusal as error:
            return 2, str(error)
        for id, reason in failed.items():
            log.error("case=%s failed: %s", id, reason)
        outcomes: dict[str, Outcome] = {id: {"error": reason} for id, reason in failed.items()}
        budget = Budget(limit_s - (time.monotonic() - started))
        device = Device(engine, self.device_thread, Shares(budget, len(jobs)))
        run_cases(jobs, outcomes, device, options)
        remarks = [*in_sample_remarks(outcomes), *memorised_remarks(outcomes)]
        for remark in remarks:
            log.warning(remark)
        try:
            if options.record:
                members = {m.model.name: [k.name for k in m.model.members] for m in models.values()}
                run = Run(inputs.platform, members, engine.seconds, engine.description())
                write_record(options.record, run, outcomes, remarks)
        except OSError as error:  # the labels are there all the same
            return 1, f"{options.record}: the record cannot be written ({error.strerror})"
        return conclude(outcomes, options.output)

    def load_model(self, manifest: Path) -> LoadedModel:
        """Verify a model's files and load its frozen post-processing, once."""
        if manifest not in self.models:
            model = verify_model(manifest)
            log.info("model=%s members=%d %s", model.name, len(model.members), model.note)
            self.models[manifest] = LoadedModel(model, load_artefacts(model.folder, model.scheme))
        return self.models[manifest]

    def open_for_calls(self) -> Work:
        """Load every network that a call may need; return what a call does."""
        from ensemble.predict import warm_up

        engine = self.engine = self.make_engine(keeps_networks=True)
        manifests = list(find_manifests(self.weights).values())
        for_sockets = [manifest for manifest in manifests if scheme_of(manifest).has_sockets]
        if not for_sockets:
            log.warning("%s: no model for a socket; a call answers a BraTS folder", self.weights)
        for manifest in for_sockets or manifests:
            model = self.load_model(manifest).model
            self.device_thread.run(partial(warm_up, model, engine))
        return self.run_call

    def make_engine(self, keeps_networks: bool) -> "Engine":
        """Choose the device; networks stay loaded where another case may follow."""
        from ensemble.device import choose_device
        from ensemble.engine import Engine

        return Engine(choose_device(self.options.device), self.options.backend, keeps_networks)

    def run_call(self) -> None:
        """Run what lies in the input folder now."""
        code, last_line = self.run_folder(time.monotonic())
        if code:
            raise WorkError(last_line)


@dataclass(frozen=True)
class Device:
    """The engine, the thread that it runs in, and the time of each case there."""

    engine: "Engine"
    thread: DeviceThread
    shares: Shares


def run_cases(
    jobs: list[Job], outcomes: dict[str, Outcome], device: Device, options: Options
) -> None:
    """Run case after case, adding to `outcomes`; a failed case does not stop the others."""

    def attempt(files: CaseFiles, loaded: LoadedModel) -> None:
        if options.strict and any("error" in outcome for outcome in outcomes.values()):
            outcomes[files.id] = {"error": "not run: --strict, and an earlier case failed"}
            return
        try:
            for path in files.output_paths:  # of an earlier run, it must not pass for this run's
                (options.output / path).unlink(missing_ok=True)
            outcomes[files.id] = run_case(files, loaded, device, options)
        except (CaseError, OSError, MemoryError) as error:
            log.error("case=%s failed: %s", files.id, error)
            outcomes[files.id] = {"error": str(error) or "out of memory"}
        except Exception as error:  # no failure of one case may cost the others
            log.exception("case=%s failed", files.id)
            outcomes[files.id] = {"error": str(error) or type(error).__name__}
        finally:
            device.shares.done()

    # While one case is on a GPU, the next one is read and prepared and the last one is finished.
    together = 1 if options.strict else 3 if device.engine.on_gpu else 2
    with ThreadPoolExecutor(together) as pool:
        for running in [pool.submit(attempt, *job) for job in jobs]:
            running.result()


def run_case(files: CaseFiles, loaded: LoadedModel, device: Device, options: Options) -> Outcome:
    """Take one case from its files to its checked output; return its part of the record."""
    from ensemble.predict import predict, prepare_case

    engine, model = device.engine, loaded.model
    with engine.timed("read"):
        case = read_case(files, model.orientation)
    preparation = prepare_case(case, model, engine) if engine.on_gpu else None

    def run_networks() -> tuple["Prediction", float]:
        budget, needs_votes = device.shares.next(), loaded.artefacts.needs_votes
        started = budget.now()
        for prediction in predict(case, model, engine, budget, needs_votes, preparation):
            if not prediction.is_final:  # better than nothing, should the platform stop the program
                finishing = budget.now()
                finish_case(case, files, loaded, prediction, options)
                budget.reserve(budget.now() - finishing)
                del prediction  # the next network needs the memory
        return prediction, budget.now() - started

    prediction, seconds = device.thread.run(run_networks)
    with engine.timed("finish"):
        outcome = finish_case(case, files, loaded, prediction, options)
    summarise(case.id, outcome, seconds)
    return {**outcome, "predict_s": round(seconds, 3), **prediction.record()}


def finish_case(
    case: Case, files: CaseFiles, loaded: LoadedModel, prediction: "Prediction", options: Options
) -> Outcome:
    """Refine a prediction and write it, checked; return the case's part of the record."""
    model, probabilities = loaded.model, prediction.probabilities
    refined = refine(case, probabilities, model.head, loaded.artefacts, prediction.votes)
    answer = Answer(refined.labels, model.scheme, probabilities, model.head)
    target = model.answers_as(files.scheme)
    folders = OutputFolders(options.output, options.probabilities)
    outcome = write_case(answer, case, files, target, folders)
    return {
        "model": model.name,
        **outcome,
        "trained_on_case": model.trained_on(case.id),
        "missing_accepted_by": missing_accepted_by(case.missing_sequences, model),
        "training_orientations": list(model.unseen_orientations(case.stored_orientation)),
        "unusual_shares": unusual_shares(refined.labels, model.scheme, labels_of(model.head)),
        "postprocessing": refined.record,
    }


def default_weights() -> Path:
    """Return the platform's weights folder if it holds a manifest, else the one that ships."""
    try:
        find_manifests(PLATFORM_WEIGHTS)
    except ManifestError:
        return SHIPPED_WEIGHTS
    return PLATFORM_WEIGHTS


if __name__ == "__main__":
    sys.exit(main())
