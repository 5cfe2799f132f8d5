"""Pictures of the cases nearest to each cluster's centre: one axial slice with outlines."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from challenge.case import CaseError
from challenge.scheme import Scheme
from challenge.volume import Volume, read_volume
from lab.data.cohort import CohortCase, read_cohort
from lab.drawing.sequences import best_sequence, largest_label
from lab.report.pictures import Maps, panels
from lab.report.scans import backdrop, radiological_flips
from lab.rule_search.workspace import Setup

PER_CLUSTER = 4


def cluster_thumbnails(setup: Setup, search: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Return, for each cluster, pictures of its most typical cases, or why there is none."""
    try:
        cases = {case.files.id: case for case in read_cohort(Path(setup.cohort), setup.scheme)}
    except (OSError, ValueError) as error:
        return [[{"id": "", "missing": f"No pictures: {error}"}] for _ in search["clusters"]]
    points, assigned = np.array(search["points"]), np.array(search["assigned"])
    rows = []
    for k, centre in enumerate(search["centres"]):
        members = np.flatnonzero(assigned == k)
        distances = np.linalg.norm(points[members] - centre, axis=1)
        order = members[np.argsort(distances, kind="stable")]
        rows.append([_thumbnail(search["cases"][i], cases, setup) for i in order[:PER_CLUSTER]])
    return rows


def _thumbnail(id: str, cases: Mapping[str, CohortCase], setup: Setup) -> dict[str, Any]:
    if id not in cases:
        return {"id": id, "missing": f"No picture: {setup.cohort} holds no such case"}
    case = cases[id]
    try:
        volume = read_volume(setup.prediction_of(case), np.uint8)
    except CaseError as error:
        return {"id": id, "missing": f"No picture: {error}"}
    labels = volume.array
    if not labels.any():
        return {"id": id, "missing": "No picture: nothing was predicted"}
    tumour = setup.scheme.mask(labels, setup.scheme.tumour)
    mask = tumour if tumour.any() else labels > 0
    return {"id": id, **picture_of(case, volume, mask, setup.scheme)}


def picture_of(
    case: CohortCase, volume: Volume, mask: np.ndarray, scheme: Scheme
) -> dict[str, Any]:
    """Draw a case's label map in the slice that holds most of a mask (z, y, x)."""
    labels, values = volume.array, list(scheme.labels.values())
    z = int(mask.sum((1, 2)).argmax())
    middle = np.argwhere(mask[z]).mean(0).round().astype(int)
    sequence = best_sequence(largest_label(labels[z] * mask[z], scheme.labels), case.files.images)
    grey, _ = backdrop(case.files.images[sequence], volume, labels, values)
    maps = Maps(labels, np.zeros_like(labels), grey, volume.spacing_mm, radiological_flips(volume))
    panel = panels(maps, (z, int(middle[0]), int(middle[1])), scheme.labels)[0]
    return {"missing": None, "panel": panel, "sequence": sequence}
