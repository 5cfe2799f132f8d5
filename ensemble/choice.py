"""Which model fits which case."""

from collections.abc import Mapping
from pathlib import Path

from challenge.case import CaseFiles
from challenge.platforms import Found
from challenge.refusal import Refusal
from challenge.scheme import Scheme
from ensemble.manifest import answers_of, bears_gaps, scheme_of


class ChoiceError(Refusal):
    """No model, or more than one, fits a case."""


def match_models(
    found: Found, manifests: Mapping[str, Path], wanted: str | None
) -> tuple[dict[str, Path], dict[str, str]]:
    """Return each case's manifest, and the faults of the cases that cannot be run.

    Raises:
        ChoiceError: there are sound cases, and no model fits any of them.
    """
    chosen: dict[str, Path] = {}
    faults = dict(found.faults)
    for files in found.cases:
        try:
            chosen[files.id] = choose_model(files, manifests, wanted)
        except ChoiceError as error:
            faults[files.id] = str(error)
    if found.cases and not chosen:
        raise ChoiceError(faults[found.cases[0].id])
    return chosen, faults


def choose_model(files: CaseFiles, manifests: Mapping[str, Path], wanted: str | None) -> Path:
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
        fitting = [name for name in fitting if bears_gaps(manifests[name])]
        if not fitting:
            gaps = ", ".join(files.absent)
            raise ChoiceError(f"case {files.id} lacks {gaps}; no model was trained for that")
    answers = {name: [s.name for s in answers_of(manifests[name])] for name in fitting}
    by_name = [name for name in fitting if files.scheme in answers[name]]
    mainly = [name for name in by_name if answers[name][0] == files.scheme]
    best = mainly or by_name or fitting
    if len(best) != 1:
        which = ", ".join(sorted(best or manifests))
        problem = "several models fit" if best else "no model fits"
        raise ChoiceError(f"{problem} case {files.id} (of {which}); choose one with --model")
    return manifests[best[0]]


def reads(files: CaseFiles, scheme: Scheme) -> bool:
    """Tell whether a model of `scheme` has the sequences of a case as its input."""
    return {*files.images, *files.absent} == set(scheme.sequences)
