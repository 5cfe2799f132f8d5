"""The steps of a submission: pack, predict, select, fit rules and gates, release, prove, report."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lab.metrics.scorers import VOXEL
from lab.pipeline.sources import Source
from lab.pipeline.steps import PREDICT, Step, lab_words
from lab.pipeline.submission import Submission

# Round seconds that nobody measured: a network on a case, by device, until the run's first
# prediction is measured; then what other steps take.
NETWORK_S = {"cuda": 4.0, "cpu": 40.0}
PACK_S, VERIFY_S, SHORT_S, SEARCH_S = 20.0, 15.0, 5.0, 20.0
SELECT_CASE_S, FEATURES_CASE_S, SEARCH_CASE_S, SCORE_CASE_S = 4.0, 3.0, 2.0, 1.0
# `lab gate` with one process on two busy cores (2026-11-29 and -30): 60 synthetic gliomas of four
# labels took 682 and 686 s, 40 synthetic pancreas cases of one label 82, 83 and 133 s.
GATE_LABEL_S = 3.0
GATE_BASIS = "3 s a case and label, measured on 40 and 60 cases"
STORED = 0.02  # of the prediction of a case, where nnU-Net's validation spares it
REHEARSED = 2  # cases
MEMBERS = r": \d+ members, "  # what `lab pack` ends with


def candidate_steps(s: Submission) -> Iterator[Step]:
    """Yield what packs each source and predicts what it did not see; nothing for one source."""
    for source in s.sources if s.is_ensemble else ():
        packed = s.work / "packed" / source.name
        words = lab_words(
            "pack",
            source.folder,
            *("--model", source.name, "--scheme", s.scheme.name, "--out", s.work / "packed"),
            *_source_options(s, source),
        )
        yield Step(f"pack {source.name}", words, PACK_S, product=packed, finding=MEMBERS)
    for source in s.sources if s.is_ensemble else ():
        packed, maps = s.work / "packed" / source.name, s.work / "maps" / source.name
        yield _predict(s, source.name, packed, (source,), s.work / "oof" / source.name, maps)


def selection_steps(s: Submission) -> Iterator[Step]:
    """Yield the step that chooses members and weights; none for one source."""
    if s.is_ensemble:
        words = lab_words(
            "select",
            *(s.work / "maps" / source.name for source in s.sources),
            *("--cohort", s.cohort, "--out", s.work / "selection", "--scorer", s.scorer),
        )
        estimate = SELECT_CASE_S * s.cases * len(s.sources) / s.jobs
        yield Step("select", words, estimate, s.parallel, finding=r" ships?: ")


def model_steps(s: Submission, is_selected: bool) -> Iterator[Step]:
    """Yield the step that packs what ships: the selection, else all sources with equal weights."""
    if s.predictions:
        return
    words: tuple[object, ...] = ("--selection", s.selection)
    if not (s.is_ensemble and is_selected):
        named = (("--labels", s.labels), ("--channels", s.channels))
        options = [word for option, values in named for value in values for word in (option, value)]
        sources = s.shipped_sources(is_selected=False)
        folders = (source.folder for source in sources)
        words = (*folders, "--checkpoint", sources[0].checkpoint, *options)
    words = lab_words(
        "pack",
        *words,
        *("--model", s.name, "--scheme", s.scheme.name, "--out", s.model.parent),
        *("--release", "--data", s.data or f"{s.cases} cases of {s.cohort.name}"),
    )
    yield Step(f"pack {s.name}", words, PACK_S, product=s.model, finding=MEMBERS)


def rules_steps(s: Submission, is_selected: bool) -> Iterator[Step]:
    """Yield the steps that fit rules to what ships."""
    maps = s.probability_maps(is_selected)
    if not s.predictions:
        sources = s.shipped_sources(is_selected)
        yield _predict(s, s.name, s.model, sources, s.out_of_fold, maps)
    made_by = ("--scheme", s.scheme.name) if s.predictions else ("--model", s.model)
    probabilities = ("--probabilities", maps) if maps else ()
    describe = lab_words(
        "features",
        *("--cohort", s.cohort, "--predictions", s.out_of_fold, *made_by, *probabilities),
        *("--out", s.rules),
    )
    seconds = FEATURES_CASE_S * s.cases / s.jobs
    yield Step("features", describe, seconds, s.parallel, finding=r"^\d+ features of ")
    yield Step("fit", lab_words("fit", s.rules), SHORT_S)
    search = lab_words("search", s.rules, "--scorer", s.scorer)
    seconds = SEARCH_S + SEARCH_CASE_S * s.cases / s.jobs
    yield Step("search", search, seconds, s.parallel, finding=r"^ships: ")


def gate_steps(s: Submission) -> Iterator[Step]:
    """Yield the step that learns which components to remove, and judges that held out."""
    seconds = GATE_LABEL_S * len(s.scheme.written) * s.cases / s.jobs
    step = Step("gate", lab_words("gate", s.rules), seconds, s.parallel, finding=r"^ships: ")
    yield replace(step, basis=GATE_BASIS)


def freeze_steps(s: Submission) -> Iterator[Step]:
    """Yield the steps that show what was learned, and freeze what passed."""
    page = lab_words("explain", s.rules, "--html", s.work / "rules.html")
    yield Step("explain", page, 2 * SHORT_S)
    target = ("--out", s.artefact) if s.predictions else ("--model", s.model)
    yield Step("freeze", lab_words("freeze", s.rules, *target), SHORT_S)


def proof_steps(s: Submission) -> Iterator[Step]:
    """Yield the steps that open what ships in new processes, and run cases through the program."""
    if s.predictions:
        return
    verify = lab_words("verify", "--weights", s.model.parent)
    yield Step("verify", verify, VERIFY_S, finding="members: ")
    networks = sum(len(source.folds) for source in s.sources)
    words = lab_words(
        "rehearse",
        *("--cohort", s.cohort, "--model", s.model, "--cases", REHEARSED),
        *("--out", s.work / "rehearsal"),
    )
    product = s.work / "rehearsal"
    seconds = REHEARSED * networks * NETWORK_S[s.device]
    yield Step("rehearse", words, seconds, product=product, finding=r"exit code 0")


def report_steps(s: Submission, is_selected: bool) -> Iterator[Step]:
    """Yield the steps that score held-out labels with and without rules, and show them.

    With rules are gates, where these ship.
    """
    scored = {"without_rules": s.out_of_fold, "with_rules": s.held_out}
    scheme = ("--scheme", s.scheme.name) if s.scorer == VOXEL else ()
    for name, folder in scored.items():
        words = lab_words(
            "evaluate",
            *("--scorer", s.scorer, *scheme, "--predictions", folder, "--references"),
            *(s.references, "--out", s.scores(name)),
        )
        yield Step(f"evaluate {name}", words, SCORE_CASE_S * s.cases / s.jobs, s.parallel)
    words = lab_words(
        "report",
        *(s.scores("with_rules"), "--compare", s.scores("without_rules")),
        *("--html", s.work / "report.html", "--name", s.name),
        *(("--images", s.cohort / "imagesTr")),
        *(("--selection", s.selection) if s.is_ensemble and is_selected else ()),
    )
    yield Step("report", words, 4 * SHORT_S)


def all_steps(s: Submission) -> list[Step]:
    """Return the steps of a submission that is not short of time."""
    return [
        *candidate_steps(s),
        *selection_steps(s),
        *model_steps(s, True),
        *rules_steps(s, True),
        *gate_steps(s),
        *freeze_steps(s),
        *proof_steps(s),
        *report_steps(s, True),
    ]


def _predict(
    s: Submission,
    name: str,
    model: Path,
    sources: tuple[Source, ...],
    out: Path,
    maps: Path | None,
) -> Step:
    """Return the step that predicts each case by what did not see it."""
    needs_maps = maps is not None or len(sources) > 1
    stored = all(each.has_probabilities if needs_maps else each.has_labels for each in sources)
    words = lab_words(
        "out-of-fold",
        *("--model", model, "--cohort", s.cohort, "--splits", s.splits, "--out", out),
        *(("--maps", maps) if maps else ()),
        *(("--validation", *(each.folder for each in sources)) if stored else ()),
    )
    seconds = s.cases * len(sources) * NETWORK_S[s.device] * (STORED if stored else 1.0)
    kind = "" if stored else PREDICT
    agreement = "foreground voxels differ"  # of nnU-Net's validation and ours
    step = Step(f"predict {name}", words, seconds, kind=kind, finding=agreement)
    return replace(step, written=tuple(filter(None, (out, maps))), files=s.cases)


def _source_options(s: Submission, source: Source) -> tuple[str, ...]:
    """Return the options of pack that belong to one source."""
    if not source.is_nnunets:
        return ()
    words = ["--checkpoint", source.checkpoint]
    for option, values in (("--labels", s.labels), ("--channels", s.channels)):
        if values:
            words += [option, values[source.number if len(values) > 1 else 0]]
    return tuple(words)
