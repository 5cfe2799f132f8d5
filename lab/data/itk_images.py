"""Images as SimpleITK reads them, and so as nnU-Net will: axes by letters, turned without loss.

A code such as RAS names the side to which each axis of the file runs: right, anterior, superior
(SimpleITK's DICOMOrient). A file of identity direction is LPS.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from challenge.headers import CaseError, last_line
from challenge.orientation import axis_code

if TYPE_CHECKING:
    import SimpleITK


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


def read_image(path: Path) -> "SimpleITK.Image":
    """Read a volume; a fourth axis of one is dropped.

    Raises:
        CaseError: SimpleITK does not read it, or it is no volume.
    """
    import SimpleITK

    try:
        image = SimpleITK.ReadImage(itk_name(path))
        if image.GetDimension() == 4 and image.GetSize()[3] == 1:
            image = image[:, :, :, 0]
    except RuntimeError as error:
        raise CaseError(f"{path}: SimpleITK does not read it ({last_line(error)})") from error
    if image.GetDimension() != 3:
        raise CaseError(f"{path}: {image.GetDimension()}-D image of size {image.GetSize()}")
    return image


def axes_of(image: "SimpleITK.Image") -> str:
    """Return the code of an image's axes; of oblique ones the nearest."""
    return axis_code(np.reshape(image.GetDirection(), (3, 3)))


def turned(image: "SimpleITK.Image", orientation: str | None) -> "SimpleITK.Image":
    """Return an image with its axes in another order; no voxel is interpolated."""
    import SimpleITK

    return SimpleITK.DICOMOrient(image, orientation) if orientation else image


def on_grid_of(array: np.ndarray, image: "SimpleITK.Image") -> "SimpleITK.Image":
    """Return an array (z, y, x) as an image where another lies."""
    import SimpleITK

    labels = SimpleITK.GetImageFromArray(array)
    labels.CopyInformation(image)
    return labels


@dataclass(frozen=True)
class ItkGrid:
    """Where a file's voxels lie, as SimpleITK reads its header; (x, y, z), mm, LPS."""

    size: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]
    direction: tuple[float, ...]

    def is_alike(self, other: "ItkGrid") -> bool:
        """Return whether nnU-Net's reader takes both for one grid, without a warning."""
        return self.size == other.size and all(
            np.allclose(ours, theirs)  # as nnunetv2.imageio.base_reader_writer compares them
            for ours, theirs in (
                (self.spacing_mm, other.spacing_mm),
                (self.origin_mm, other.origin_mm),
                (self.direction, other.direction),
            )
        )


def read_itk_grid(path: Path) -> ItkGrid:
    """Read where a file's voxels lie.

    Raises:
        CaseError: SimpleITK does not read it, and so nnU-Net does not.
    """
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise CaseError(f"{path}: SimpleITK does not read it ({last_line(error)})") from error
    size, spacing_mm = reader.GetSize(), reader.GetSpacing()
    return ItkGrid(size, spacing_mm, reader.GetOrigin(), reader.GetDirection())
