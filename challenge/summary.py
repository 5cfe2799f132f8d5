"""What the log says of a finished case: one line, and one for each thing that is unusual."""

import logging
from collections.abc import Iterator, Mapping

from challenge.run_record import Outcome
from challenge.scheme import SCHEMES

log = logging.getLogger("podium")


def summarise(id: str, outcome: Outcome, seconds: float) -> None:
    """Log one line for a case, and one for each of its warnings."""
    sizes = ", ".join(f"{n} {mm3 / 1000:.1f} mL" for n, mm3 in outcome["volumes_mm3"].items())
    known = SCHEMES[outcome["scheme"]].labels
    not_written = [
        f"{n} {v / 1000:.1f} mL" for n, v in outcome["unwritten_mm3"].items() if n in known
    ]
    also = f" ({', '.join(not_written)}, not written)" if not_written else ""
    log.info("%s: %s%s, in %.1f s -> %s", id, sizes, also, seconds, outcome["output"])
    for sentence in warnings_of(outcome):
        log.warning("case=%s %s", id, sentence)


def warnings_of(outcome: Outcome) -> Iterator[str]:
    """Yield what a user should know of a case that has an answer all the same."""
    challenge, name = outcome["scheme"], outcome["named_scheme"]
    if outcome["missing_sequences"]:
        by = outcome["missing_accepted_by"]
        yield f"without {', '.join(outcome['missing_sequences'])}, less certain; accepted by {by}"
    if outcome["unused_sequences"]:
        yield f"has {', '.join(outcome['unused_sequences'])} too, which the model does not take"
    if name not in (None, challenge):
        yield f"is named as of {name}; the model answers {challenge}, whose labels are written"
    for label, mm3 in outcome["unwritten_mm3"].items():
        if label not in SCHEMES[challenge].labels:
            yield f"has {mm3 / 1000:.1f} mL of {label}, not written: no label of {challenge}"
    if outcome["training_orientations"]:
        axes, trained = outcome["orientation"], ", ".join(outcome["training_orientations"])
        yield (
            f"has axes {axes}, training images had {trained}, and the model sees images as "
            "stored: less certain (lab pack --orientation)"
        )
    for sentence in outcome["unusual_shares"]:
        yield f"unusual: {sentence}; is a member's label map swapped?"


def memorised_remarks(outcomes: Mapping[str, Outcome]) -> list[str]:
    """Say of each model on how many cases of this run its networks were trained.

    Args:
        outcomes: what a run record holds of each case, by id.
    """
    by_model: dict[str, list[int]] = {}
    for outcome in outcomes.values():
        if "error" not in outcome:
            by_model.setdefault(outcome["model"], []).append(outcome["trained_on_case"])
    return [
        f"model={name}: networks were trained on {sum(map(bool, counts))} of {len(counts)} cases; "
        "scores there say nothing of other cases"
        for name, counts in by_model.items()
        if any(counts)
    ]
