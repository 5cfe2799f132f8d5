"""Which model fits which case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from challenge.case import CaseFiles
from challenge.description import ANY
from challenge.input_cases import InputCases, describe_missing, with_sequences
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, renumbers
from ensemble.manifest import (
    MANIFEST,
    Model,
    accepts_missing_sequences,
    answers_of,
    read_manifest,
    scheme_of,
)


class MatchError(Refusal):
    """No model, or more than one, fits a case."""


class MissingSequencesError(MatchError):
    """A case lacks sequences, and no model that fits it takes such a case."""


@dataclass(frozen=True)
class ModelMatch:
    """A model for a case, and the case as that model's networks see it."""

    manifest: Path
    files: CaseFiles


def answered_by(manifests: Mapping[str, Path]) -> set[str]:
    """Return the names of all challenges that some of these models answer."""
    return {scheme.name for path in manifests.values() for scheme in answers_of(path)}


def match_models(
    inputs: InputCases,
    manifests: Mapping[str, Path],
    wanted: str | None,
    allow_missing: bool | None = None,
) -> tuple[dict[str, ModelMatch], dict[str, str]]:
    """Return each case's model, and the reason for each case that cannot be run, by id.

    Args:
        inputs: the cases of an input folder.
        manifests: MANIFEST.json of each model, by model name.
        wanted: the one model to use; None: whichever fits.
        allow_missing: whether cases that lack sequences are run; None leaves that to each manifest.

    Raises:
        MatchError: there are sound cases, and no model fits any of them.
    """
    chosen: dict[str, ModelMatch] = {}
    failed = dict(inputs.failed)
    unfit: list[str] = []
    for files in inputs.cases:
        try:
            chosen[files.id] = match_model(files, manifests, wanted, allow_missing)
        except MatchError as error:
            failed[files.id] = str(error)
            if not isinstance(error, MissingSequencesError):  # that is a property of the case alone
                unfit.append(str(error))
    if unfit and not chosen:
        raise MatchError(unfit[0])
    return chosen, failed


def match_model(
    files: CaseFiles,
    manifests: Mapping[str, Path],
    wanted: str | None,
    allow_missing: bool | None = None,
) -> ModelMatch:
    """Return the model that answers a case; arguments as of `match_models`.

    Of those that take any of its sequences, a model that answers the challenge of its name comes
    first, before all one that mainly does; then one whose input is just what there is. A model
    whose label values mean something else in the challenge of its name, as PED's 1 is ET and GLI's
    NETC, answers it where `wanted` says so alone.

    Raises:
        MatchError: no model fits, or several do.
    """
    if wanted is not None:
        if wanted not in manifests:
            raise MatchError(f"no model {wanted!r}, only {', '.join(sorted(manifests))}")
        manifests = {wanted: manifests[wanted]}
    fitting = [
        ModelMatch(path, model_files)
        for path in manifests.values()
        if (model_files := files_for(path, files))
    ]
    if fitting:
        fitting = accepting_missing(fitting, allow_missing)
    for is_better in (_answers_by_name, _answers_mainly, _takes_exactly_these):
        fitting = [match for match in fitting if is_better(match)] or fitting
    if len(fitting) != 1:
        paths = {match.manifest for match in fitting} or set(manifests.values())
        problem = "several models fit" if fitting else "no model fits"
        which = ", ".join(sorted(name for name, path in manifests.items() if path in paths))
        raise MatchError(f"{problem} case {files.id} (of {which}); choose one with --model")
    (match,) = fitting
    if wanted is None:
        _check_values(match)
    if allow_missing is None:
        allow_missing = accepts_missing_sequences(match.manifest)
    return replace(match, files=replace(match.files, allow_missing=allow_missing))


def files_for(manifest: Path, files: CaseFiles) -> CaseFiles | None:
    """Return a case as a model sees it; None where it has none of the model's sequences."""
    sequences = scheme_of(manifest).sequences
    if not set(sequences) & set(files.images):
        return None
    return with_sequences(files, sequences)


def accepting_missing(
    fitting: Sequence[ModelMatch], allow_missing: bool | None
) -> list[ModelMatch]:
    """Return the models that lack nothing of a case, or take it all the same.

    With `allow_missing` True every one does, and those that were trained for it come first.

    Raises:
        MissingSequencesError: none does; the message names the files that were found.
    """
    accepting = [
        match
        for match in fitting
        if not match.files.missing_sequences
        or (allow_missing is not False and accepts_missing_sequences(match.manifest))
    ]
    if accepting or allow_missing:
        return accepting or list(fitting)
    problem = describe_missing(fitting[0].files)
    if allow_missing is False:
        raise MissingSequencesError(f"{problem}; --no-missing-sequences refuses that")
    names = ", ".join(sorted(read_manifest(match.manifest)["model"] for match in fitting))
    raise MissingSequencesError(f"{problem}; no model that fits accepts that ({names})")


def _check_values(match: ModelMatch) -> None:
    """Refuse a model whose label values mean something else in the challenge of a case's name."""
    files, answers = match.files, answers_of(match.manifest)
    if files.scheme is None:
        return
    named = SCHEMES[files.scheme]
    if all(ANY not in answer.shared_prefixes and renumbers(named, answer) for answer in answers):
        model = read_manifest(match.manifest)["model"]
        raise MatchError(
            f"case {files.id} is named as of {named.name}, and {model} answers {answers[0].name}, "
            f"whose label values mean something else; --model {model} takes it all the same"
        )


def _answers_by_name(match: ModelMatch) -> bool:
    return match.files.scheme in [scheme.name for scheme in answers_of(match.manifest)]


def _answers_mainly(match: ModelMatch) -> bool:
    return match.files.scheme == answers_of(match.manifest)[0].name


def _takes_exactly_these(match: ModelMatch) -> bool:
    return not match.files.missing_sequences and not match.files.unused


def missing_accepted_by(absent: Sequence[str], model: Model) -> str | None:
    """Return what let a case run that lacks sequences; None where it lacks none."""
    if not absent:
        return None
    if accepts_missing_sequences(model.folder / MANIFEST):
        return f"the manifest of {model.name}"
    return f"--missing-sequences, though the manifest of {model.name} does not"
