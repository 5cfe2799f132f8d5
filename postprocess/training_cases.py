"""Which cases rules were fitted on, as hashes that name none.

On these cases rules gain more than on any other, so a score there is no evidence of what they gain.
"""

from collections.abc import Mapping
from typing import Any

from challenge.case_hashes import hashes_of

from .artefact_schema import TRAINING_CASES, Artefacts


def was_fitted_on(id: str, artefacts: Artefacts) -> bool | None:
    """Return whether a case, or the case of a label map `<id>-seg`, chose the rules.

    None where the artefact does not list its cases. No case chose what has no rule and no gate.
    """
    if not artefacts.has_rules and not artefacts.gates:
        return False
    known = artefacts.fit.get(TRAINING_CASES)
    if known is None:
        return None
    return not hashes_of(id).isdisjoint(known)


def in_sample_sentence(training: int, cases: int) -> str:
    """Say how many of some cases chose the rules that refined them."""
    return (
        f"{training} of {cases} cases were used to fit these rules; their gain here is not held out"
    )


def in_sample_remarks(outcomes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say of each model whose rules were fitted on cases of this run how many these are.

    Args:
        outcomes: what a run record holds of each case, by id.
    """
    by_model: dict[str, list[bool | None]] = {}
    for outcome in outcomes.values():
        if "error" not in outcome:
            fitted_on = outcome["postprocessing"]["fitted_on_case"]
            by_model.setdefault(outcome["model"], []).append(fitted_on)
    return [
        f"model={name}: {in_sample_sentence(each.count(True), len(each))}"
        for name, each in by_model.items()
        if True in each
    ]
