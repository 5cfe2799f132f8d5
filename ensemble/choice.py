"""Which model fits which case."""

from collections.abc import Mapping
from pathlib import Path

from challenge.case import CaseFiles
from challenge.platforms import Found, gap_of
from challenge.refusal import Refusal
from challenge.scheme import Scheme
from ensemble.manifest import MANIFEST, Model, accepts_missing, answers_of, scheme_of


class ChoiceError(Refusal):
    """No model, or more than one, fits a case."""


class GapError(ChoiceError):
    """A case lacks sequences, and no model that fits it takes such a case."""


def match_models(
    found: Found, manifests: Mapping[str, Path], wanted: str | None, gaps: bool | None = None
) -> tuple[dict[str, Path], dict[str, str]]:
    """Return each case's manifest, and the faults of the cases that cannot be run.

    `gaps`: whether cases that lack sequences are run; None leaves that to each model's manifest.

    Raises:
        ChoiceError: there are sound cases, and no model fits any of them.
    """
    chosen: dict[str, Path] = {}
    faults = dict(found.faults)
    unfit: list[str] = []
    for files in found.cases:
        try:
            chosen[files.id] = choose_model(files, manifests, wanted, gaps)
        except ChoiceError as error:
            faults[files.id] = str(error)
            unfit += [] if isinstance(error, GapError) else [str(error)]  # a gap is the case's own
    if unfit and not chosen:
        raise ChoiceError(unfit[0])
    return chosen, faults


def choose_model(
    files: CaseFiles, manifests: Mapping[str, Path], wanted: str | None, gaps: bool | None = None
) -> Path:
    """Return the manifest of the model that fits a case.

    Of those that read its sequences, a model that answers the challenge of its name comes first,
    before all one that mainly does; else the one that there is.
    """
    if wanted is not None:
        if wanted not in manifests:
            raise ChoiceError(f"no model {wanted!r}, only {', '.join(sorted(manifests))}")
        manifests = {wanted: manifests[wanted]}
    fitting = [name for name, path in manifests.items() if reads(files, scheme_of(path))]
    if files.absent and fitting:
        fitting = taking_gaps(files, {name: manifests[name] for name in fitting}, gaps)
    answers = {name: [s.name for s in answers_of(manifests[name])] for name in fitting}
    by_name = [name for name in fitting if files.scheme in answers[name]]
    mainly = [name for name in by_name if answers[name][0] == files.scheme]
    best = mainly or by_name or fitting
    if len(best) != 1:
        which = ", ".join(sorted(best or manifests))
        problem = "several models fit" if best else "no model fits"
        raise ChoiceError(f"{problem} case {files.id} (of {which}); choose one with --model")
    return manifests[best[0]]


def taking_gaps(
    files: CaseFiles, manifests: Mapping[str, Path], gaps: bool | None
) -> list[str]:  # fmt: skip
    """Return which of the models that fit take a case that lacks sequences.

    With `gaps` True every one does, and those that were trained for it come first.

    Raises:
        GapError: none does; the message names the files that were found.
    """
    if gaps is False:
        raise GapError(f"{gap_of(files)}; --no-missing-sequences refuses that")
    accepting = [name for name, path in manifests.items() if accepts_missing(path)]
    if not accepting and not gaps:
        names = ", ".join(sorted(manifests))
        raise GapError(f"{gap_of(files)}; no model that fits accepts that ({names})")
    return accepting or list(manifests)


def gap_accepted_by(files: CaseFiles, model: Model) -> str | None:
    """Say who let a case run that lacks sequences; None where it lacks none."""
    if not files.absent:
        return None
    if accepts_missing(model.folder / MANIFEST):
        return f"the manifest of {model.name}"
    return f"--missing-sequences, though the manifest of {model.name} does not"


def reads(files: CaseFiles, scheme: Scheme) -> bool:
    """Tell whether a model of `scheme` has the sequences of a case as its input."""
    return {*files.images, *files.absent} == set(scheme.sequences)
