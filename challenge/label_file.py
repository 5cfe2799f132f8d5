"""Labels into a file: with the geometry of the case's scan, checked, written atomically."""

import tempfile
from pathlib import Path

import numpy as np
import SimpleITK

from challenge import nifti
from challenge.atomic_write import write_atomically
from challenge.case import CaseFiles, read_volume
from challenge.headers import CaseError, check_header, declared_geometry, is_nifti, last_line
from challenge.orientation import turn_between


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
    if orientation is not None:
        labels = turn_between(orientation, check_header(source).grid.orientation).there(labels)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _stage(target) as folder:
            staged = Path(folder, "labels.nii.gz" if is_nifti(source) else "labels.mha")
            (_write_nifti if is_nifti(source) else _write_metaimage)(labels, source, staged)
            _check_written(staged, target, labels, source)
            content = staged.read_bytes()
        write_atomically(content, target)
    except (OSError, RuntimeError) as error:
        raise CaseError(f"{target}: cannot be written ({last_line(error)})") from error
    return target


def _stage(target: Path) -> "tempfile.TemporaryDirectory[str]":
    """Return a folder to write and check in: the system's, else one beside the target."""
    try:
        return tempfile.TemporaryDirectory()
    except OSError:  # a read-only root without /tmp
        return tempfile.TemporaryDirectory(prefix=".", dir=target.parent)


def _check_written(path: Path, target: Path, labels: np.ndarray, source: Path) -> None:
    if declared_geometry(path) != declared_geometry(source):
        raise CaseError(f"{target}: geometry is not bit for bit that of {source}")
    if not np.array_equal(read_volume(path, np.uint8).array, labels):
        raise CaseError(f"{target}: labels do not read back as they were written")


def _write_nifti(labels: np.ndarray, source: Path, target: Path) -> None:
    target.write_bytes(nifti.with_labels(labels, source))


def _write_metaimage(labels: np.ndarray, source: Path, target: Path) -> None:
    grid = check_header(source).grid
    image = SimpleITK.GetImageFromArray(labels)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(grid.direction.ravel().tolist())
    SimpleITK.WriteImage(image, str(target), useCompression=True)
