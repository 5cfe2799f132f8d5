"""Three slices through a case's largest error, with outlines of prediction and reference.

The backdrop is a small grey PNG, the outlines are vector paths in millimetres, so that they stay
sharp in print and voxels that are no cubes are drawn in their true shape.
"""

import base64
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from contourpy import contour_generator
from PIL import Image

from challenge.case import CaseError
from challenge.headers import last_line
from challenge.volume import read_volume
from lab.drawing.sequences import best_sequence
from lab.evaluation.results import Facts
from lab.report.errors import Voxel, largest_error
from lab.report.scans import backdrop, radiological_flips

MARGIN_MM = 12.0
SMALLEST_WINDOW_MM = 60.0
# Panel -> the axis of (z, y, x) that it cuts.
PLANES = {"axial": 0, "coronal": 1, "sagittal": 2}


@dataclass(frozen=True)
class Maps:
    """What one picture is drawn from, all (z, y, x) on one grid."""

    prediction: np.ndarray
    reference: np.ndarray
    backdrop: np.ndarray  # uint8 grey
    spacing_mm: tuple[float, float, float]
    flips: tuple[bool, bool, bool] | None  # axes to turn for a radiological view, None: unknown


def picture(
    facts: Facts,
    labels: Mapping[str, int],
    scored: Collection[str],
    scans: Mapping[str, Path] | None,
) -> dict[str, Any]:
    """Return a case's largest error and its panels, or why there is no picture.

    Only the `scored` labels can be in error; the others are drawn as well. Of `scans`, sequence ->
    file, the one is drawn on that shows the label in error best; None where nobody looked for any.
    Keys: `missing` (a sentence, or None), `note`, `radiological`, `largest_error`, `panels`.
    """
    if facts.prediction is None:
        return {"missing": "There is no prediction for this case."}
    try:
        return _picture(facts, labels, scored, scans)
    except CaseError as error:
        return {"missing": f"No picture: {error}"}
    except Exception as error:  # noqa: BLE001 - one file never ends a report
        reason = f"{type(error).__name__}: {last_line(error)}"
        return {"missing": f"No picture: {facts.prediction} and {facts.reference} ({reason})"}


def _picture(
    facts: Facts,
    labels: Mapping[str, int],
    scored: Collection[str],
    scans: Mapping[str, Path] | None,
) -> dict[str, Any]:
    with np.errstate(invalid="ignore"):  # fractions and NaN are no labels
        prediction, reference = (
            read_volume(Path(path), np.uint8) for path in (str(facts.prediction), facts.reference)
        )
    if prediction.array.shape != reference.array.shape:
        return {"missing": f"No picture: {facts.prediction} and {facts.reference} differ in size"}
    values = list(labels.values())
    known = [np.where(np.isin(v.array, values), v.array, 0) for v in (prediction, reference)]
    counted = [value for name, value in labels.items() if name in scored]
    largest = largest_error(known[0], known[1], reference.spacing_mm, counted)
    if largest is None:
        return {"missing": "No picture: prediction and reference are both empty."}
    names = {0: "background"} | {value: name for name, value in labels.items()}
    # Where nothing is wrong both are 0, and the label at the centre of the picture counts.
    subject = largest.reference_label or largest.prediction_label or known[1][largest.centre]
    sequence = best_sequence(names[int(subject)], scans) if scans else ""
    image = scans[sequence] if scans else None
    grey, note = backdrop(image, reference, known[1], values)
    if scans is not None and not scans:
        note = "No scan of this case"
    elif image is not None and sequence not in image.name:  # imagesTr/<id>_0003.nii.gz
        note += f" ({sequence})"
    maps = Maps(known[0], known[1], grey, reference.spacing_mm, radiological_flips(reference))
    return {
        "missing": None,
        "note": note,
        "sequence": sequence,
        "radiological": maps.flips is not None,
        "largest_error": {
            "voxel_xyz": list(largest.centre[::-1]),
            "voxels": largest.voxels,
            "volume_mm3": largest.voxels * float(np.prod(reference.spacing_mm)),
            "prediction": names[largest.prediction_label],
            "reference": names[largest.reference_label],
        },
        "panels": panels(maps, largest.centre, labels),
    }


def panels(maps: Maps, centre: Voxel, labels: Mapping[str, int]) -> list[dict[str, Any]]:
    """Cut the three planes through `centre` to one window in mm around everything labelled."""
    box = window((maps.prediction > 0) | (maps.reference > 0), maps.spacing_mm)
    # Small tissues lie inside large ones; drawn last, their edge is seen where the two meet.
    voxels = np.bincount(np.stack((maps.prediction, maps.reference)).ravel(), minlength=256)
    labels = dict(sorted(labels.items(), key=lambda item: -voxels[item[1]]))
    return [
        {"plane": plane, "index": centre[axis], **_panel(maps, axis, centre, box, labels)}
        for plane, axis in PLANES.items()
    ]


def window(mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> tuple[slice, ...]:
    """Return a cube in mm around a mask (z, y, x) with a margin, cut at the image's edge."""
    indices = np.argwhere(mask)
    spacing = np.array(spacing_mm)
    low, high = indices.min(0), indices.max(0) + 1
    side_mm = max(float(((high - low) * spacing).max()) + 2 * MARGIN_MM, SMALLEST_WINDOW_MM)
    middle, half = (low + high) / 2, side_mm / 2 / spacing
    starts = np.maximum(np.floor(middle - half).astype(int), 0)
    stops = np.minimum(np.ceil(middle + half).astype(int), mask.shape)
    return tuple(slice(int(a), int(b)) for a, b in zip(starts, stops, strict=True))


def _panel(
    maps: Maps, axis: int, centre: Voxel, box: tuple[slice, ...], labels: Mapping[str, int]
) -> dict[str, Any]:
    in_plane = [i for i in range(3) if i != axis]
    step_mm = [maps.spacing_mm[i] for i in in_plane]
    # Stored z grows towards the head, which a page has at the top; y of an LPS file already falls.
    flips = maps.flips or (False, False, False)
    turn = tuple(slice(None, None, -1 if flips[i] ^ (i == 0) else 1) for i in in_plane)

    def cut(volume: np.ndarray) -> np.ndarray:
        index = tuple(centre[i] if i == axis else box[i] for i in range(3))
        return np.asarray(volume[index])[turn]

    grey = cut(maps.backdrop)
    at = [centre[i] - box[i].start for i in in_plane]
    at = [n - 1 - a if t.step == -1 else a for a, n, t in zip(at, grey.shape, turn, strict=True)]
    paths = [
        {"label": name, "side": side, "d": d}
        for side, volume in (("reference", maps.reference), ("prediction", maps.prediction))
        for name, value in labels.items()
        if (d := outline(cut(volume) == value, (step_mm[0], step_mm[1])))
    ]
    height, width = (n * mm for n, mm in zip(grey.shape, step_mm, strict=True))
    return {
        "width_mm": round(width, 2),
        "height_mm": round(height, 2),
        "cross_mm": [
            round((a + 0.5) * mm, 2) for a, mm in zip(at[::-1], step_mm[::-1], strict=True)
        ],
        "png": png_base64(grey),
        "paths": paths,
    }


def outline(mask: np.ndarray, step_mm: tuple[float, float]) -> str:
    """Return the outline of a bool mask (row, column) as an SVG path in mm; "" if empty."""
    if not mask.any():
        return ""
    lines = contour_generator(z=np.pad(mask, 1).astype(float)).lines(0.5)
    # The padding moved every voxel by one, and a voxel's centre lies half a step inside.
    scale = np.array([step_mm[1], step_mm[0]])
    rings = [(_corners(np.asarray(line)) - 0.5) * scale for line in lines]
    return "".join(
        "M" + "L".join(f"{x:.4g} {y:.4g}" for x, y in ring[:-1].tolist()) + "Z" for ring in rings
    )


def png_base64(grey: np.ndarray) -> str:
    """Return a grey image (row, column) uint8 as base64 PNG."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grey)).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


def _corners(line: np.ndarray) -> np.ndarray:
    """Drop the points of a closed line (point, xy) where it goes straight on."""
    steps = np.diff(line, axis=0)
    before = np.roll(steps, 1, axis=0)
    keep = np.append(~np.isclose(steps, before).all(1), True)
    return line[keep]
