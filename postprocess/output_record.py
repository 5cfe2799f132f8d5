"""The record of a folder of refined label maps: what they are made from, and whether held out."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from challenge.file_names import image_stem
from challenge.folders import entries
from challenge.provenance import (
    HELD_OUT,
    HELD_OUT_FACT,
    IN_SAMPLE,
    KEY,
    NAME,
    POSTPROCESS,
    UNKNOWN,
    Provenance,
    ProvenanceError,
    content_sha256,
    folder_record,
    from_json,
    hash_files,
    program_version,
    read_provenance,
    worst_state,
    write_provenance,
)

from .artefacts import JSON_NAME
from .find_label_maps import LabelMap

# By whether the rules were fitted on a case.
RULES_STATES = {True: IN_SAMPLE, False: HELD_OUT, None: UNKNOWN}

log = logging.getLogger("podium")

Line = Mapping[str, Any]  # a case's line of JSON


def start_record(
    labels: Path, artefact: Path, fit: Mapping[str, Any], cases: Sequence[LabelMap], output: Path
) -> Provenance:
    """Write that an output folder is being filled, and from what; return the record.

    Raises:
        ProvenanceError: a record of the label maps, the rules or the output cannot be read, the
            label maps were changed since theirs was written, or this one cannot be written.
    """
    inputs = {
        "labels": folder_record(labels, "label maps", [case.path for case in cases]),
        "rules": rules_record(artefact, fit),
    }
    earlier = read_provenance(output)
    names = {str(case.output) for case in cases}
    others = [path for path in entries(output) if image_stem(path.name) and path.name not in names]
    if others:
        log.warning("%s: holds %d label maps of an earlier run", output, len(others))
        unknown = Provenance("label maps", output.resolve().name, hash_files(others))
        inputs["earlier label maps"] = earlier or unknown
    record = Provenance(
        product="label maps",
        name=output.resolve().name,
        sha256="",
        verb=POSTPROCESS,
        version=program_version(),
        inputs=inputs,
    )
    _write(output, record)
    return record


def finish_record(output: Path, started: Provenance, lines: Iterable[Line]) -> None:
    """Write the record of a complete folder: its files' hash, and how many cases chose the rules.

    Label maps are held out where networks and rules are; of networks the record of the label maps
    that were refined says so.

    Raises:
        ProvenanceError: it cannot be written.
    """
    written = [line for line in lines if "error" not in line]
    training = sum(line["fitted_on_case"] is True for line in written)
    states = {RULES_STATES[line["fitted_on_case"]] for line in written}
    states |= {each.held_out for role, each in started.inputs.items() if role != "rules"}
    facts = {
        "cases": len(written),
        "training_cases": training,
        HELD_OUT_FACT: worst_state(states),
    }
    _write(output, replace(started, sha256=content_sha256(output), facts=facts))


def _write(output: Path, record: Provenance) -> None:
    try:
        write_provenance(output, record)
    except OSError as error:
        raise ProvenanceError(f"{output / NAME}: cannot be written ({error.strerror})") from error


def rules_record(folder: Path, fit: Mapping[str, Any]) -> Provenance:
    """Return the record of an artefact's rules; of unknown origin where its `fit` holds none.

    Raises:
        ProvenanceError: the record cannot be read.
        OSError: the artefact cannot be read.
    """
    path = folder / JSON_NAME
    if record := fit.get(KEY):
        return from_json(record, path)
    keys = ("date", "config", "scorer", "ships", "training_cases")
    facts = {key: fit[key] for key in keys if key in fit}
    return Provenance("rules", folder.resolve().name, hash_files([path]), facts=facts)
