"""One case: read it, check it, write its labels. The only place where axes are converted.

Inside the program every array is (z, y, x) and `spacing_mm` has the same order; NIfTI (x, y, z
through nibabel) and MetaImage ((x, y, z) sizes, (z, y, x) arrays through SimpleITK) end here.
"""

import gzip
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK

from challenge.headers import (
    NIFTI_ERRORS,
    CaseError,
    check_header,
    check_headers,
    declared_geometry,
    is_nifti,
    itk_name,
    last_line,
    open_nifti,
)
from challenge.place import place

# Affine entries of modalities that share a grid differ by float32 rounding at most.
SAME_GRID_TOLERANCE = 1e-3
# A scan has hundreds of grey levels; a label map of any challenge has fewer than this.
MOST_LABEL_VALUES = 12


@dataclass(frozen=True)
class CaseFiles:
    """Where one case comes from and where its labels go."""

    id: str
    images: Mapping[str, Path]  # sequence name -> file
    geometry_from: str  # the sequence whose geometry the output copies
    output: Path  # relative to the output folder
    scheme: str | None = None  # the challenge that the case's name or folder speaks of
    absent: tuple[str, ...] = ()  # sequences that were not handed in; read as zeros


@dataclass(frozen=True)
class Case:
    """One case in memory: images by sequence name, each (z, y, x) float32."""

    id: str
    images: Mapping[str, np.ndarray]
    spacing_mm: tuple[float, float, float]

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel."""
        return float(np.prod(self.spacing_mm))


@dataclass(frozen=True)
class Volume:
    """An array (z, y, x) and the geometry that its file declares."""

    array: np.ndarray
    spacing_mm: tuple[float, float, float]
    geometry: np.ndarray  # what must be equal between files on one grid


def read_case(files: CaseFiles) -> Case:
    """Read every image of a case and check that it can be trusted.

    Raises:
        CaseError: an image is unreadable, not 3-D, not finite, constant, a label map, or on
            another grid than the one whose geometry the output takes.
    """
    check_headers(files.images)
    with ThreadPoolExecutor(len(files.images)) as pool:  # decompression runs beside itself
        volumes = dict(zip(files.images, pool.map(read_scan, files.images.values()), strict=True))
    anchor = volumes[files.geometry_from]
    for sequence, volume in volumes.items():
        check_same_grid(volume, anchor, files.images[sequence], files.images[files.geometry_from])
    images = {sequence: volume.array for sequence, volume in volumes.items()}
    images |= {sequence: np.zeros_like(anchor.array) for sequence in files.absent}
    return Case(files.id, images, anchor.spacing_mm)


def read_scan(path: Path) -> Volume:
    """Read one scan, (z, y, x) float32, and refuse what cannot be one."""
    volume = read_volume(path, np.float32)
    array = volume.array
    if not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise CaseError(f"{path}: {bad} voxels are NaN or infinite")
    low, high = float(array.min()), float(array.max())
    if low == high:
        raise CaseError(f"{path}: constant image, every voxel is {low:g}")
    if low >= 0 and high < 256 and (values := np.unique(array)).size <= MOST_LABEL_VALUES:
        listed = ", ".join(f"{value:g}" for value in values)
        raise CaseError(f"{path}: looks like a label map, not a scan (values {listed})")
    return volume


def read_volume(path: Path, dtype: type | None) -> Volume:
    """Read one NIfTI or MetaImage file as (z, y, x); with `dtype` None, in the file's own type."""
    check_header(path)
    return _read_nifti(path, dtype) if is_nifti(path) else _read_metaimage(path, dtype)


def check_same_grid(volume: Volume, anchor: Volume, path: Path, anchor_path: Path) -> None:
    """Raise CaseError unless two volumes have the same shape and geometry."""
    if volume.array.shape != anchor.array.shape:
        raise CaseError(
            f"{path}: size {volume.array.shape[::-1]} differs from "
            f"{anchor.array.shape[::-1]} of {anchor_path.name}"
        )
    if volume.geometry.shape != anchor.geometry.shape:
        raise CaseError(f"{path}: of another format than {anchor_path.name}, so grids are not told")
    difference = float(np.abs(volume.geometry - anchor.geometry).max())
    if not difference <= SAME_GRID_TOLERANCE:
        raise CaseError(
            f"{path}: not on the grid of {anchor_path.name} (geometry differs by {difference:.3g})"
        )


def write_labels(labels: np.ndarray, files: CaseFiles, output: Path) -> Path:
    """Write a label map (z, y, x) with the geometry of the case's own scan, checked and at once.

    No other program ever meets a half-written or wrong file, and a killed one leaves none.

    Raises:
        CaseError: the file cannot be written, or does not read back as it should.
    """
    source, target = files.images[files.geometry_from], output / files.output
    labels = np.ascontiguousarray(labels, dtype=np.uint8)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _stage(target) as folder:
            staged = Path(folder, f"labels{''.join(target.suffixes[-2:])}")
            (_write_nifti if is_nifti(source) else _write_metaimage)(labels, source, staged)
            _check_written(staged, target, labels, source)
            content = staged.read_bytes()
        place(content, target)
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


def _read_nifti(path: Path, dtype: type | None) -> Volume:
    try:
        image = open_nifti(path)
        array: np.ndarray = np.asanyarray(image.dataobj)
    except NIFTI_ERRORS as error:
        raise CaseError(f"{path}: cannot be read as NIfTI ({last_line(error)})") from error
    z, y, x = (float(mm) for mm in image.header.get_zooms()[::-1])
    array = np.ascontiguousarray(_as(array, dtype).transpose(2, 1, 0))
    return Volume(array, (z, y, x), image.affine)


def _write_nifti(labels: np.ndarray, source: Path, target: Path) -> None:
    scan = open_nifti(source)
    header = scan.header.copy()
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(1, 0)
    header["cal_min"] = header["cal_max"] = 0
    # affine=None keeps qform, sform and their codes exactly as the scan's header has them
    image = type(scan)(labels.transpose(2, 1, 0), None, header)
    target.write_bytes(gzip.compress(image.to_bytes(), compresslevel=5, mtime=0))


def _read_metaimage(path: Path, dtype: type | None) -> Volume:
    try:
        image = SimpleITK.ReadImage(itk_name(path))
    except RuntimeError as error:
        raise CaseError(f"{path}: cannot be read as MetaImage ({last_line(error)})") from error
    array = _as(SimpleITK.GetArrayFromImage(image), dtype)
    geometry = np.array([*image.GetSpacing(), *image.GetOrigin(), *image.GetDirection()])
    x, y, z = image.GetSpacing()
    return Volume(array, (z, y, x), geometry)


def _write_metaimage(labels: np.ndarray, source: Path, target: Path) -> None:
    image = SimpleITK.GetImageFromArray(labels)
    image.CopyInformation(SimpleITK.ReadImage(str(source)))
    SimpleITK.WriteImage(image, str(target), useCompression=True)


def _as(array: np.ndarray, dtype: type | None) -> np.ndarray:
    return array if dtype is None else array.astype(dtype, copy=False)
