"""Affines, spacings and sizes that no scan of this case has, in well-formed headers."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np

from lab.stress.malformed import CORRUPTED, REFUSED, Malformed, scan_of
from lab.stress.nifti_faults import rewrite

NAME = f"{CORRUPTED}-t2w.nii.gz"


def malformed() -> Iterator[Malformed]:
    """Yield each of them, in a scan that is not the geometry reference."""
    corruptions: dict[str, Callable[[Path], None]] = {
        **{f"affine {name}": _with_affine(affine) for name, affine in AFFINES.items()},
        **{f"spacing {name}": _with_spacing(spacing) for name, spacing in SPACINGS.items()},
        **{f"size {name}": with_size(sides) for name, sides in SIZES.items()},
    }
    for name, corrupt in corruptions.items():
        yield Malformed(name, "brats", corrupt, REFUSED, NAME)


def _with_affine(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def corrupt(folder: Path) -> None:
        path = scan_of(folder)
        image = nibabel.Nifti1Image.from_filename(path)
        made = nibabel.Nifti1Image(np.asarray(image.dataobj), None, image.header)
        rows = change(image.affine.copy())
        for name, row in zip(("srow_x", "srow_y", "srow_z"), rows, strict=False):
            made.header[name] = row
        path.write_bytes(gzip.compress(made.to_bytes()))

    return corrupt


def _with_spacing(spacing_mm: tuple[float, ...]) -> Callable[[Path], None]:
    def change(content: bytearray) -> bytearray:
        content[80:92] = np.array(spacing_mm, "<f4").tobytes()
        return content

    return lambda folder: rewrite(scan_of(folder), change)


def with_size(sides: tuple[int, ...]) -> Callable[[Path], None]:
    """Return what declares other sides in a header and leaves the voxels."""

    def change(content: bytearray) -> bytearray:
        content[40 : 40 + 2 * len(sides)] = np.array(sides, "<i2").tobytes()
        return content

    return lambda folder: rewrite(scan_of(folder), change)


def _sheared(affine: np.ndarray) -> np.ndarray:
    affine[0, 1] = 0.5
    return affine


def _flat(affine: np.ndarray) -> np.ndarray:
    affine[:3, 2] = affine[:3, 1]
    return affine


def _entry(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(affine: np.ndarray) -> np.ndarray:
        affine[1, 1] = value
        return affine

    return change


def _shifted(affine: np.ndarray) -> np.ndarray:
    affine[2, 3] += 3
    return affine


AFFINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sheared": _sheared,
    "with two equal axes": _flat,
    "with NaN": _entry(np.nan),
    "with infinity": _entry(np.inf),
    "with a zero axis": _entry(0.0),
    "mirrored": _entry(1.0),
    "shifted": _shifted,
    "huge": _entry(1e30),
}
SPACINGS = {
    "zero": (0, 1, 1),
    "negative": (1, -1, 1),
    "not a number": (1, 1, float("nan")),
    "infinite": (float("inf"), 1, 1),
    "in metres": (1e-6, 1e-6, 1e-6),
    "huge": (1, 1, 1e9),
}
SIZES = {
    "huge": (3, 32767, 32767, 32767),
    "of 9 GiB": (3, 1300, 1300, 1300),
    "negative": (3, 40, -3, 5),
    "zero": (3, 40, 0, 5),
    "of no axis": (0, 40, 44, 42),
    "of 7 axes": (7, 40, 44, 42, 1, 1, 1, 2),
    "of 200 axes": (200, 40, 44, 42),
    "larger than the file": (3, 80, 80, 80),
}
