"""A finished case's files, and what a run record says of cases and of the run.

SCHEMA is raised when a key changes its name or its meaning. 2: the keys of a case are `scheme`,
`named_scheme`, `missing_sequences`, `missing_accepted_by`, `unused_sequences`, `orientation`,
`training_orientations`, `unusual_shares`, `postprocessing` and `skipped`; records without a schema
number called them answers, named, absent, absent_accepted_by, unused, axes, trained_axes, unusual,
refine and given_up. `trained_on_case` was added later: how many networks were trained on the case.
"""

import json
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from challenge.case import Case, CaseFiles
from challenge.case_outputs import Answer, OutputFolders, write_case_outputs
from challenge.process import WRITING
from challenge.provenance import program_version
from challenge.scheme import Scheme, unwritten_mm3, volumes_mm3

SCHEMA = 2
Outcome = dict[str, Any]  # a case's part of the run record, JSON-able


def write_case(
    answer: Answer, case: Case, files: CaseFiles, target: Scheme, folders: OutputFolders
) -> Outcome:
    """Write a case's files; return the case's part of the record.

    Arguments and errors are those of `write_case_outputs`.
    """
    with WRITING:
        written = write_case_outputs(answer, case, files, target, folders)
    volumes = volumes_mm3(written.labels, target, case.voxel_volume_mm3)
    unwritten = unwritten_mm3(answer.labels, answer.scheme, target, case.voxel_volume_mm3)
    return {
        "scheme": target.name,
        "named_scheme": files.scheme,
        "output": str(files.output),
        "further_outputs": [str(file.path) for file in files.outputs[1:]],
        "probability_maps": list(written.maps),
        "input_values": dict(case.values),
        "output_values": dict(written.values),
        "missing_sequences": list(case.missing_sequences),
        "unused_sequences": list(files.unused),
        "further_inputs": list(files.further_inputs),
        "orientation": case.stored_orientation,
        "remarks": list(case.remarks),
        "volumes_mm3": {name: volumes[name] for name in target.written},
        "unwritten_mm3": unwritten,
    }


@dataclass(frozen=True)
class Run:
    """What a run record says of the run as a whole."""

    platform: str  # where the cases come from
    models: Mapping[str, Sequence[str]]  # names of the members of each model, by model
    seconds: Mapping[str, float]  # wall, of each stage
    device: Mapping[str, Any]  # what the networks ran on, JSON-able


def write_record(
    path: Path, run: Run, outcomes: Mapping[str, Outcome], remarks: Sequence[str] = ()
) -> None:
    """Write what was run, with what, and how it went, as JSON.

    Args:
        path: the file.
        run: as a whole.
        outcomes: of each case, by id; `{"error": reason}` where it failed.
        remarks: sentences about the run as a whole.

    Raises:
        OSError: the file cannot be written.
    """
    record = {
        "schema": SCHEMA,
        "version": program_version(),
        "platform": run.platform,
        "models": run.models,
        **run.device,
        "remarks": list(remarks),
        "seconds": {stage: round(s, 3) for stage, s in run.seconds.items()},
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "cases": {id: outcomes[id] for id in sorted(outcomes)},
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def conclude(outcomes: Mapping[str, Outcome], output: Path) -> tuple[int, str]:
    """Return the exit code of a finished folder, and its last line."""
    failed = {id: outcome["error"] for id, outcome in outcomes.items() if "error" in outcome}
    if failed:
        id, reason = next(iter(failed.items()))
        return 1, f"{len(failed)} of {len(outcomes)} cases failed; {id}: {reason}"
    return 0, f"{len(outcomes)} of {len(outcomes)} cases written to {output}"
