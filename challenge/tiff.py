"""TIFF files, which grand-challenge hands in beside MetaImage: read by ITK, page by page."""

from pathlib import Path

import numpy as np
import SimpleITK

READER = "TIFFImageIO"


def stored_type(path: Path) -> np.dtype | None:
    """Return the type of a stored voxel; None where it has several numbers.

    Raises:
        OSError: ITK refuses the file.
    """
    reader = _reader(path)
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise OSError(_reason(error)) from error
    if reader.GetNumberOfComponents() != 1:
        return None
    one = SimpleITK.Image(1, 1, 1, reader.GetPixelID())
    return SimpleITK.GetArrayViewFromImage(one).dtype


def read_voxels(path: Path) -> np.ndarray:
    """Read a stack of pages as (z, y, x) in its stored type.

    Raises:
        OSError: ITK refuses the file.
    """
    try:
        return SimpleITK.GetArrayFromImage(_reader(path).Execute())
    except RuntimeError as error:
        raise OSError(_reason(error)) from error


def _reader(path: Path) -> SimpleITK.ImageFileReader:
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO(READER)
    reader.SetFileName(str(path))
    return reader


def _reason(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[-1]
