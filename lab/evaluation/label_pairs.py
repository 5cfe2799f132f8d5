"""Read a prediction and its reference as a scorer sees them, and say what is wrong with them."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK

from challenge.case import CaseError
from challenge.headers import MOST_BYTES, last_line
from challenge.inflate import is_plain_gz
from challenge.nifti import read_header, stated_affine
from challenge.scheme import Scheme
from challenge.volume import Volume, read_volume
from lab.data.itk_images import itk_name
from lab.evaluation.results import UNWRITTEN, Problem
from lab.metrics.pair import Pair
from lab.metrics.scorer import Scorer

SIGNED_TOLERANCE = 1e-5  # BraTS 2026, on sums of signed differences
SPACING_TOLERANCE_MM = 1e-4  # PANTHER
MOST_VALUES_LISTED = 5
Geometry = dict[str, np.ndarray]  # spacing and origin in mm, direction; axes (x, y, z) towards LPS


class Unscored(ValueError):
    """A pair that the scorer cannot score; the message names the file and the value."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Labels:
    """One file's labels (z, y, x): uint8 if that loses nothing, else float64."""

    path: Path
    array: np.ndarray
    volume: Volume
    damage: str  # what gzip says of the file's end, which readers of volumes do not reach


def read_pair(
    id: str, paths: tuple[Path | None, Path], scorer: Scorer, scheme: Scheme
) -> tuple[Pair, list[Problem]]:
    """Read (prediction, reference); a prediction that is None is empty.

    Returns the pair, and problems that the scorer does not mind.

    Raises:
        Unscored: a file is unreadable, or the scorer refuses the pair's grids or labels.
    """
    reference = read_labels(paths[1])
    prediction = reference if paths[0] is None else read_labels(paths[0])
    faults = [*_damages(prediction, reference)]
    array = prediction.array
    if paths[0] is None:
        array = np.zeros(reference.array.shape, np.uint8)
        if scorer.missing == "empty":  # else the platform opens no file of the case
            _refuse_what_the_platform_refuses([reference], scorer)
    else:
        faults += _grid_faults(prediction, reference, scorer)
        faults += _label_faults(prediction, reference, scorer, scheme)
    problems = [Problem(id, kind, text, scored=True) for kind, text in faults]
    return Pair(array, reference.array, _spacing_mm(prediction, scorer)), problems


def read_labels(path: Path) -> Labels:
    """Read one label map in its own type.

    Raises:
        Unscored: the file cannot be read, whatever it is.
    """
    try:
        if not path.is_file():
            raise CaseError(f"{path}: {_what_is_there(path)}, not a file")
        volume = read_volume(path, None)
    except CaseError as error:
        raise Unscored("unreadable", str(error)) from error
    except Exception as error:  # one file never ends an evaluation
        text = f"{path}: cannot be read ({type(error).__name__}: {last_line(error)})"
        raise Unscored("unreadable", text) from error
    array = volume.array
    if array.dtype != np.uint8:
        small = array.astype(np.uint8) if array.dtype.kind != "f" else _rounded(array)
        array = small if np.array_equal(small, array) else array.astype(np.float64)
    return Labels(path, array, volume, _damage(path))


def _what_is_there(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere"
    return "a folder" if path.is_dir() else "a pipe, a device or nothing"


def _damage(path: Path) -> str:
    """Return what is wrong with the end of a gzip file: its checksum, or bytes behind it."""
    if not path.name.endswith(".gz"):
        return ""
    try:
        with gzip.open(path) as stream:
            while stream.tell() < MOST_BYTES and stream.read(2**20):
                pass
    except (OSError, EOFError, zlib.error) as error:
        return last_line(error)
    return ""


def _damages(prediction: Labels, reference: Labels) -> Iterator[tuple[str, str]]:
    for labels in (prediction, reference) if prediction is not reference else (reference,):
        if labels.damage:
            text = f"{labels.path}: does not end as gzip does, its voxels may be wrong"
            yield "damaged", f"{text} ({labels.damage})"


def _rounded(array: np.ndarray) -> np.ndarray:
    """Return floats as uint8, whatever becomes of those that are no small integers."""
    with np.errstate(invalid="ignore"):
        rounded: np.ndarray = array.astype(np.uint8)
    return rounded


def _spacing_mm(labels: Labels, scorer: Scorer) -> tuple[float, float, float]:
    """Return what the scorer takes for the spacing: the header's, or that of the affine."""
    if scorer.spacing_from == "header" or labels.path.name.endswith(".mha"):
        return labels.volume.spacing_mm
    axes = stated_affine(read_header(labels.path))[:3, :3]
    x, y, z = map(float, np.linalg.norm(axes, axis=0).astype(np.float32))
    return z, y, x


def _grid_faults(
    prediction: Labels, reference: Labels, scorer: Scorer
) -> Iterator[tuple[str, str]]:
    """Yield differences of geometry that the scorer does not look at; raise on those it minds."""
    sizes = [labels.array.shape[::-1] for labels in (prediction, reference)]
    if sizes[0] != sizes[1]:
        raise Unscored("shape", f"{prediction.path}: size {sizes[0]}, reference {sizes[1]}")
    _refuse_what_the_platform_refuses([prediction, reference], scorer)
    ours, theirs = prediction.volume.geometry, reference.volume.geometry
    if ours.shape == theirs.shape and np.array_equal(ours, theirs):
        return
    geometries = _geometries([prediction, reference])
    for name in ("spacing", "origin", "direction"):
        first, second = geometries[0][name], geometries[1][name]
        if np.array_equal(first, second):
            continue
        text = f"{prediction.path}: {name} {_listed(first)}, reference {_listed(second)}"
        if scorer.grid == "all" and float((first - second).sum()) > SIGNED_TOLERANCE:
            raise Unscored("geometry", text)
        too_far = float(np.abs(first - second).max()) > SPACING_TOLERANCE_MM
        if scorer.grid == "spacing" and name == "spacing" and too_far:
            raise Unscored("geometry", text)
        if too_far:
            yield "geometry", text


def _label_faults(
    prediction: Labels, reference: Labels, scorer: Scorer, scheme: Scheme
) -> Iterator[tuple[str, str]]:
    """Yield files with values that are no label of the scheme; raise where the scorer refuses."""
    for labels in (prediction, reference):
        declared = [0, *scheme.labels.values()]
        if scorer.binary and labels is prediction:
            declared = [0, 1]
        values, counts = _values(labels.array)
        odd = ~np.isin(values, declared)
        if not odd.any():
            continue
        listed = [
            f"{value:g} ({count} voxels)"
            for value, count in zip(values[odd], counts[odd], strict=True)
        ]
        more = len(listed) - MOST_VALUES_LISTED
        rest = f" and {more} more values" if more > 0 else ""
        is_declared = bool(np.isin(values[odd], list(scheme.labels.values())).all())
        what = "labels that are not written in" if is_declared else "not labels of"
        text = f"{labels.path}: {what} {scheme.name}: "
        text += ", ".join(listed[:MOST_VALUES_LISTED]) + rest
        # PANTHER takes a prediction of one value, whatever it is, and looks at no reference.
        tolerated = scorer.binary and (labels is reference or np.count_nonzero(values) == 1)
        if scorer.strict_labels and not tolerated:
            raise Unscored("labels", text)
        yield UNWRITTEN if is_declared else "labels", text


def _values(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if array.dtype == np.uint8:
        counts = np.bincount(array.ravel(), minlength=256)
        values = np.flatnonzero(counts)
        return values, counts[values]
    return np.unique(array, return_counts=True)


def _refuse_what_the_platform_refuses(both: list[Labels], scorer: Scorer) -> None:
    """Raise on a file that the library cannot open with which the platform's program reads."""
    for path in (labels.path for labels in both):
        reason = ""
        if scorer.reads_with == "SimpleITK":
            try:
                _itk_geometry(path)
            except (RuntimeError, CaseError) as error:
                reason = last_line(error).removeprefix(f"{path}: ")
        elif scorer.reads_with == "nibabel" and is_plain_gz(path):
            reason = "not compressed, though its name says so"
        if reason:
            library = f"{scorer.name} reads with {scorer.reads_with}, which refuses it"
            raise Unscored("unreadable", f"{path}: {library} ({reason})")


def _geometries(both: list[Labels]) -> list[Geometry]:
    """Return where voxels lie as SimpleITK reads it, or all by their affines if it refuses any.

    It refuses NIfTI-2 and axes that are not at right angles, which nibabel reads.
    """
    try:
        return [_itk_geometry(labels.path) for labels in both]
    except (RuntimeError, CaseError):
        return [_affine_geometry(labels) for labels in both]


def _itk_geometry(path: Path) -> Geometry:
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(itk_name(path))
    reader.ReadImageInformation()
    read = {
        "spacing": reader.GetSpacing(),
        "origin": reader.GetOrigin(),
        "direction": reader.GetDirection(),
    }
    return {name: np.array(values) for name, values in read.items()}


def _affine_geometry(labels: Labels) -> Geometry:
    geometry = labels.volume.geometry
    spacing = np.linalg.norm(geometry[:3, :3], axis=0)
    direction = (geometry[:3, :3] / spacing).ravel()
    return {"spacing": spacing, "origin": geometry[:3, 3], "direction": direction}


def _listed(values: np.ndarray) -> str:
    rounded = [f"{value:.6g}" for value in values + 0.0]  # -0 becomes 0
    return f"({', '.join(rounded)})"
