"""Which model fits which case."""

from collections.abc import Mapping
from pathlib import Path

from challenge.case import CaseFiles
from challenge.platforms import Found
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Scheme
from ensemble.manifest import bears_gaps, scheme_of


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

    The case's own challenge comes first; else the one model that reads the same sequences and
    gives every label that the challenge writes the same value.
    """
    if wanted is not None:
        if wanted not in manifests:
            raise ChoiceError(f"no model {wanted!r}, only {', '.join(sorted(manifests))}")
        manifests = {wanted: manifests[wanted]}
    schemes = {name: scheme_of(path) for name, path in manifests.items()}
    target = SCHEMES[files.scheme] if files.scheme else None
    exact = [name for name, scheme in schemes.items() if scheme is target]
    fitting = exact or [name for name, scheme in schemes.items() if fits(files, target, scheme)]
    if files.absent and fitting:
        fitting = [name for name in fitting if bears_gaps(manifests[name])]
        if not fitting:
            gaps = ", ".join(files.absent)
            raise ChoiceError(f"case {files.id} lacks {gaps}; no model was trained for that")
    if len(fitting) != 1:
        which = ", ".join(sorted(fitting or manifests))
        problem = "several models fit" if fitting else "no model fits"
        raise ChoiceError(f"{problem} case {files.id} (of {which}); choose one with --model")
    return manifests[fitting[0]]


def fits(files: CaseFiles, target: Scheme | None, scheme: Scheme) -> bool:
    """Tell whether a model of `scheme` can answer for a case of `target`, or of no challenge."""
    if {*files.images, *files.absent} != set(scheme.sequences):
        return False
    written = {name: target.labels[name] for name in target.written} if target else {}
    return written.items() <= dict(scheme.labels).items()
