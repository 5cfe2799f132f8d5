"""How a label file's geometry differs from its scan's, field by field.

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
Geometry = dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class GeometryDifference:
    """How the geometry that a label file declares differs from its scan's."""

    message: str  # every differing field with both values; numbers in the order x, y, z
    moved: bool  # whether the affine or size differs, not only other header fields


def geometry_difference(prediction: Path, scan: Path) -> GeometryDifference | None:
    """Compare the geometry of two headers; differences are prediction - scan.

    None where they are equal bit for bit. A header that cannot be read counts as `moved`.
    """
    try:
        for path in (prediction, scan):
            if not path.is_file():  # a pipe would be waited for
                raise CaseError(f"{path.name} is no file")
        if declared_geometry(prediction) == declared_geometry(scan):
            return None
        parts = [*_itk_differences(prediction, scan)]
        moved = bool(parts)
        if scan.name.endswith(NIFTI_ENDINGS):
            first, second = (nibabel.load(path) for path in (prediction, scan))
            moved = moved or not np.array_equal(first.affine, second.affine)  # type: ignore[attr-defined]
            parts += _header_differences(first.header, second.header)
    except Exception as error:  # noqa: BLE001 - whatever a reader raises is this pair's finding
        message = f"geometry cannot be compared with that of {scan.name} ({error})"
        return GeometryDifference(message, moved=True)
    kind = "geometry" if moved else "header (though the affine is the same)"
    return GeometryDifference(f"not the {kind} of {scan.name}: {'; '.join(parts)}", moved)


def _itk_differences(prediction: Path, scan: Path) -> Iterator[str]:
    """Compare size, spacing, origin and direction as SimpleITK, and so the scorers, read them."""
    try:
        first, second = read_geometry(prediction), read_geometry(scan)
    except (RuntimeError, CaseError):
        return  # SimpleITK refuses axes that rounding made oblique; nibabel's fields are left
    for name in FIELDS:
        if first[name] != second[name]:
            text = f"{name} {_numbers(first[name])}, the scan's {_numbers(second[name])}"
            if name != "size" and len(first[name]) == len(second[name]):
                text += _signed(first[name], second[name], scan.name.endswith(NIFTI_ENDINGS))
            yield text + (_axes(first[name], second[name]) if name == "direction" else "")


def read_geometry(path: Path) -> Geometry:
    """Return size, spacing (mm), origin (mm) and direction of a file, in the order x, y, z."""
    image = SimpleITK.ImageFileReader()
    image.SetFileName(itk_name(path))
    image.ReadImageInformation()
    values = (image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return dict(zip(FIELDS, values, strict=True))


def _signed(first: tuple[float, ...], second: tuple[float, ...], brats: bool) -> str:
    """Return the signed difference and its sum, for BraTS with the official check's verdict."""
    difference = np.subtract(first, second)
    total = float(sum(difference))
    text = f" (prediction - scan {_numbers(difference, '+')}, sum {total:+.6g}"
    if brats:
        verdict = "rejects" if total > OFFICIAL_TOLERANCE else "accepts"
        text += f", which the 2026 check {verdict}"
    return text + ")"


def _axes(first: tuple[float, ...], second: tuple[float, ...]) -> str:
    """Name the directions that both files' axes run to, where those differ."""
    if not len(first) == len(second) == 9:
        return ""
    code = SimpleITK.DICOMOrientImageFilter.GetOrientationFromDirectionCosines
    return "" if code(first) == code(second) else f", axes {code(first)} instead of {code(second)}"


def _header_differences(first: Any, second: Any) -> Iterator[str]:
    """Compare the geometry fields of two NIfTI headers, to the bit but for the byte order."""
    if first.endianness != second.endianness:
        yield f"byte order {first.endianness}, the scan's {second.endianness}"
    for name in ("dim", "pixdim", *NIFTI_AFFINE_FIELDS):
        values = [np.atleast_1d(header[name])[:4] for header in (first, second)]
        bits = [value.astype(value.dtype.newbyteorder("<")).tobytes() for value in values]
        if bits[0] != bits[1]:
            yield f"{name} {_numbers(values[0])}, the scan's {_numbers(values[1])}"


def _numbers(values: np.ndarray | tuple[float, ...], sign: str = "") -> str:
    listed = [f"{float(value):{sign}.9g}" for value in values]
    return listed[0] if len(listed) == 1 else f"({', '.join(listed)})"
