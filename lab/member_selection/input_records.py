"""The records of candidates and cohort of a selection, and whether they belong together."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from challenge.provenance import Provenance, folder_record
from lab.data.cohort import CohortCase
from lab.member_selection.probability_maps import read_candidate
from lab.provenance.checks import cohort_fault, sample_fault
from lab.provenance.records import cohort_record


def input_records(
    folders: Sequence[Path], cohort: Path, cases: Sequence[CohortCase]
) -> dict[str, Provenance]:
    """Return the record of each candidate's maps, by its name, and that of the cohort.

    Raises:
        MapError: a folder holds no candidate.
        ProvenanceError: maps were changed after `lab out-of-fold` wrote them, or it was stopped.
    """
    records = {}
    for folder in folders:
        archives = [folder / f"{case.files.id}.npz" for case in cases]
        existing = [path for path in archives if path.is_file()]
        role = candidate_role(read_candidate(folder).name)
        records[role] = folder_record(folder, "probability maps", existing)
    return records | {"cohort": cohort_record(cohort, cases)}


def candidate_role(name: str) -> str:
    """Return the role of a candidate's maps among the inputs of a selection's record."""
    return f"candidate {name}"


def input_faults(records: Mapping[str, Provenance]) -> list[str]:
    """Return what does not belong together, a sentence each."""
    cohort = records["cohort"]
    faults = []
    for role, record in records.items():
        if record is not cohort:
            faults += [cohort_fault(record, cohort, role), sample_fault(record, role)]
    return [fault for fault in faults if fault]
