"""A finished case's labels into their file, and what a run record says of cases and of the run.

SCHEMA is raised when a key changes its name or its meaning. 2: the keys of a case are `scheme`,
`named_scheme`, `missing_sequences`, `missing_accepted_by`, `unused_sequences`, `orientation`,
`training_orientations`, `unusual_shares`, `postprocessing` and `skipped`; records without a schema
number called them answers, named, absent, absent_accepted_by, unused, axes, trained_axes, unusual,
refine and given_up.
"""

import json
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from challenge.case import Case, CaseFiles
from challenge.label_file import write_labels
from challenge.process import WRITING
from challenge.provenance import program_version
from challenge.scheme import Scheme, restrict, unwritten_mm3, volumes_mm3

SCHEMA = 2
Outcome = dict[str, Any]  # a case's part of the run record, JSON-able


def write_case_labels(
    labels: np.ndarray, case: Case, files: CaseFiles, scheme: Scheme, target: Scheme, folder: Path
) -> Outcome:
    """Write a case's labels in the values of its challenge; return the case's part of the record.

    Args:
        labels: (z, y, x), values of `scheme`, in the axis order of the case.
        case: as it was read.
        files: where it was read from, and the name of its label file.
        scheme: of the model.
        target: of the challenge that is answered; labels it does not write become background.
        folder: the output folder.

    Raises:
        CaseError: the file cannot be written, or does not read back as it should.
    """
    written = restrict(labels, scheme, target)
    with WRITING:
        write_labels(written, files, folder, case.orientation)
    volumes = volumes_mm3(written, target, case.voxel_volume_mm3)
    return {
        "scheme": target.name,
        "named_scheme": files.scheme,
        "output": str(files.output),
        "missing_sequences": list(case.missing_sequences),
        "unused_sequences": list(files.unused),
        "orientation": case.stored_orientation,
        "remarks": list(case.remarks),
        "volumes_mm3": {name: volumes[name] for name in target.written},
        "unwritten_mm3": unwritten_mm3(labels, scheme, target, case.voxel_volume_mm3),
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
