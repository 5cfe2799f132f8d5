"""NIfTI headers spoilt field by field: every field flipped, filled, emptied, and cut off at."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np

from lab.stress.malformed import REFUSED, SPOILT, TAKEN, Malformed, scan_of

NAME = f"{SPOILT}-t2w.nii.gz"
HEADER = np.dtype(nibabel.Nifti1Header.template_dtype)
VOXELS_AT = 352
# What nobody's geometry or values hang on: spoilt, the case is taken and nothing changes.
UNREAD = {
    "data_type", "db_name", "extents", "session_error", "regular", "dim_info", "intent_p1",
    "intent_p2", "intent_p3", "intent_code", "intent_name", "slice_start", "slice_end",
    "slice_code", "slice_duration", "toffset", "cal_max", "cal_min", "glmax", "glmin", "descrip",
    "aux_file", "xyzt_units",
}  # fmt: skip
# The place of a volume whose sform counts, as it does to ITK under any code but 0; without a sform
# and qform ITK has the volume lie just where the sound one lies.
SECOND_CHOICE = {
    "sform_code", "qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y",
    "qoffset_z",
}  # fmt: skip
# Another unit of intensity, which normalisation takes out but for rounding; NaN is none to ITK.
UNITS = {"scl_slope", "scl_inter"}


def rewrite(path: Path, change: Callable[[bytearray], bytearray | bytes]) -> None:
    """Change what a gzipped file holds."""
    path.write_bytes(gzip.compress(bytes(change(bytearray(gzip.decompress(path.read_bytes()))))))


def malformed() -> Iterator[Malformed]:
    """Yield each field spoilt in each way, in one scan that is not the one labels lie on."""
    for field, (kind, at, *_) in (HEADER.fields or {}).items():
        for how, change in HOW.items():
            is_taken = how != "cut off" and field in UNREAD | SECOND_CHOICE | UNITS
            is_taken = is_taken or (field, how) in MENDED
            yield Malformed(
                f"NIfTI {field} {how}", "brats", _spoil(change, at, kind.itemsize),
                TAKEN if is_taken else REFUSED, "" if is_taken else NAME, field not in UNITS,
            )  # fmt: skip


def _spoil(
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
# What ITK mends, or what lies in a part of the field that a 3-D image does not use.
MENDED = {
    ("sizeof_hdr", "flipped"), ("sizeof_hdr", "all ones"), ("sizeof_hdr", "all zeros"),
    ("dim", "flipped"), ("pixdim", "flipped"),
    ("bitpix", "flipped"), ("bitpix", "all ones"), ("bitpix", "all zeros"),
}  # fmt: skip
