"""One label file, read as strictly as a format allows, and the values in it."""

import gzip
import io
import math
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK

from challenge.headers import MOST_BYTES, CaseError, last_line
from challenge.refusal import Refusal
from lab.data.itk_images import itk_name
from lab.data.nibabel_images import NIFTI_ERRORS

SINGLE_FILE = b"n+1\x00"  # NIfTI-1 with header and data in one file; NIfTI-2 and pairs differ
MOST_VALUES_LISTED = 6
LOCAL = re.compile(rb"^ElementDataFile\s*=\s*LOCAL\r?\n", re.MULTILINE)
SIZE = re.compile(rb"^DimSize\s*=\s*([\d ]+)", re.MULTILINE)
COMPRESSED = re.compile(rb"^CompressedData\s*=\s*True\s*$", re.MULTILINE | re.IGNORECASE)


class FormatError(Refusal):
    """A file cannot be read to its end as a label map; the message says why."""


@dataclass(frozen=True)
class LabelFile:
    """What a file holds; the values (z, y, x) have the stored type, scaled as readers scale."""

    values: np.ndarray | None  # None where the file cannot be read as a 3-D volume
    errors: tuple[str, ...]


def read_label_file(path: Path) -> LabelFile:
    """Read a `.nii.gz` or `.mha` file to its last byte; what is wrong is returned, never raised."""
    read = _read_nifti if path.name.endswith(".nii.gz") else _read_metaimage
    try:
        return read(path)
    except FormatError as error:
        return LabelFile(None, (str(error),))
    except OSError as error:
        return LabelFile(None, (f"cannot be opened ({error.strerror or last_line(error)})",))
    except Exception as error:  # noqa: BLE001 - whatever a reader raises is this file's finding
        return LabelFile(None, (f"cannot be read ({type(error).__name__}: {last_line(error)})",))


def count_values(values: np.ndarray) -> dict[np.generic, int]:
    """Return the voxels of each value of a volume, by ascending value."""
    if values.dtype == np.uint8:  # twenty times faster than sorting
        counts = np.bincount(values.ravel(), minlength=256)
        return {np.uint8(value): int(counts[value]) for value in np.flatnonzero(counts)}
    present, counts = np.unique(values, return_counts=True)
    return dict(zip(present, map(int, counts), strict=True))


def describe_counts(counts: dict[np.generic, int]) -> str:
    """Return `255 in 12 voxels, ...`, the most frequent values first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    listed = [f"{value!s} in {n} voxel{'s' * (n != 1)}" for value, n in ordered]
    if len(listed) > MOST_VALUES_LISTED:
        listed[MOST_VALUES_LISTED:] = [f"{len(listed) - MOST_VALUES_LISTED} more values"]
    return ", ".join(listed)


def _read_nifti(path: Path) -> LabelFile:
    content = _gunzip(path.read_bytes())
    if (magic := content[344:348]) != SINGLE_FILE:
        raise FormatError(f"no NIfTI-1 single file: {magic!r} at byte 344, not {SINGLE_FILE!r}")
    try:
        image = nibabel.Nifti1Image.from_bytes(content)
        dtype = image.get_data_dtype()
        _check_volume(image.shape, 1 if dtype.fields is None else len(dtype.fields))
        if dtype.kind not in "iuf":
            raise FormatError(*_type_errors(dtype))
        if (declared := math.prod(image.shape) * dtype.itemsize) > len(content):
            raise FormatError(f"declares {declared} bytes of voxels, holds {len(content)}")
        values = np.asanyarray(image.dataobj)
    except FormatError:
        raise
    except NIFTI_ERRORS as error:
        raise FormatError(f"not readable to the end as NIfTI ({error})") from error
    errors = _type_errors(dtype)
    scaling: Any = image.dataobj  # nibabel clears the header's own fields
    slope, inter = float(scaling.slope), float(scaling.inter)
    if (slope, inter) != (1, 0):
        errors += (f"scl_slope {slope:g} and scl_inter {inter:g}, 1 and 0 expected",)
    return LabelFile(values.transpose(2, 1, 0), errors)


def _gunzip(content: bytes) -> bytes:
    """Decompress a whole file, its checksum included, which readers of volumes leave out."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            unpacked = stream.read(MOST_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FormatError(f"not readable to the end as gzip ({error})") from error
    if len(unpacked) > MOST_BYTES:
        raise FormatError(f"unpacks to more than {MOST_BYTES / 2**30:.0f} GiB")
    return unpacked


def _read_metaimage(path: Path) -> LabelFile:
    content = path.read_bytes()
    if not (local := LOCAL.search(content)):
        raise FormatError("no MetaImage with its data inside (ElementDataFile = LOCAL)")
    header, data = content[: local.start()], content[local.end() :]
    if COMPRESSED.search(header):
        data = _inflate(data)
    size = SIZE.search(header)
    if size and math.prod(map(int, size[1].split())) > len(data):  # of voxels of a byte at least
        raise FormatError(f"not readable to the end as MetaImage ({len(data)} data bytes)")
    try:
        image = SimpleITK.ReadImage(itk_name(path))
    except CaseError as error:
        raise FormatError(str(error).removeprefix(f"{path}: ")) from error
    except RuntimeError as error:  # which says "no such file" of one that ends too early
        raise FormatError(
            f"not readable to the end as MetaImage ({len(data)} data bytes)"
        ) from error
    _check_volume(image.GetSize(), image.GetNumberOfComponentsPerPixel())
    values: np.ndarray = SimpleITK.GetArrayFromImage(image)
    if len(data) != values.nbytes:
        raise FormatError(f"{len(data)} data bytes, {values.nbytes} expected")
    return LabelFile(values, _type_errors(values.dtype))


def _inflate(data: bytes) -> bytes:
    """Decompress to the end of the stream, checksum included."""
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(data, MOST_BYTES)
    except zlib.error as error:
        raise FormatError(f"not readable to the end as MetaImage ({error})") from error
    if stream.unconsumed_tail:
        raise FormatError(f"unpacks to more than {MOST_BYTES / 2**30:.0f} GiB")
    if not stream.eof:
        raise FormatError(f"not readable to the end as MetaImage (cut after {len(data)} bytes)")
    return inflated


def _check_volume(size: tuple[int, ...], components: int) -> None:
    if len(size) != 3:
        raise FormatError(f"{len(size)}-D image of size {tuple(map(int, size))}, 3-D expected")
    if components != 1:
        raise FormatError(f"{components} numbers a voxel, 1 expected")


def _type_errors(dtype: np.dtype) -> tuple[str, ...]:
    if dtype == np.uint8:
        return ()
    expected = "uint8" if dtype.kind in "iu" else "an integer type (uint8)"
    return (f"stored as {dtype.name}, {expected} expected",)
