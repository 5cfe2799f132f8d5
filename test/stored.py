"""NIfTI and MetaImage files as bytes, so that no library's writer mends what a test spoils."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK

from challenge.case import CaseError
from challenge.headers import Because
from challenge.volume import read_volume

CODES = {
    "u1": 2,
    "i2": 4,
    "i4": 8,
    "f4": 16,
    "f8": 64,
    "i1": 256,
    "u2": 512,
    "u4": 768,
    "i8": 1024,
    "u8": 1280,
}
META_TYPES = {
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


def voxels(kind: str = "i2", shape: tuple[int, ...] = (3, 4, 5)) -> np.ndarray:
    """Whole numbers (z, y, x) that every type can hold."""
    return np.random.default_rng(0).integers(0, 120, shape).astype(kind)


def nifti(
    array: np.ndarray, order: str = "<", second: bool = False, before: bytes = b"", **fields: Any
) -> bytes:
    """A NIfTI file: 1 x 2 x 3 mm, axes towards right, anterior and superior, origin (10, 20, 30).

    `before` stands between header and voxels; None of it is 4 zeros.
    """
    header_class = nibabel.Nifti2Header if second else nibabel.Nifti1Header
    header = np.zeros((), header_class.template_dtype.newbyteorder(order))
    header["sizeof_hdr"] = header.itemsize
    header["magic"] = b"n+2" if second else b"n+1"
    if second:
        header["eol_check"] = (13, 10, 26, 10)
    header["dim"] = [array.ndim, *array.shape[::-1], *[1] * (7 - array.ndim)]
    header["pixdim"] = [1, 1, 2, 3, 1, 1, 1, 1]
    header["datatype"], header["bitpix"] = CODES[array.dtype.str[1:]], array.itemsize * 8
    before = before or bytes(4)
    header["vox_offset"] = header.itemsize + len(before)
    header["qform_code"] = header["sform_code"] = 1
    header["srow_x"], header["srow_y"] = (1, 0, 0, 10), (0, 2, 0, 20)
    header["srow_z"] = (0, 0, 3, 30)
    header["qoffset_x"], header["qoffset_y"], header["qoffset_z"] = 10, 20, 30
    header["xyzt_units"], header["scl_slope"] = 2, 1
    for name, value in fields.items():
        header[name] = value
    return header.tobytes() + before + array.astype(array.dtype.newbyteorder(order)).tobytes()


def metaimage(
    array: np.ndarray, fields: Mapping[str, str | None] | None = None, packed: bool = False
) -> bytes:
    """A MetaImage of 1 x 2 x 3 mm; `fields` replace, add or, where None, leave out.

    Further fields stand where SimpleITK writes them, between spacing and size.
    """
    content = array.tobytes()
    content = zlib.compress(content) if packed else content
    kind = next(name for name, code in META_TYPES.items() if array.dtype.str[1:] == code)
    first: dict[str, str | None] = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": str(packed),
        "CompressedDataSize": str(len(content)) if packed else None,
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "1 2 3",
        "CenterOfRotation": "0 0 0",
        "AnatomicalOrientation": "RAI",
        "ElementSpacing": "1 2 3",
    }
    last: dict[str, str | None] = {
        "DimSize": " ".join(map(str, array.shape[::-1])),
        "ElementType": kind,
        "ElementDataFile": "LOCAL",
    }
    fields = fields or {}
    added = {name: value for name, value in fields.items() if name not in first | last}
    ordered = {**first, **added, **last}
    ordered |= {name: value for name, value in fields.items() if name in ordered}
    lines = [f"{name} = {value}\n" for name, value in ordered.items() if value is not None]
    return "".join(lines).encode("latin-1") + content


def placed(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def agree(path: Path) -> bool:
    """Compare with SimpleITK, reading or a reason to refuse; return whether both read the file."""
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError:
        image = None
    try:
        volume = read_volume(path, None)
    except CaseError as error:
        assert str(path) in str(error)
        assert image is None or error.because in Because, error
        return False
    if image is None:
        return False
    array = SimpleITK.GetArrayFromImage(image)
    x, y, z = image.GetSpacing()[:3]
    assert volume.spacing_mm == (z, y, x)
    assert volume.array.dtype == array.dtype
    np.testing.assert_array_equal(volume.geometry, itk_affine(image))
    np.testing.assert_array_equal(volume.array, array.reshape(array.shape[-3:]))
    return True


def itk_affine(image: SimpleITK.Image) -> np.ndarray:
    """Voxel (x, y, z) to mm, of the first three axes."""
    axes = image.GetDimension()
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(axes, axes)[:3, :3]
    affine[:3, :3] = direction * np.array(image.GetSpacing()[:3])
    affine[:3, 3] = image.GetOrigin()[:3]
    return affine
