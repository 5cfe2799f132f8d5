"""One label map from its file to the refined one, and what a line of JSON says of it."""

import logging
from pathlib import Path
from typing import Any

from challenge.case import CaseFiles
from challenge.case_outputs import Answer, OutputFolders, probability_maps
from challenge.label_file import write_all, write_labels
from challenge.shares import SeenShares, labels_of

from . import refine_labels
from .artefacts import Artefacts
from .find_label_maps import LabelMap
from .read_inputs import read_case
from .refine_input import RefineInput

log = logging.getLogger("podium")

Line = dict[str, Any]


def refine_file(
    label_map: LabelMap, artefacts: Artefacts, folders: OutputFolders, shares: SeenShares
) -> Line:
    """Take one label map from its file to the refined one; return its line of JSON."""
    refine_input = read_case(label_map, artefacts.scheme)
    predicted = labels_of(refine_input.head) if refine_input.head else ()
    for id, sentence in shares.add(label_map.id, refine_input.labels, predicted):
        log.warning("%s: unusual: %s; is the label map swapped?", id, sentence)
    refined = refine_labels(refine_input, artefacts)
    files = CaseFiles(label_map.id, {"labels": label_map.path}, "labels", label_map.output)
    path = write_labels(refined.labels, files, folders.outputs)
    maps = _write_maps(refine_input, files, folders.maps)
    record = refined.record
    line: Line = {
        "id": label_map.id,
        "output": str(path),
        "images": list(label_map.images),
        "probabilities": str(label_map.probabilities) if label_map.probabilities else None,
        "probability_maps": maps,
        "remarks": list(refine_input.case.remarks),
        **{key: record[key] for key in ("cluster", "distance", "fallback", "fitted_on_case")},
        "gates": record["gates"],
        "rules": [rule for rule in record["rules"] if "skipped" not in rule],
        "skipped": [rule for rule in record["rules"] if "skipped" in rule],
        "no_credible_component": record["no_credible_component"],
        **{key: record[key] for key in ("recovered_by", "voxels_changed", "volumes_mm3")},
    }
    log.info("%s: %s -> %s", label_map.id, _summary(line), path)
    return line


def _write_maps(refine_input: RefineInput, files: CaseFiles, folder: Path | None) -> list[str]:
    """Write the probability of each region; return the names of the files."""
    if folder is None:
        return []
    case, scheme = refine_input.case, refine_input.scheme
    answer = Answer(refine_input.labels, scheme, refine_input.probabilities, refine_input.head)
    contents = probability_maps(answer, case, files, scheme, folder)
    write_all(contents)
    return [path.name for path in contents]


def _summary(line: Line) -> str:
    changes = [f"{n} -{c['lost']} +{c['gained']}" for n, c in line["voxels_changed"].items()]
    return f"voxels {', '.join(changes)}" if changes else "no voxel changed"
