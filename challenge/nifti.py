"""NIfTI files as they are stored: header, voxels, and labels under the header of a scan.

Values are those that SimpleITK reads, without its silent repairs of what is damaged. nibabel's
reader is not used: it refuses quaternions that rounding made longer than 1, names that say gzip
where the file is plain, and more that ITK and FSL read.
"""

import gzip
import math
from pathlib import Path

import numpy as np

from challenge.grid import Grid
from challenge.inflate import first_bytes
from challenge.nifti_header import FIRST, SECOND

FIRST_MAGIC = {b"n+1\0", b"ni1\0"}  # a pair's magic in a single file is a slip that ITK lets pass
TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
NOT_GREY = {32: "complex", 1792: "complex", 128: "colour", 2304: "colour"}
SECOND_MAGIC = {b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n"}
# Millimetres of a spatial unit; the bits above it are the time's.
UNIT_BITS, UNIT_MM = 7, {1: 1e3, 2: 1.0, 3: 1e-3}
EPSILON = float(np.finfo(float).eps)
DISPLACEMENTS = 1006  # the intent under which ITK changes signs, from right to left
# Intents of vectors and matrices, under which ITK reads no label map.
MATRIX_INTENTS = (1004, 1005, 1006, 1007)
FEWEST_BEFORE_VOXELS = 4  # bytes between header and voxels: whether extensions follow


class NoMagic(ValueError):
    """A file is no NIfTI, though its name says so."""


def read_header(path: Path) -> np.void:
    """Read the header of a NIfTI-1 or NIfTI-2 file, in the file's byte order.

    Raises:
        NoMagic, ValueError, OSError, zlib.error: there is none.
    """
    content = bytes(first_bytes(path, SECOND.itemsize))
    if content[344:348] in FIRST_MAGIC:
        kind = FIRST
    elif content[4:12] in SECOND_MAGIC and len(content) == SECOND.itemsize:
        kind = SECOND
    else:
        raise NoMagic(f"{content[344:348]!r} at byte 344, where NIfTI has n+1")
    for ordered in (kind.newbyteorder("<"), kind.newbyteorder(">")):
        header: np.void = np.frombuffer(content, ordered, 1)[0]
        if 1 <= header["dim"][0] <= 7:
            return header
    raise ValueError(f"{header['dim'][0]} axes")


def size_of(header: np.void) -> tuple[int, ...]:
    """Return the sides x, y, z, ..., further axes than three left out where they have one voxel.

    A further axis of 0 or less is one of one voxel to niftilib too.
    """
    size = [int(side) for side in header["dim"][1 : 1 + int(header["dim"][0])]]
    while len(size) > 3 and size[-1] <= 1:
        size.pop()
    return tuple(size)


def stored_type(header: np.void) -> np.dtype:
    """Return the type of a stored voxel, byte order included.

    Raises:
        ValueError: the code is none of NIfTI's.
    """
    code = int(header["datatype"])
    if code not in TYPES:
        raise ValueError(f"data type {code}")
    order = header.dtype["datatype"].byteorder  # "=" or ">"
    return np.dtype(order + TYPES[code])


def read_voxels(path: Path, header: np.void) -> np.ndarray:
    """Read a volume as (z, y, x), in its stored type or, where the header scales, as ITK does.

    Raises:
        ValueError: there are fewer voxels than the header declares.
        OSError, zlib.error: the file cannot be read, or is damaged.
    """
    size, dtype, start = size_of(header), stored_type(header), int(header["vox_offset"])
    expected_bytes = math.prod(size) * dtype.itemsize
    content = first_bytes(path, start + expected_bytes)
    if len(content) < start + expected_bytes:
        held = max(0, len(content) - start)
        raise ValueError(f"holds {held} bytes of voxels, its header declares {expected_bytes}")
    stored = np.frombuffer(content, dtype, offset=start).reshape(size[::-1])
    return _scaled(stored.astype(dtype.newbyteorder("="), copy=False), header)


def stated_affine(header: np.void) -> np.ndarray:
    """Return the affine (4, 4) that nibabel takes: the sform, else the qform, else the spacing.

    From voxel (x, y, z) towards right, anterior, superior, in the header's unit.
    """
    affine = np.eye(4)
    spacing = np.abs(header["pixdim"][1:4].astype(float))
    if header["sform_code"] > 0:
        affine[:3] = [header[name] for name in ("srow_x", "srow_y", "srow_z")]
    elif header["qform_code"] > 0:
        turned = -1.0 if header["pixdim"][0] < 0 else 1.0
        affine[:3, :3] = _rotation(header) * spacing * (1, 1, turned)
        affine[:3, 3] = [header[name] for name in ("qoffset_x", "qoffset_y", "qoffset_z")]
    else:
        affine[:3, :3] = np.diag(spacing * (-1, -1, 1))  # ITK: left, posterior, superior
    return affine


def stated_grid(header: np.void, size: tuple[int, ...]) -> Grid:
    """Return the grid that a header states to nibabel, in millimetres."""
    affine = stated_affine(header) * np.array([[-1.0], [-1.0], [1.0], [1.0]])
    mm = unit_mm(header)
    x, y, z = (abs(float(value)) * mm for value in header["pixdim"][1:4])
    with np.errstate(all="ignore"):  # an axis without length: checked later
        direction = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    left, posterior, superior = (float(value) * mm for value in affine[:3, 3])
    return Grid(size, (x, y, z), (left, posterior, superior), direction)


def unit_mm(header: np.void) -> float:
    """Return the millimetres of the header's spatial unit; an unknown one is a millimetre."""
    return UNIT_MM.get(int(header["xyzt_units"]) & UNIT_BITS, 1.0)


def with_voxels(voxels: np.ndarray, scan: Path) -> bytes:
    """Return a gzipped NIfTI file of an array (z, y, x) under the header of a scan.

    The array is uint8 or float32. The affine stays bit for bit, and extensions stay; type, scaling
    and window are the array's. Further axes of one voxel are left out, as every reader but nibabel
    does.
    """
    header = read_header(scan).copy()
    start = max(int(header["vox_offset"]), header.itemsize + FEWEST_BEFORE_VOXELS)
    extensions = first_bytes(scan, int(header["vox_offset"]))[header.itemsize :]
    code = next(code for code, name in TYPES.items() if np.dtype(name) == voxels.dtype)
    header["datatype"], header["bitpix"] = code, 8 * voxels.dtype.itemsize
    header["vox_offset"] = start
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["cal_min"] = header["cal_max"] = 0
    header["magic"] = b"n+1" if header.itemsize == FIRST.itemsize else b"n+2"
    header["dim"][0], header["dim"][4:] = 3, 1
    header["dim"][1:4] = voxels.shape[::-1]
    if header["intent_code"] in MATRIX_INTENTS:
        header["intent_code"] = 0
    before = header.tobytes() + bytes(extensions)
    stored = voxels.astype(voxels.dtype.newbyteorder(header.dtype["datatype"].byteorder))
    content = before.ljust(start, b"\0") + stored.tobytes()
    return gzip.compress(content, compresslevel=5, mtime=0)


def _scaled(stored: np.ndarray, header: np.void) -> np.ndarray:
    slope, inter = (float(header[name]) for name in ("scl_slope", "scl_inter"))
    slope, inter = (value if math.isfinite(value) else 0.0 for value in (slope, inter))
    slope = slope if abs(slope) >= EPSILON else 1.0
    if abs(slope - 1) <= EPSILON and abs(inter) <= EPSILON:
        return stored
    # ITK rounds to float32 before it scales, in float64, and again after.
    kind = np.float64 if stored.dtype == np.float64 else np.float32
    scaled = stored.astype(kind).astype(np.float64) * slope + inter
    return scaled.astype(kind, copy=False)


def _rotation(header: np.void) -> np.ndarray:
    """Return the rotation (3, 3) of the quaternion, of length 1 whatever rounding did to it."""
    b, c, d = (float(header[f"quatern_{name}"]) for name in "bcd")
    rest = 1 - (b * b + c * c + d * d)
    if rest < EPSILON:
        length = math.sqrt(b * b + c * c + d * d)
        b, c, d = b / length, c / length, d / length
    a = math.sqrt(max(rest, 0.0))
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
