"""Label and probability maps into files: with the geometry of the case's scan, checked, atomic."""

import tempfile
from pathlib import Path

import numpy as np
import SimpleITK

from challenge import nifti
from challenge.atomic_write import write_atomically
from challenge.case import CaseFiles
from challenge.grid import displacement_voxels
from challenge.headers import (
    CaseError,
    check_header,
    declared_geometry,
    file_format,
    is_nifti,
    last_line,
)
from challenge.orientation import turn_between
from challenge.volume import read_volume

# Between a NIfTI scan and a MetaImage: their texts and single precision round apart.
ROUNDING_VOXELS = 1e-4


def write_labels(
    labels: np.ndarray, files: CaseFiles, output: Path, orientation: str | None = None
) -> Path:
    """Write a label map (z, y, x) with the geometry of the case's scan, checked and atomically.

    Labels in another axis order than the scan's are turned back first: `orientation` is theirs.
    No other program ever meets a half-written or wrong file, and a killed one leaves none.

    Raises:
        CaseError: the file cannot be written, or does not read back as it should.
    """
    source, target = files.images[files.geometry_from], output / files.output
    labels = np.ascontiguousarray(labels, dtype=np.uint8)
    write_all({target: image_content(labels, source, target, orientation)})
    return target


def image_content(
    array: np.ndarray, source: Path, target: Path, orientation: str | None = None
) -> bytes:
    """Return the image file of an array, after it was read back and compared.

    Args:
        array: (z, y, x), uint8 or float32.
        source: the scan whose geometry it takes.
        target: the file that it is for; its ending says NIfTI or MetaImage.
        orientation: axis code of the array; None: that of the scan.

    Raises:
        CaseError: it cannot be written, or does not read back as it should.
    """
    if orientation is not None:
        array = turn_between(orientation, check_header(source).grid.orientation).there(array)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _stage(target) as folder:
            staged = Path(folder, "image.nii.gz" if is_nifti(target) else "image.mha")
            (_write_nifti if is_nifti(target) else _write_metaimage)(array, source, staged)
            _check_written(staged, target, array, source)
            return staged.read_bytes()
    except (OSError, RuntimeError) as error:
        raise CaseError(f"{target}: cannot be written ({last_line(error)})") from error


def write_all(contents: dict[Path, bytes]) -> None:
    """Write several files, each at once; where one cannot be written, none of them is left.

    Raises:
        CaseError: naming the file that cannot be written.
    """
    written: list[Path] = []
    for target, content in contents.items():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(content, target)
        except OSError as error:
            for path in written:
                path.unlink(missing_ok=True)
            raise CaseError(f"{target}: cannot be written ({last_line(error)})") from error
        written.append(target)


def _stage(target: Path) -> "tempfile.TemporaryDirectory[str]":
    """Return a folder to write and check in: the system's, else one beside the target."""
    try:
        return tempfile.TemporaryDirectory()
    except OSError:  # a read-only root without /tmp
        return tempfile.TemporaryDirectory(prefix=".", dir=target.parent)


def _check_written(path: Path, target: Path, array: np.ndarray, source: Path) -> None:
    if file_format(path) == file_format(source):
        if declared_geometry(path) != declared_geometry(source):
            raise CaseError(f"{target}: geometry is not bit for bit that of {source}")
    else:
        written, expected = (check_header(each).grid.affine for each in (path, source))
        if not displacement_voxels(written, expected, array.shape) < ROUNDING_VOXELS:
            raise CaseError(f"{target}: geometry is not that of {source}")
    if not np.array_equal(read_volume(path, array.dtype.type).array, array):
        raise CaseError(f"{target}: voxels do not read back as they were written")


def _write_nifti(array: np.ndarray, source: Path, target: Path) -> None:
    target.write_bytes(nifti.with_voxels(array, source))


def _write_metaimage(array: np.ndarray, source: Path, target: Path) -> None:
    grid = check_header(source).grid
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(grid.direction.ravel().tolist())
    SimpleITK.WriteImage(image, str(target), useCompression=True)
