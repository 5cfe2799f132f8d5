"""What the log says of a finished case: one line, and one for each thing that is unusual."""

import logging
from collections.abc import Iterator
from typing import Any

from challenge.scheme import SCHEMES

log = logging.getLogger("podium")

Outcome = dict[str, Any]  # a case's part of the run record, JSON-able


def summarise(id: str, outcome: Outcome, seconds: float) -> None:
    """Log one line for a case, and one for each of its warnings."""
    sizes = ", ".join(f"{n} {mm3 / 1000:.1f} mL" for n, mm3 in outcome["volumes_mm3"].items())
    known = SCHEMES[outcome["answers"]].labels
    unasked = [f"{n} {v / 1000:.1f} mL" for n, v in outcome["unwritten_mm3"].items() if n in known]
    also = f" ({', '.join(unasked)}, not asked for)" if unasked else ""
    log.info("%s: %s%s, in %.1f s -> %s", id, sizes, also, seconds, outcome["output"])
    for sentence in warnings_of(outcome):
        log.warning("case=%s %s", id, sentence)


def warnings_of(outcome: Outcome) -> Iterator[str]:
    """Yield what a user should know of a case that has an answer all the same."""
    challenge, name = outcome["answers"], outcome["named"]
    if outcome["absent"]:
        by = outcome["absent_accepted_by"]
        yield f"without {', '.join(outcome['absent'])}, less certain; accepted by {by}"
    if outcome["unused"]:
        yield f"has {', '.join(outcome['unused'])} too, which the model does not take"
    if name not in (None, challenge):
        yield f"is named as of {name}; the model answers {challenge}, whose labels are written"
    for label, mm3 in outcome["unwritten_mm3"].items():
        if label not in SCHEMES[challenge].labels:
            yield f"has {mm3 / 1000:.1f} mL of {label}, not written: no label of {challenge}"
    if outcome["trained_axes"]:
        axes = ", ".join(outcome["trained_axes"])
        yield (
            f"has axes {outcome['axes']}, training images had {axes}, and the model sees images as "
            "stored: less certain (lab pack --orientation)"
        )
    for sentence in outcome["unusual"]:
        yield f"unusual: {sentence}; is a member's label map swapped?"
