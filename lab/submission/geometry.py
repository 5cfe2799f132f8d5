"""Where a label file's geometry departs from its scan's, field by field.

The official BraTS check of 2026 sums the signed differences of origin, spacing and direction and
rejects a sum above 1e-5, so it accepts any error of the other sign; here every bit counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK

from challenge.file_names import NIFTI_ENDINGS
from challenge.headers import (
    NIFTI_AFFINE_FIELDS,
    CaseError,
    declared_geometry,
)
from lab.data.itk_images import itk_name

OFFICIAL_TOLERANCE = 1e-5  # of `sum(prediction - reference)`
FIELDS = ("size", "spacing", "origin", "direction")
Place = dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class GridDifference:
    """How the geometry that a label file declares differs from its scan's."""

    what: str  # every differing field with both values; numbers in the order x, y, z
    moved: bool  # whether voxels lie elsewhere; else only the header's wording differs


def grid_difference(prediction: Path, scan: Path) -> GridDifference | None:
    """Compare all that two headers say about where voxels lie; differences are prediction - scan.

    None where they are equal bit for bit. A header that cannot be read counts as `moved`.
    """
    try:
        for path in (prediction, scan):
            if not path.is_file():  # a pipe would be waited for
                raise CaseError(f"{path.name} is no file")
        if declared_geometry(prediction) == declared_geometry(scan):
            return None
        parts = [*_place_differences(prediction, scan)]
        moved = bool(parts)
        if scan.name.endswith(NIFTI_ENDINGS):
            own, wanted = (nibabel.load(path) for path in (prediction, scan))
            moved = moved or not np.array_equal(own.affine, wanted.affine)  # type: ignore[attr-defined]
            parts += _header_differences(own.header, wanted.header)
    except Exception as error:  # noqa: BLE001 - whatever a reader raises is this pair's finding
        what = f"geometry cannot be compared with that of {scan.name} ({error})"
        return GridDifference(what, moved=True)
    kind = "geometry" if moved else "header (though voxels lie in the same place)"
    return GridDifference(f"not the {kind} of {scan.name}: {'; '.join(parts)}", moved)


def _place_differences(prediction: Path, scan: Path) -> Iterator[str]:
    """Compare size, spacing, origin and direction as SimpleITK, and so the scorers, read them."""
    try:
        own, wanted = read_place(prediction), read_place(scan)
    except (RuntimeError, CaseError):
        return  # SimpleITK refuses axes that rounding made oblique; nibabel's fields still tell
    for name in FIELDS:
        if own[name] != wanted[name]:
            told = f"{name} {_numbers(own[name])}, the scan's {_numbers(wanted[name])}"
            if name != "size" and len(own[name]) == len(wanted[name]):
                told += _signed(own[name], wanted[name], scan.name.endswith(NIFTI_ENDINGS))
            yield told + (_axes(own[name], wanted[name]) if name == "direction" else "")


def read_place(path: Path) -> Place:
    """Return size, spacing (mm), origin (mm) and direction of a file, in the order x, y, z."""
    image = SimpleITK.ImageFileReader()
    image.SetFileName(itk_name(path))
    image.ReadImageInformation()
    values = (image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return dict(zip(FIELDS, values, strict=True))


def _signed(own: tuple[float, ...], wanted: tuple[float, ...], brats: bool) -> str:
    """Return the signed difference and its sum, for BraTS with the official check's verdict."""
    difference = np.subtract(own, wanted)
    total = float(sum(difference))
    told = f" (prediction - scan {_numbers(difference, '+')}, sum {total:+.6g}"
    if brats:
        verdict = "rejects" if total > OFFICIAL_TOLERANCE else "accepts"
        told += f", which the 2026 check {verdict}"
    return told + ")"


def _axes(own: tuple[float, ...], wanted: tuple[float, ...]) -> str:
    """Name the directions that both files' axes run to, where those differ."""
    if not len(own) == len(wanted) == 9:
        return ""
    code = SimpleITK.DICOMOrientImageFilter.GetOrientationFromDirectionCosines
    return "" if code(own) == code(wanted) else f", axes {code(own)} instead of {code(wanted)}"


def _header_differences(own: Any, wanted: Any) -> Iterator[str]:
    """Compare the placing fields of two NIfTI headers, to the bit but for the byte order."""
    if own.endianness != wanted.endianness:
        yield f"byte order {own.endianness}, the scan's {wanted.endianness}"
    for name in ("dim", "pixdim", *NIFTI_AFFINE_FIELDS):
        values = [np.atleast_1d(header[name])[:4] for header in (own, wanted)]
        bits = [value.astype(value.dtype.newbyteorder("<")).tobytes() for value in values]
        if bits[0] != bits[1]:
            yield f"{name} {_numbers(values[0])}, the scan's {_numbers(values[1])}"


def _numbers(values: np.ndarray | tuple[float, ...], sign: str = "") -> str:
    listed = [f"{float(value):{sign}.9g}" for value in values]
    return listed[0] if len(listed) == 1 else f"({', '.join(listed)})"
