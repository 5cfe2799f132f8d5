"""One case: read it, check it, write its labels. The only place where axes are converted.

Inside the program every array is (z, y, x) and `spacing_mm` has the same order; NIfTI (x, y, z
through nibabel) and MetaImage ((x, y, z) sizes, (z, y, x) arrays through SimpleITK) end here.
"""

import gzip
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK

# Affine entries of modalities that share a grid differ by float32 rounding at most.
SAME_GRID_TOLERANCE = 1e-3
# Header fields that, with size and spacing, place a NIfTI volume in space.
NIFTI_PLACE = (
    "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y",
    "qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units",
)  # fmt: skip
NIFTI_ERRORS = (OSError, EOFError, ValueError, zlib.error, nibabel.filebasedimages.ImageFileError)
# A scan has hundreds of grey levels; a label map of any challenge has fewer than this.
MOST_LABEL_VALUES = 12


class CaseError(ValueError):
    """One case cannot be read, predicted or written; the message names the file and the value."""


@dataclass(frozen=True)
class CaseFiles:
    """Where one case comes from and where its labels go."""

    id: str
    images: Mapping[str, Path]  # sequence name -> file
    geometry_from: str  # the sequence whose geometry the output copies
    output: Path  # relative to the output folder
    scheme: str | None = None  # the challenge that the case's name or folder speaks of


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
    with ThreadPoolExecutor(len(files.images)) as pool:  # decompression runs beside itself
        volumes = dict(zip(files.images, pool.map(read_scan, files.images.values()), strict=True))
    anchor = volumes[files.geometry_from]
    for sequence, volume in volumes.items():
        check_same_grid(volume, anchor, files.images[sequence], files.images[files.geometry_from])
    return Case(files.id, {s: v.array for s, v in volumes.items()}, anchor.spacing_mm)


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
    if not path.is_file():
        raise CaseError(f"{path}: no such file")
    return _read_nifti(path, dtype) if _is_nifti(path) else _read_metaimage(path, dtype)


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

    The file is written beside its place under a hidden name, read back and compared, and only
    then renamed, so that no other program ever meets a half-written or wrong file.

    Raises:
        CaseError: the file cannot be written, or does not read back as it should.
    """
    source, target = files.images[files.geometry_from], output / files.output
    partial = target.with_name(f".partial-{target.name}")
    labels = np.ascontiguousarray(labels, dtype=np.uint8)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        (_write_nifti if _is_nifti(source) else _write_metaimage)(labels, source, partial)
        _check_written(partial, labels, source)
        partial.replace(target)
    except (OSError, RuntimeError) as error:
        raise CaseError(f"{target}: cannot be written ({_last_line(error)})") from error
    finally:
        partial.unlink(missing_ok=True)
    return target


def _check_written(path: Path, labels: np.ndarray, source: Path) -> None:
    if declared_geometry(path) != declared_geometry(source):
        raise CaseError(f"{path}: geometry is not bit for bit that of {source}")
    if not np.array_equal(read_volume(path, np.uint8).array, labels):
        raise CaseError(f"{path}: labels do not read back as they were written")


def declared_geometry(path: Path) -> tuple[object, ...]:
    """Return all that a file's header says about where its voxels lie, to be compared exactly."""
    if not _is_nifti(path):
        image = SimpleITK.ImageFileReader()
        image.SetFileName(str(path))
        image.ReadImageInformation()
        return (image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    header = _open_nifti(path).header
    sizes = (header["dim"][:4].tobytes(), header["pixdim"][:4].tobytes())
    return sizes + tuple(header[name].tobytes() for name in NIFTI_PLACE)


def _is_nifti(path: Path) -> bool:
    return path.name.endswith((".nii.gz", ".nii"))


def _open_nifti(path: Path) -> nibabel.Nifti1Image:
    """Open a NIfTI-1 or NIfTI-2 file (the latter's class is a child of the former's)."""
    image = nibabel.load(path)
    if not isinstance(image, nibabel.Nifti1Image):
        raise CaseError(f"{path}: {type(image).__name__}, not NIfTI")
    return image


def _read_nifti(path: Path, dtype: type | None) -> Volume:
    try:
        image = _open_nifti(path)
        if len(image.shape) != 3:
            raise CaseError(f"{path}: {len(image.shape)}-D image of size {image.shape}, not 3-D")
        if image.get_data_dtype().fields is not None:
            raise CaseError(f"{path}: colour image, not a scan")
        array: np.ndarray = np.asanyarray(image.dataobj)
    except CaseError:
        raise
    except NIFTI_ERRORS as error:
        raise CaseError(f"{path}: cannot be read as NIfTI ({_last_line(error)})") from error
    z, y, x = (float(mm) for mm in image.header.get_zooms()[::-1])
    array = np.ascontiguousarray(_as(array, dtype).transpose(2, 1, 0))
    return Volume(array, (z, y, x), image.affine)


def _write_nifti(labels: np.ndarray, source: Path, target: Path) -> None:
    scan = _open_nifti(source)
    header = scan.header.copy()
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(1, 0)
    header["cal_min"] = header["cal_max"] = 0
    # affine=None keeps qform, sform and their codes exactly as the scan's header has them
    image = type(scan)(labels.transpose(2, 1, 0), None, header)
    target.write_bytes(gzip.compress(image.to_bytes(), compresslevel=5, mtime=0))


def _read_metaimage(path: Path, dtype: type | None) -> Volume:
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise CaseError(f"{path}: cannot be read as MetaImage ({_last_line(error)})") from error
    if image.GetDimension() != 3:
        raise CaseError(
            f"{path}: {image.GetDimension()}-D image of size {image.GetSize()}, not 3-D"
        )
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise CaseError(f"{path}: colour or vector image, not a scan")
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


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
