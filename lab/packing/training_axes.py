"""In which axis order a network was trained: what a manifest says of its members about that."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from challenge.folders import entries
from challenge.headers import check_header
from challenge.orientation import OrientationError, check_axis_code
from challenge.refusal import Refusal
from ensemble.plans import READER_ORIENTATION


def training_axes(
    plans: Mapping[str, Any],
    dataset: Mapping[str, Any],
    orientation: str | None,
    cohort: Path | None,
) -> dict[str, Any]:
    """Return a member's "orientation" and "training_axes", as far as they are known.

    The orientation is the requested one, else what `lab prepare --orientation` wrote into
    dataset.json, else that of nnU-Net's reader. Without one, the axes of the training images are
    what a case's axes will be compared with: as `cohort` has them, else as dataset.json does.

    Raises:
        OrientationError: an axis code is none, or contradicts nnU-Net's reader.
        Refusal: the cohort holds no training image.
    """
    reader = plans.get("image_reader_writer", "")
    reader_axes = READER_ORIENTATION.get(reader)
    if orientation is not None:
        orientation = check_axis_code(orientation)
    wanted = orientation or dataset.get("orientation") or reader_axes
    if wanted and reader_axes and check_axis_code(wanted) != reader_axes:
        raise OrientationError(f"orientation {wanted}: nnU-Net's {reader} trained on {reader_axes}")
    axes = axes_of(cohort) if cohort else dict(dataset.get("axes", {}))
    entry: dict[str, Any] = {"orientation": check_axis_code(wanted)} if wanted else {}
    return entry | ({"training_axes": sorted(map(check_axis_code, axes))} if axes else {})


def axes_of(cohort: Path) -> dict[str, int]:
    """Count the axis codes of the training images of an nnU-Net raw folder, first channels only.

    Raises:
        Refusal: there are none.
    """
    images = entries(cohort / "imagesTr", "*_0000.*")
    counts = Counter(check_header(path).grid.orientation for path in images)
    if not counts:
        raise Refusal(f"{cohort / 'imagesTr'}: no image *_0000.*")
    return dict(counts)
