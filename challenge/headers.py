"""What an image file declares, checked before a single voxel is read.

A header is a stranger's word: sizes that no memory holds, grids that lie nowhere, a MetaImage that
points to another file. Nothing here trusts it, and no C++ reader sees what is refused here.
"""

import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK

from challenge.refusal import Refusal

# Header fields that, with size and spacing, place a NIfTI volume in space.
NIFTI_PLACE = (
    "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y",
    "qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units",
)  # fmt: skip
NIFTI_ERRORS = (
    OSError, EOFError, ValueError, OverflowError, zlib.error,
    nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError,
)  # fmt: skip
# A case's images, as they are stored and as float32: eight times the largest MRI in use.
MOST_BYTES = 2 * 2**30
# Spacings outside are no scan of a body part: metres or micrometres taken for millimetres.
SPACING_MM = (1e-3, 1e3)
META_BYTES = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4,
    "MET_LONG": 8, "MET_ULONG": 8, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
}  # fmt: skip
LONGEST_META_HEADER = 64 * 2**10
META_SPACINGS = ("ElementSpacing", "ElementSize")
META_PLACES = ("Offset", "Position", "Origin")
META_ROTATIONS = ("TransformMatrix", "Rotation", "Orientation")


class CaseError(Refusal):
    """One case cannot be read, predicted or written; the message names the file and the value."""


def is_nifti(path: Path) -> bool:
    """Return whether a file's name says NIfTI; anything else is read as MetaImage."""
    return path.name.endswith((".nii.gz", ".nii"))


def itk_name(path: Path) -> str:
    """Return a file's name as SimpleITK takes it.

    Raises:
        CaseError: the name is not UTF-8, on which SimpleITK ends the whole process.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise CaseError(f"{path}: its name is not UTF-8, which SimpleITK cannot open") from error
    return str(path)


def check_header(path: Path) -> int:
    """Check what a file declares; return the bytes that its voxels will take.

    Counted are the voxels as they are stored and a copy in float32.

    Raises:
        CaseError: no file, no header, not 3-D, not one channel, no place in space, or too large.
    """
    if not path.is_file():
        raise CaseError(f"{path}: no such file")
    size, bytes_a_voxel = _nifti_header(path) if is_nifti(path) else _meta_header(path)
    total = math.prod(size) * (bytes_a_voxel + 4)
    if total > MOST_BYTES:
        told = "x".join(map(str, size))
        raise CaseError(
            f"{path}: declares {told} voxels, {total / 2**30:.1f} GiB, more than "
            f"{MOST_BYTES / 2**30:.0f}"
        )
    return total


def check_headers(paths: Mapping[str, Path]) -> None:
    """Check every image of a case, and that they fit into memory together."""
    total = {name: check_header(path) for name, path in paths.items()}
    if sum(total.values()) > MOST_BYTES:
        largest = max(total, key=lambda name: total[name])
        raise CaseError(
            f"{paths[largest]}: with the case's other images {sum(total.values()) / 2**30:.1f} GiB "
            f"of voxels are declared, more than {MOST_BYTES / 2**30:.0f}"
        )


def open_nifti(path: Path) -> nibabel.Nifti1Image:
    """Open a NIfTI-1 or NIfTI-2 file (the latter's class is a child of the former's)."""
    image = nibabel.load(path)
    if not isinstance(image, nibabel.Nifti1Image):
        raise CaseError(f"{path}: {type(image).__name__}, not NIfTI")
    return image


def declared_geometry(path: Path) -> tuple[object, ...]:
    """Return all that a file's header says about where its voxels lie, to be compared exactly."""
    if not is_nifti(path):
        image = SimpleITK.ImageFileReader()
        image.SetFileName(itk_name(path))
        image.ReadImageInformation()
        return (image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    header = open_nifti(path).header
    sizes = (header["dim"][:4].tobytes(), header["pixdim"][:4].tobytes())
    return sizes + tuple(header[name].tobytes() for name in NIFTI_PLACE)


def last_line(error: BaseException) -> str:
    """Return the last line of what an error says; libraries put their reason there.

    nibabel puts a guess behind it, in a line of its own that begins with a dash.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if not line.startswith("- ")] or lines
    return reasons[-1] if reasons else type(error).__name__


def _nifti_header(path: Path) -> tuple[tuple[int, ...], int]:
    try:
        image = open_nifti(path)
        if len(image.shape) != 3:
            raise CaseError(f"{path}: {len(image.shape)}-D image of size {image.shape}, not 3-D")
        if image.get_data_dtype().fields is not None:
            raise CaseError(f"{path}: colour image, not a scan")
        if image.get_data_dtype().kind not in "iuf":
            raise CaseError(f"{path}: {image.get_data_dtype()} voxels, not a scan")
        spacing_mm = _stored_spacing_mm(path, image)
        _check_place(path, image.shape, spacing_mm, image.affine)
        return image.shape, image.get_data_dtype().itemsize
    except CaseError:
        raise
    except NIFTI_ERRORS as error:
        raise CaseError(f"{path}: cannot be read as NIfTI ({last_line(error)})") from error


def _stored_spacing_mm(path: Path, image: nibabel.Nifti1Image) -> tuple[float, ...]:
    """Return the spacing (x, y, z) as the file has it; nibabel mends what is zero or negative."""
    kind = type(image.header)
    with nibabel.openers.ImageOpener(str(path)) as stream:
        header = kind(stream.read(kind.template_dtype.itemsize), check=False)
    if not header["vox_offset"] >= kind.template_dtype.itemsize:
        raise CaseError(f"{path}: voxels from byte {header['vox_offset']} on, inside the header")
    return tuple(float(mm) for mm in header["pixdim"][1:4])


def _meta_header(path: Path) -> tuple[tuple[int, ...], int]:
    fields, voxels_at = _meta_fields(path)
    channels = fields.get("ElementNumberOfChannels", "1")
    if channels != "1":
        raise CaseError(f"{path}: colour or vector image ({channels} channels), not a scan")
    try:
        if int(fields["NDims"]) != 3:
            raise CaseError(f"{path}: {fields['NDims']}-D image, not 3-D")
        size = tuple(int(side) for side in fields["DimSize"].split())
        spacing_mm = _numbers(fields, META_SPACINGS)
        origin = _numbers(fields, META_PLACES, "0 0 0")
        matrix = np.array(_numbers(fields, META_ROTATIONS, "1 0 0 0 1 0 0 0 1")).reshape(3, 3)
        stored = META_BYTES[fields["ElementType"]]
        is_packed = fields.get("CompressedData", "False").lower() == "true"
        promised = int(fields["CompressedDataSize"]) if is_packed else math.prod(size) * stored
    except KeyError as error:
        raise CaseError(f"{path}: cannot be read as MetaImage (no {error.args[0]})") from error
    except CaseError:
        raise
    except ValueError as error:
        raise CaseError(f"{path}: cannot be read as MetaImage ({last_line(error)})") from error
    _check_meta_voxels(path, fields, promised, path.stat().st_size - voxels_at)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = matrix * np.array(spacing_mm), origin
    _check_place(path, size, spacing_mm, affine)
    return size, stored


def _check_meta_voxels(path: Path, fields: Mapping[str, str], promised: int, held: int) -> None:
    """Refuse voxels that are text, elsewhere, or fewer than the header tells."""
    if fields.get("BinaryData", "").lower() != "true":
        raise CaseError(f"{path}: cannot be read as MetaImage (its voxels are not binary)")
    if fields["ElementDataFile"] != "LOCAL":
        raise CaseError(f"{path}: its voxels are in another file ({fields['ElementDataFile']})")
    if not 0 < promised <= held:  # the reader would take what lies in memory for voxels
        raise CaseError(f"{path}: holds {held} bytes of voxels, its header tells {promised}")


def _meta_fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the `key = value` lines of a MetaImage header, and the byte that voxels begin at."""
    with path.open("rb") as stream:
        text = stream.read(LONGEST_META_HEADER)
    fields: dict[str, str] = {}
    at = 0
    for line in text.split(b"\n"):
        at += len(line) + 1
        key, equals, value = line.decode("latin-1").partition("=")
        if not equals:
            break
        fields[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":
            return fields, at
    raise CaseError(f"{path}: cannot be read as MetaImage (no header that ends)")


def _numbers(
    fields: Mapping[str, str], keys: tuple[str, ...], default: str = ""
) -> tuple[float, ...]:
    """Return the numbers of a field under the first of its names that is there."""
    key = next((key for key in keys if key in fields), keys[0])
    text = fields.get(key, default)
    values = tuple(float(word) for word in text.split())
    expected = len(default.split()) or 3
    if len(values) != expected:
        raise ValueError(f"{key} has {len(values)} numbers, {expected} expected")
    return values


def _check_place(
    path: Path, size: tuple[int, ...], spacing_mm: tuple[float, ...], affine: np.ndarray
) -> None:
    """Refuse a volume without extent and an affine (voxel to mm) that maps it to no volume."""
    if len(size) != 3 or min(size) < 1:
        raise CaseError(f"{path}: size {'x'.join(map(str, size))} holds no volume")
    low, high = SPACING_MM
    if not all(low <= float(mm) <= high for mm in spacing_mm):
        told = " x ".join(f"{float(mm):g}" for mm in spacing_mm)
        raise CaseError(f"{path}: spacing of {told} mm")
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        volume = abs(np.linalg.det(affine[:3, :3] / lengths))
    if not np.isfinite(affine).all() or not volume > 1e-3:
        raise CaseError(f"{path}: its axes span no space (affine {affine[:3].ravel().tolist()})")
