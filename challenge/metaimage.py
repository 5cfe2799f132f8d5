"""MetaImage files (.mha) as they are stored: fields, and voxels.

Fields are cut as MetaIO's MET_Read cuts them, which SimpleITK reads and writes with. Voxels are
read here: where compressed ones are damaged or too few, MetaIO goes on with what lies in memory.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from challenge.inflate import inflate

# On every system a MET_LONG has four bytes; MET_LONG_LONG has eight.
TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
# A field: its name, what is passed over up to a separator, its value to the end of the line. A line
# without a separator is a name, and takes the next line's name with it.
FIELD = re.compile(rb"\s*+([^=:\r\n]*+)([^=:]*+)[=:][=: \t]*+([^\n]*+)(?:\n|\Z)")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")
LAST = "ElementDataFile"
COMPRESSED_SIZE = "CompressedDataSize"
LOCAL = ("LOCAL", "Local", "local")  # its value where voxels follow the header
MOST_AXES = 10  # MetaIO has room for so many
SPACINGS = ("ElementSpacing", "ElementSize")  # the first one counts
MATRICES = ("TransformMatrix", "Rotation", "Orientation")
GEOMETRY_FIELDS = (  # each name under which MetaIO takes spacing, origin or direction
    *SPACINGS,
    "Offset",
    "Position",
    "Origin",
    "ImagePosition",
    *MATRICES,
)
# Bytes before the voxels. DICOM texts of a thousand slices, or extensions of NIfTI, take less.
LONGEST_HEADER = 4 * 2**20
LONGEST_WORD = 32  # bytes of a voxel that is written as text
FROM_THE_END = -1  # as a HeaderSize: voxels are the last bytes of the file


class NoNumber(ValueError):
    """A field does not hold the numbers that it should."""


@dataclass(frozen=True)
class Fields:
    """The fields of a header as text, the last of a name; and the byte that voxels begin at."""

    values: Mapping[str, str]
    end: int
    lost: tuple[str, ...]  # lines that MetaIO takes for another line's value

    def numbers(self, name: str, count: int) -> list[float]:
        """Return the first numbers of a field.

        Raises:
            NoNumber: there are fewer, or some that are none.
        """
        words = self.values[name].split()[:count]
        if len(words) == count and all(NUMBER.match(word) for word in words):
            numbers = [float(word) for word in words]
            if np.isfinite(numbers).all():
                return numbers
        raise NoNumber(f"{name} is {self.values[name]!r:.60}, {count} numbers expected")

    def number(self, name: str, default: int) -> int:
        """Return one whole number, `default` where there is no such field."""
        return int(self.numbers(name, 1)[0]) if name in self.values else default

    def is_true(self, name: str, default: bool) -> bool:
        """Return what MetaIO takes for yes: True, true, T, 1."""
        return self.values[name][:1] in ("T", "t", "1") if name in self.values else default


def read_fields(path: Path) -> Fields | None:
    """Read a header, or None where it does not end within `LONGEST_HEADER` bytes.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        text = stream.read(LONGEST_HEADER)
    values: dict[str, str] = {}
    lost: list[str] = []
    at = 0
    while match := FIELD.match(text, at):
        name, passed, value = (part.decode("latin-1") for part in match.groups())
        values[name.rstrip(" \t")] = value.strip()
        lost += [line.strip() for line in passed.splitlines()[1:] if line.strip()]
        at = match.end()
        if name.rstrip(" \t") == LAST:
            return Fields(values, at, tuple(lost))
    return None


def size_of(fields: Fields) -> tuple[int, ...]:
    """Return the sides x, y, z, ..., further axes than three left out where they have one voxel."""
    size = [int(side) for side in fields.numbers("DimSize", fields.number("NDims", 0))]
    while len(size) > 3 and size[-1] == 1:
        size.pop()
    return tuple(size)


def stored_type(fields: Fields) -> np.dtype:
    """Return the type of a stored voxel, byte order included; KeyError names another type."""
    by_element = fields.is_true("ElementByteOrderMSB", False)
    order = ">" if fields.is_true("BinaryDataByteOrderMSB", by_element) else "<"
    return np.dtype(order + TYPES[fields.values["ElementType"]])


def is_compressed(fields: Fields) -> bool:
    """Return whether voxels are compressed, which they are only as bytes."""
    return fields.is_true("CompressedData", False) and fields.is_true("BinaryData", True)


def size_remarks(path: Path, fields: Fields) -> tuple[str, ...]:
    """Say where compressed voxels do not take the bytes that CompressedDataSize declares.

    SimpleITK 2.5 returns other voxels where that is missing, 0 or much too small, and fails where
    it is too large or negative. Here the compressed stream says where it ends.

    Raises:
        NoNumber: CompressedDataSize is none.
    """
    if not is_compressed(fields):
        return ()
    held = path.stat().st_size - max(fields.end, fields.number("HeaderSize", 0))
    if fields.number(COMPRESSED_SIZE, 0) == held:
        return ()
    declared = fields.values.get(COMPRESSED_SIZE, "missing")
    return (
        f"{COMPRESSED_SIZE} is {declared:.60}, {held} bytes follow: its voxels are read from all "
        "of these, where SimpleITK trusts the number",
    )


def read_voxels(path: Path, fields: Fields) -> np.ndarray:
    """Read a volume as (z, y, x) in its stored type.

    Raises:
        ValueError: there are fewer voxels than the header declares.
        OSError, zlib.error: the file cannot be read, or is damaged.
    """
    size, dtype = size_of(fields), stored_type(fields)
    expected_bytes = math.prod(size) * dtype.itemsize
    with path.open("rb") as stream:
        start = fields.number("HeaderSize", 0)
        if start == FROM_THE_END:
            start = path.stat().st_size - expected_bytes
        stream.seek(start if start > 0 else fields.end)
        content = _content(stream, fields, dtype, expected_bytes)
    if len(content) < expected_bytes:
        raise ValueError(
            f"holds {len(content)} bytes of voxels, its header declares {expected_bytes}"
        )
    voxels = np.frombuffer(content, dtype, math.prod(size)).reshape(size[::-1])
    return voxels.astype(dtype.newbyteorder("="), copy=False)


def _content(stream: BinaryIO, fields: Fields, dtype: np.dtype, expected_bytes: int) -> memoryview:
    """Return the bytes of voxels from where a stream stands: text, compressed, or as they are."""
    if not fields.is_true("BinaryData", True):
        count = expected_bytes // dtype.itemsize
        words = stream.read(count * LONGEST_WORD).split()[:count]
        return np.array(words, np.float64).astype(dtype).view(np.uint8).data
    if is_compressed(fields):
        return inflate(stream, expected_bytes)
    return memoryview(bytearray(stream.read(expected_bytes)))
