"""Where the voxels of a file lie, as SimpleITK reads it; the one that stock nnU-Net reads with."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK

from challenge.orientation import axis_code

# ITK's NIfTI reader keeps the name of the last file in a static string.
ONE_AT_A_TIME = threading.Lock()
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Grid:
    """Size, spacing and affine of a volume: axes x, y, z, millimetres, towards left, posterior and
    superior (LPS), whatever the file's format."""

    size: tuple[int, ...]
    spacing_mm: Triple
    origin_mm: Triple
    direction: np.ndarray  # (3, 3), a column an axis

    @property
    def affine(self) -> np.ndarray:
        """The matrix (4, 4) float64 from voxel (x, y, z) to mm."""
        affine = np.eye(4)
        affine[:3, :3] = self.direction * np.array(self.spacing_mm)
        affine[:3, 3] = self.origin_mm
        return affine

    @property
    def orientation(self) -> str:
        """Axis code, such as "LPS"."""
        return axis_code(self.direction)


class GridError(ValueError):
    """SimpleITK does not say where a file's voxels lie; the message is its reason."""


def read_grid(path: Path, image_io: str) -> Grid:
    """Read a file's grid through one of ITK's readers, "NiftiImageIO" or "MetaImageIO".

    Further axes than three, which must have one voxel and stand apart, are left out. A negative
    spacing turns its axis round, as ITK does where it reads the voxels.

    Raises:
        GridError: SimpleITK refuses the file, or its name.
    """
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO(image_io)
    try:
        with ONE_AT_A_TIME, path.open("rb") as stream:
            reader.SetFileName(_name(path, stream.fileno()))
            reader.ReadImageInformation()
    except RuntimeError as error:
        raise GridError(str(error).strip().splitlines()[-1]) from error
    size, axes = reader.GetSize(), reader.GetDimension()
    direction = np.array(reader.GetDirection()).reshape(axes, axes)
    if direction[:3, 3:].any() or direction[3:, :3].any():
        raise GridError(f"its axes are mixed with a further one, {direction.ravel().tolist()}")
    spacing = np.array(reader.GetSpacing())[:3]
    direction = direction[:3, :3] * np.where(spacing < 0, -1.0, 1.0)[: min(axes, 3)]
    size = size[:3] if max(size[3:], default=1) == 1 else size
    return Grid(size, _triple(np.abs(spacing)), _triple(reader.GetOrigin()[:3]), direction)


def displacement_voxels(
    affine: np.ndarray, geometry_reference: np.ndarray, shape: tuple[int, ...]
) -> float:
    """Return how far a grid's voxels lie from those of another one, at most, in voxels of that.

    The distance is linear along each axis, so its largest value lies at one of eight corners.

    Args:
        affine: (4, 4), voxel (x, y, z) to mm.
        geometry_reference: the other one.
        shape: (z, y, x) of both.
    """
    far = np.array(shape[::-1], float) - 1
    corners = np.array(np.meshgrid(*zip(np.zeros(3), far, strict=True))).reshape(3, -1)
    moved_mm = (affine - geometry_reference)[:3] @ np.vstack([corners, np.ones(8)])
    return float(np.linalg.norm(np.linalg.inv(geometry_reference[:3, :3]) @ moved_mm, axis=0).max())


def _triple(values: np.ndarray | tuple[float, ...]) -> Triple:
    x, y, z = (*map(float, values), *[0.0] * (3 - len(values)))
    return x, y, z


def _name(path: Path, number: int) -> str:
    """Return a name that SimpleITK survives: one that is not UTF-8 ends the whole program."""
    try:
        str(path).encode()
        return str(path)
    except UnicodeEncodeError as error:
        if path.suffix == ".mha":  # its reader needs no ending
            return os.fspath(Path("/proc/self/fd", str(number)))
        raise GridError("its name is not UTF-8") from error
