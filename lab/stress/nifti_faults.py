"""NIfTI headers corrupted field by field: every field flipped, filled, emptied, and cut off at."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np

from lab.stress.malformed import ACCEPTED, CORRUPTED, REFUSED, Malformed, scan_of

NAME = f"{CORRUPTED}-t2w.nii.gz"
HEADER = np.dtype(nibabel.Nifti1Header.template_dtype)
VOXELS_AT = 352
# Neither geometry nor values depend on these: corrupted, the case is accepted, labels are the same.
UNREAD = {
    "data_type",
    "db_name",
    "extents",
    "session_error",
    "regular",
    "dim_info",
    "intent_p1",
    "intent_p2",
    "intent_p3",
    "intent_code",
    "intent_name",
    "slice_start",
    "slice_end",
    "slice_code",
    "slice_duration",
    "toffset",
    "cal_max",
    "cal_min",
    "glmax",
    "glmin",
    "descrip",
    "aux_file",
    "xyzt_units",
}
# ITK reads the sform under any code but 0, so these are not read; without sform and qform, ITK
# gives the volume the affine of the intact one.
SECOND_CHOICE = {
    "sform_code",
    "qform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "qoffset_z",
}
# Another unit of intensity, which normalisation removes but for rounding; ITK ignores NaN.
UNITS = {"scl_slope", "scl_inter"}


def rewrite(path: Path, change: Callable[[bytearray], bytearray | bytes]) -> None:
    """Change what a gzipped file holds."""
    path.write_bytes(gzip.compress(bytes(change(bytearray(gzip.decompress(path.read_bytes()))))))


def malformed() -> Iterator[Malformed]:
    """Yield each field corrupted in each way, in a scan that is not the geometry reference."""
    for field, (kind, at, *_) in (HEADER.fields or {}).items():
        for how, change in HOW.items():
            is_accepted = how != "cut off" and field in UNREAD | SECOND_CHOICE | UNITS
            is_accepted = is_accepted or (field, how) in REPAIRED
            yield Malformed(
                f"NIfTI {field} {how}",
                "brats",
                _corruption(change, at, kind.itemsize),
                ACCEPTED if is_accepted else REFUSED,
                "" if is_accepted else NAME,
                field not in UNITS,
            )


def _corruption(
    change: Callable[[bytearray, int, int], bytearray | bytes], at: int, size: int
) -> Callable[[Path], None]:
    return lambda folder: rewrite(scan_of(folder), lambda content: change(content, at, size))


def _flip(content: bytearray, at: int, size: int) -> bytearray:
    content[at + size - 1] ^= 0x40  # the second highest bit: another sign of an exponent
    return content


def _ones(content: bytearray, at: int, size: int) -> bytearray:
    content[at : at + size] = b"\xff" * size
    return content


def _zeros(content: bytearray, at: int, size: int) -> bytearray:
    content[at : at + size] = bytes(size)
    return content


def _cut(content: bytearray, at: int, size: int) -> bytes:
    return bytes(content[:at])


HOW: dict[str, Callable[[bytearray, int, int], bytearray | bytes]] = {
    "flipped": _flip,
    "all ones": _ones,
    "all zeros": _zeros,
    "cut off": _cut,
}
# What ITK repairs, or what a 3-D image does not use of the field.
REPAIRED = {
    ("sizeof_hdr", "flipped"),
    ("sizeof_hdr", "all ones"),
    ("sizeof_hdr", "all zeros"),
    ("dim", "flipped"),
    ("pixdim", "flipped"),
    ("bitpix", "flipped"),
    ("bitpix", "all ones"),
    ("bitpix", "all zeros"),
}
