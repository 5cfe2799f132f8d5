"""What does not belong together is refused by name, or taken with --foreign and said ever after."""

import sys
from collections import deque
from collections.abc import Iterator

from challenge.provenance import IN_SAMPLE, Provenance, ProvenanceError


def accept(fault: str, foreign: bool) -> str:
    """Refuse a fault, or print it where it is accepted.

    Args:
        fault: in one sentence; "" where there is none.
        foreign: whether --foreign was used.

    Returns:
        The fault that was accepted, "" for none.

    Raises:
        ProvenanceError: there is a fault and it is not accepted.
    """
    if fault and not foreign:
        raise ProvenanceError(f"{fault}; --foreign accepts that, and the record will say so")
    if fault:
        print(f"accepted by --foreign: {fault}", file=sys.stderr)
    return fault


def nearest(record: Provenance, product: str) -> Provenance | None:
    """Return the record of a product among a record and its inputs, the nearest one."""
    return next((each for each in _by_depth(record) if each.product == product), None)


def model_fault(record: Provenance, model: Provenance, what: str) -> str:
    """Return why something was made with other networks than a model's; "" where nothing says so.

    Args:
        record: of rules or label maps.
        model: as `lab.provenance.records.model_record` returns it.
        what: of which the message speaks.
    """
    before = nearest(record, "model")
    if before is None or before.sha256 == model.sha256:
        return ""
    return f"{what}: made from predictions of {_named(before)}, not of {_named(model)}"


def unknown_origin(record: Provenance | None, what: str) -> str:
    """Return that nothing says which model's predictions something was made from; "" if known.

    That is no fault, but no gain can be claimed of it.
    """
    if record is None:
        return f"{what}: of unknown origin"
    return "" if nearest(record, "model") else f"{what}: made from predictions of unknown origin"


def accepted_faults(record: Provenance) -> list[str]:
    """Return what --foreign accepted on the way to a product, a sentence each.

    What a model was made with is left out: it changes no comparison of this model with itself.
    """
    sentences = [str(each) for each in record.facts.get("foreign", ())]
    for each in record.inputs.values():
        if each.product != "model":
            sentences += accepted_faults(each)
    return list(dict.fromkeys(sentences))


def cohort_fault(record: Provenance, cohort: Provenance, what: str) -> str:
    """Return why something was made of another cohort; "" where it was not, or nobody knows."""
    before = nearest(record, "cohort")
    if before is None or before.sha256 == cohort.sha256:
        return ""
    return f"{what}: made of {_named(before)}, not of {_named(cohort)}"


def sample_fault(record: Provenance, what: str) -> str:
    """Return that something was made with what saw the same cases; "" where nothing says so."""
    if record.held_out == IN_SAMPLE:
        return f"{what}: not held out; `{record.command}` made it with what was fitted on its cases"
    return ""


def _named(record: Provenance) -> str:
    return f"{record.product} {record.name} ({record.sha256[:12]})"


def _by_depth(record: Provenance) -> Iterator[Provenance]:
    waiting = deque([record])
    while waiting:
        each = waiting.popleft()
        yield each
        waiting.extend(each.inputs.values())
