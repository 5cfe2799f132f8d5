"""Which model fits which case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from challenge.case import CaseFiles
from challenge.platforms import InputCases, describe_missing, with_sequences
from challenge.refusal import Refusal
from ensemble.manifest import (
    MANIFEST,
    Model,
    accepts_missing,
    answers_of,
    read_manifest,
    scheme_of,
)


class ChoiceError(Refusal):
    """No model, or more than one, fits a case."""


class GapError(ChoiceError):
    """A case lacks sequences, and no model that fits it takes such a case."""


@dataclass(frozen=True)
class Choice:
    """A model for a case, and the case as that model's networks see it."""

    manifest: Path
    files: CaseFiles


def match_models(
    found: InputCases, manifests: Mapping[str, Path], wanted: str | None, gaps: bool | None = None
) -> tuple[dict[str, Choice], dict[str, str]]:
    """Return each case's model, and the faults of the cases that cannot be run, by id.

    `gaps`: whether cases that lack sequences are run; None leaves that to each model's manifest.

    Raises:
        ChoiceError: there are sound cases, and no model fits any of them.
    """
    chosen: dict[str, Choice] = {}
    faults = dict(found.failed)
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
) -> Choice:
    """Return the model that answers a case.

    Of those that take any of its sequences, a model that answers the challenge of its name comes
    first, before all one that mainly does; then one whose input is just what there is.
    """
    if wanted is not None:
        if wanted not in manifests:
            raise ChoiceError(f"no model {wanted!r}, only {', '.join(sorted(manifests))}")
        manifests = {wanted: manifests[wanted]}
    fitting = [Choice(path, seen) for path in manifests.values() if (seen := seen_by(path, files))]
    if fitting:
        fitting = taking_gaps(fitting, gaps)
    for is_better in (_answers_by_name, _answers_mainly, _takes_just_that):
        fitting = [choice for choice in fitting if is_better(choice)] or fitting
    if len(fitting) != 1:
        names = [name for name, path in manifests.items()
                 if not fitting or path in {choice.manifest for choice in fitting}]  # fmt: skip
        problem = "several models fit" if fitting else "no model fits"
        which = ", ".join(sorted(names))
        raise ChoiceError(f"{problem} case {files.id} (of {which}); choose one with --model")
    allow_missing = accepts_missing(fitting[0].manifest) if gaps is None else gaps
    return replace(fitting[0], files=replace(fitting[0].files, allow_missing=allow_missing))


def seen_by(manifest: Path, files: CaseFiles) -> CaseFiles | None:
    """Return a case as a model sees it; None where it has none of the model's sequences."""
    sequences = scheme_of(manifest).sequences
    if not set(sequences) & set(files.images):
        return None
    return with_sequences(files, sequences)


def taking_gaps(fitting: Sequence[Choice], gaps: bool | None) -> list[Choice]:
    """Return the models that lack nothing of a case, or take it all the same.

    With `gaps` True every one does, and those that were trained for it come first.

    Raises:
        GapError: none does; the message names the files that were found.
    """
    taking = [c for c in fitting if not c.files.missing_sequences
              or (gaps is not False and accepts_missing(c.manifest))]  # fmt: skip
    if taking or gaps:
        return taking or list(fitting)
    gap = describe_missing(fitting[0].files)
    if gaps is False:
        raise GapError(f"{gap}; --no-missing-sequences refuses that")
    names = ", ".join(sorted(read_manifest(choice.manifest)["model"] for choice in fitting))
    raise GapError(f"{gap}; no model that fits accepts that ({names})")


def _answers_by_name(choice: Choice) -> bool:
    return choice.files.scheme in [scheme.name for scheme in answers_of(choice.manifest)]


def _answers_mainly(choice: Choice) -> bool:
    return choice.files.scheme == answers_of(choice.manifest)[0].name


def _takes_just_that(choice: Choice) -> bool:
    return not choice.files.missing_sequences and not choice.files.unused


def gap_accepted_by(absent: Sequence[str], model: Model) -> str | None:
    """Say who let a case run that lacks sequences; None where it lacks none."""
    if not absent:
        return None
    if accepts_missing(model.folder / MANIFEST):
        return f"the manifest of {model.name}"
    return f"--missing-sequences, though the manifest of {model.name} does not"
