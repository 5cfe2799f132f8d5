"""What an image file declares, checked before a single voxel is read.

A header may claim anything: sizes that no memory holds, degenerate affines, a MetaImage that
points to another file. Nothing here trusts it, and no C++ reader sees what is refused here for its
size or its syntax. All else that ITK reads, which stock nnU-Net and the platforms read with, is
read; `challenge.refused_files` lists what is not.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from challenge import metaimage, nifti, tiff
from challenge.file_names import NIFTI_ENDINGS, TIFF_ENDINGS
from challenge.grid import Grid, GridError, read_grid
from challenge.refusal import Refusal
from challenge.refused_files import Because

# Header fields that, with size and spacing, make a NIfTI file's affine.
NIFTI_AFFINE_FIELDS = (
    "qform_code",
    "sform_code",
    *(f"quatern_{axis}" for axis in "bcd"),
    *(f"{kind}_{axis}" for kind in ("qoffset", "srow") for axis in "xyz"),
    "xyzt_units",
)
READ_ERRORS = (OSError, ValueError, zlib.error)
# A case's images, as they are stored and as float32: eight times the largest MRI in use.
MOST_BYTES = 2 * 2**30
SPACING_MM = (1e-3, 1e3)
LEAST_VOLUME = 1e-3  # of the axes as unit vectors; 1 where they are at right angles


class CaseError(Refusal):
    """One case cannot be read, predicted or written; the message names the file and the value.

    `because` says why a file is refused that ITK reads.
    """

    def __init__(self, message: str, because: Because | None = None) -> None:
        super().__init__(message)
        self.because = because


@dataclass(frozen=True)
class Header:
    """What a file declares, and how its voxels are read."""

    grid: Grid
    stored: np.dtype
    read_voxels: Callable[[], np.ndarray]  # (z, y, x), in the stored type or scaled; READ_ERRORS
    remarks: tuple[str, ...] = ()  # what is read otherwise than it is written

    @property
    def total_bytes(self) -> int:
        """Bytes that the voxels will take, as they are stored and as a copy in float32."""
        return math.prod(self.grid.size) * (self.stored.itemsize + 4)


def is_nifti(path: Path) -> bool:
    """Return whether a file's name says NIfTI."""
    return path.name.endswith(NIFTI_ENDINGS)


def file_format(path: Path) -> str:
    """Return what a file's name says it is: NIfTI or TIFF; anything else is read as MetaImage."""
    if path.name.endswith(TIFF_ENDINGS):
        return "TIFF"
    return "NIfTI" if is_nifti(path) else "MetaImage"


def check_header(path: Path) -> Header:
    """Check what a file declares.

    Raises:
        CaseError: no file, no header, not 3-D, not one channel, a degenerate affine, or too large.
    """
    if not path.is_file():
        raise CaseError(f"{path}: no such file")
    kind = file_format(path)
    read = {"NIfTI": _nifti_header, "MetaImage": _meta_header, "TIFF": _tiff_header}[kind]
    try:
        return read(path)
    except CaseError:
        raise
    except READ_ERRORS as error:
        raise CaseError(f"{path}: cannot be read as {kind} ({last_line(error)})") from error


def declared_geometry(path: Path) -> tuple[object, ...]:
    """Return all that a file's header says about where its voxels lie, to be compared exactly."""
    if not is_nifti(path):
        grid = check_header(path).grid
        return (grid.size, grid.spacing_mm, grid.origin_mm, tuple(grid.direction.ravel().tolist()))
    header = nifti.read_header(path)
    sizes = (header["dim"][1:4].tobytes(), header["pixdim"][:4].tobytes())
    return sizes + tuple(header[name].tobytes() for name in NIFTI_AFFINE_FIELDS)


def last_line(error: BaseException) -> str:
    """Return the last line of what an error says, where libraries put their reason.

    A line that begins with a dash is nibabel's guess.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if not line.startswith("- ")] or lines
    return reasons[-1] if reasons else type(error).__name__


def _nifti_header(path: Path) -> Header:
    try:
        header = nifti.read_header(path)
    except nifti.NoMagic as error:
        raise CaseError(f"{path}: cannot be read as NIfTI ({error})", Because.NO_MAGIC) from error
    what = nifti.NOT_GREY.get(int(header["datatype"]))
    if header["intent_code"] == nifti.DISPLACEMENTS:
        what = "displacement"
    if what:
        raise CaseError(f"{path}: {what} image, not a scan", Because.NOT_GREY)
    stored = nifti.stored_type(header)
    _check_start(path, float(header["vox_offset"]), header.itemsize)
    spacing = header["pixdim"][1:4]
    if not (np.isfinite(spacing).all() and spacing.all()):
        raise CaseError(f"{path}: spacing of {_listed(spacing)}", Because.NO_SPACING)
    size = nifti.size_of(header)
    _check_size(path, size, stored)
    grid, remark = _nifti_grid(path, header, size)
    _check_affine(path, grid, size)
    return Header(grid, stored, partial(nifti.read_voxels, path, header), remark)


def _nifti_grid(path: Path, header: np.void, size: tuple[int, ...]) -> tuple[Grid, tuple[str, ...]]:
    """Return the grid, by the header alone where ITK refuses the file: NIfTI-2, sheared axes."""
    try:
        return read_grid(path, "NiftiImageIO"), ()
    except GridError as error:
        return nifti.stated_grid(header, size), (f"its affine is read as nibabel does ({error})",)


def _meta_header(path: Path) -> Header:
    fields = metaimage.read_fields(path)
    if fields is None:
        because = Because.LONG_HEADER if path.stat().st_size >= metaimage.LONGEST_HEADER else None
        what = f"no header that ends within {metaimage.LONGEST_HEADER} bytes"
        raise CaseError(f"{path}: cannot be read as MetaImage ({what})", because)
    try:
        size, stored = _meta_volume(path, fields)
        sizes = metaimage.size_remarks(path, fields)
    except KeyError as error:
        raise CaseError(f"{path}: cannot be read as MetaImage (no {error.args[0]})") from error
    except metaimage.NoNumber as error:
        message = f"{path}: cannot be read as MetaImage ({error})"
        raise CaseError(message, Because.NO_NUMBER) from error
    grid = read_grid(path, "MetaImageIO")
    _check_affine(path, grid, size)
    remarks = tuple(
        f"{name} is not read, since MetaIO takes it for the text of the line before"
        for name in fields.lost
        if name in metaimage.GEOMETRY_FIELDS
    )
    return Header(grid, stored, partial(metaimage.read_voxels, path, fields), remarks + sizes)


def _tiff_header(path: Path) -> Header:
    """Check a stack of grey pages."""
    header = tiff.read_header(path)
    if header.samples != 1 or header.stored.kind not in "iuf":
        raise CaseError(f"{path}: colour or vector image, not a scan", Because.NOT_GREY)
    _check_size(path, (grid := header.grid).size, header.stored)
    _check_affine(path, grid, grid.size)
    remark = f"axes are taken for {grid.orientation}, {_listed(grid.spacing_mm)} mm apart"
    return Header(grid, header.stored, partial(tiff.read_voxels, path), (remark,))


def _meta_volume(path: Path, fields: metaimage.Fields) -> tuple[tuple[int, ...], np.dtype]:
    """Check the fields of size, affine and voxels; KeyError names a missing one."""
    if fields.number("ElementNumberOfChannels", 1) != 1:
        channels = fields.values["ElementNumberOfChannels"]
        what = f"colour or vector image ({channels} channels), not a scan"
        raise CaseError(f"{path}: {what}", Because.NOT_GREY)
    axes = fields.number("NDims", 0)
    if not 0 < axes <= metaimage.MOST_AXES:
        raise CaseError(f"{path}: {axes}-D image, not 3-D", Because.NOT_3D)
    if not any(name in fields.values for name in metaimage.SPACINGS):
        raise CaseError(f"{path}: no {metaimage.SPACINGS[0]}", Because.NO_SPACING)
    for name in metaimage.GEOMETRY_FIELDS:
        if name in fields.values:
            fields.numbers(name, axes**2 if name in metaimage.MATRICES else axes)
    size, stored = metaimage.size_of(fields), metaimage.stored_type(fields)
    _check_size(path, size, stored)
    _check_meta_voxels(path, fields, math.prod(size) * stored.itemsize)
    return size, stored


def _check_meta_voxels(path: Path, fields: metaimage.Fields, expected_bytes: int) -> None:
    """Refuse voxels that are elsewhere, or fewer than the header declares."""
    if fields.values[metaimage.LAST] not in metaimage.LOCAL:
        where = fields.values[metaimage.LAST]
        raise CaseError(f"{path}: its voxels are in another file ({where})", Because.ELSEWHERE)
    held = path.stat().st_size - fields.end
    if metaimage.is_compressed(fields) or not fields.is_true("BinaryData", True):
        expected_bytes = 1  # how many it takes is known when they are read
    if not 0 < expected_bytes <= held:
        what = f"holds {held} bytes of voxels, its header declares {expected_bytes}"
        raise CaseError(f"{path}: {what}", Because.FEW_VOXELS)


def _check_start(path: Path, start: float, header_bytes: int) -> None:
    if not start >= header_bytes:
        what = f"voxels from byte {start:g} on, inside the header"
        raise CaseError(f"{path}: {what}", Because.IN_HEADER)
    if start > metaimage.LONGEST_HEADER:
        raise CaseError(f"{path}: voxels from byte {start:g} on", Because.LONG_HEADER)


def _check_size(path: Path, size: tuple[int, ...], stored: np.dtype) -> None:
    """Refuse what is no volume, or needs more memory than a case may take."""
    listed = "x".join(map(str, size))
    if len(size) != 3:
        raise CaseError(f"{path}: {len(size)}-D image of size {size}, not 3-D", Because.NOT_3D)
    if min(size) < 1:
        raise CaseError(f"{path}: size {listed} holds no volume", Because.NO_VOXELS)
    total = math.prod(size) * (stored.itemsize + 4)
    if total > MOST_BYTES:
        what = f"declares {listed} voxels, {total / 2**30:.1f} GiB, more than"
        raise CaseError(f"{path}: {what} {MOST_BYTES / 2**30:.0f}", Because.TOO_LARGE)


def _check_affine(path: Path, grid: Grid, size: tuple[int, ...]) -> None:
    """Refuse another size than is read here, and a grid (voxel to mm) that is no volume's."""
    if grid.size != size:
        raise CaseError(f"{path}: size {size}, where SimpleITK reads {grid.size}")
    low, high = SPACING_MM
    if not all(low <= mm <= high for mm in grid.spacing_mm):
        raise CaseError(f"{path}: spacing of {_listed(grid.spacing_mm)} mm", Because.SPACING)
    with np.errstate(all="ignore"):
        volume = abs(np.linalg.det(grid.direction / np.linalg.norm(grid.direction, axis=0)))
    if not (np.isfinite(grid.affine).all() and volume > LEAST_VOLUME):
        what = f"has a degenerate affine ({grid.affine[:3].ravel().tolist()})"
        raise CaseError(f"{path}: {what}", Because.DEGENERATE_AFFINE)


def _listed(spacing: np.ndarray | tuple[float, ...]) -> str:
    return " x ".join(f"{float(mm):g}" for mm in spacing)
