"""The records of what a search is made from, and whether they belong together and are unchanged."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from challenge.provenance import Provenance, ProvenanceError, folder_record, sha256_of
from lab.data.cohort import CohortCase
from lab.provenance.checks import cohort_fault, model_fault, nearest, sample_fault
from lab.provenance.records import cohort_record
from lab.rule_search.workspace import FEATURES, Setup


def input_records(cases: Sequence[CohortCase], setup: Setup) -> dict[str, Provenance]:
    """Return the records of predictions, cohort, probabilities and members as they are now.

    Raises:
        CaseError: a case has no prediction.
        ProvenanceError: files of a folder were changed after its verb wrote them.
    """
    predictions = [setup.prediction_of(case) for case in cases]
    records = {
        "predictions": folder_record(Path(setup.predictions), "label maps", predictions),
        "cohort": cohort_record(Path(setup.cohort), cases),
    }
    if setup.probabilities:
        folder = Path(setup.probabilities)
        archives = [folder / f"{case.files.id}.npz" for case in cases]
        existing = [path for path in archives if path.is_file()]
        records["probabilities"] = folder_record(folder, "probability maps", existing)
    for number, member in enumerate(setup.members):
        files = [setup.member_predictions_of(case)[number] for case in cases]
        records[f"member {number}"] = folder_record(Path(member), "label maps", files)
    return records


def input_faults(
    records: Mapping[str, Provenance], setup: Setup, model: Provenance | None
) -> list[str]:
    """Return what does not belong together, a sentence each.

    Args:
        records: of `input_records`.
        setup: whose folders the sentences name.
        model: the predictions should be of this model's networks; None where none is named.
    """
    folders = {"predictions": setup.predictions, "probabilities": setup.probabilities}
    folders |= {f"member {number}": folder for number, folder in enumerate(setup.members)}
    faults = []
    for role, folder in folders.items():
        if role in records:
            faults.append(cohort_fault(records[role], records["cohort"], str(folder)))
            faults.append(sample_fault(records[role], str(folder)))
    before = nearest(records["predictions"], "model")
    if before and model:
        faults.append(model_fault(records["predictions"], model, setup.predictions))
    probabilities = records.get("probabilities")
    if before and probabilities and nearest(probabilities, "model"):
        faults.append(model_fault(probabilities, before, str(setup.probabilities)))
    return [fault for fault in faults if fault]


def require_unchanged(work: Path, cases: Sequence[CohortCase], setup: Setup) -> Provenance:
    """Return the record of a work folder's features, made from what is there now.

    Raises:
        ProvenanceError: features, predictions, probabilities or references were changed since.
    """
    record = setup.provenance
    if record is None or record.sha256 != sha256_of(work / FEATURES):
        raise ProvenanceError(f"{work / FEATURES}: not as `lab features` wrote it; run it again")
    now = input_records(cases, setup)
    changed = [role for role in now if now[role].sha256 != record.inputs[role].sha256]
    if changed:
        folders = ", ".join(changed)
        raise ProvenanceError(f"{work}: {folders} changed after `lab features`; run it again")
    return record
