"""What a case gets that no rules fit: answers that an artefact declares before it sees the case.

A case that belongs to no cluster takes the answer that `fallback` names. A case without a credible
component, of whose tumour gates and rules leave nothing, takes `no_credible_component`.
"""

from challenge.scheme import Scheme

AS_PREDICTED = "as-predicted"  # no gates and no rules
IDENTITY = "identity"  # gates, no rules
POOLED = "pooled"  # gates, and the rules of all training cases
FAR_ANSWERS = (IDENTITY, POOLED, AS_PREDICTED)
FAR_IN_WORDS = {
    IDENTITY: "gates, and no rules",
    POOLED: "gates, and the rules of all training cases",
    AS_PREDICTED: "labels stay as predicted",
}

EMPTY = "empty"  # no tumour; other labels stay as gates and rules left them
RECOVERED = "recovered"  # by the steps of `Scheme.when_empty`
EMPTY_ANSWERS = (EMPTY, RECOVERED, AS_PREDICTED)
EMPTY_IN_WORDS = {
    EMPTY: "it has no tumour",
    RECOVERED: "a tumour is recovered, since the challenge takes no empty answer",
    AS_PREDICTED: "labels stay as predicted",
}


def default_empty_answer(scheme: Scheme) -> str:
    """Return what a case without a credible component gets where nothing else is declared."""
    return RECOVERED if scheme.when_empty else EMPTY


def check_empty_answer(answer: str, scheme: Scheme) -> None:
    """Check that a challenge allows an answer to a case without a credible component.

    Raises:
        ValueError: the answer is unknown, is empty where the challenge punishes that, or is
            recovered where the challenge names no step.
    """
    if answer not in EMPTY_ANSWERS:
        raise ValueError(f"no_credible_component {answer!r} is not one of {list(EMPTY_ANSWERS)}")
    if answer == EMPTY and scheme.when_empty:
        raise ValueError(
            f"no_credible_component {answer!r}: {scheme.name} allows no empty answer "
            f"(when_empty: {', '.join(scheme.when_empty)})"
        )
    if answer == RECOVERED and not scheme.when_empty:
        raise ValueError(
            f"no_credible_component {answer!r}: {scheme.name} names no step against an empty answer"
        )
