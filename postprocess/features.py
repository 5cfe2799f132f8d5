"""Radiomic features of one tumour, by name: the one PyRadiomics seam.

14 shape features and 93 a sequence (van Griethuysen et al., Cancer Research 2017), from the
largest 26-connected component of the tumour. PyRadiomics spends most of its time on whole volumes,
on diagnostics and on the same shape again for every sequence; here each image is normalised
whole, cropped once to the tumour's box, described without diagnostics, and shape is computed
once. The values are those of the plain extractor.
"""

import hashlib
import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import SimpleITK

from challenge.box import Box, bounding_box
from challenge.case import Case

from .components import largest_component
from .feature_names import INTENSITY, SHAPE

EXTRACTOR = "pyradiomics"  # the distribution whose version an artefact names

# Z-scores are multiplied by 100 and binned by 5, or texture would be computed on one or two grey
# levels (PyRadiomics' own advice); outliers end at 10 deviations, or one hot voxel would make
# grey level matrices of any size.
DEFAULT_SETTINGS: Mapping[str, Any] = {
    "normalize": True,
    "normalizeScale": 100,
    "removeOutliers": 10,
    "binWidth": 5,
}
# Settings that mean here what they mean in PyRadiomics; all others are refused.
KNOWN_SETTINGS = frozenset(DEFAULT_SETTINGS) | {
    "binCount",
    "distances",
    "gldm_a",
    "symmetricalGLCM",
    "voxelArrayShift",
    "weightingNorm",
}


class FeatureError(ValueError):
    """A mask has no features; the message says why in plain words."""


class _Quiet:
    """How many cases are being described now, and the level of PyRadiomics' logger before."""

    lock = threading.Lock()
    cases = 0
    level = logging.NOTSET


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Return the sha256 of extractor settings, whatever their order."""
    return hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode()).hexdigest()


def radiomic_features(
    case: Case, tumour: np.ndarray, names: Sequence[str], settings: Mapping[str, Any]
) -> np.ndarray:
    """Describe the largest component of a tumour mask.

    Args:
        case: images by sequence, each (z, y, x), and spacing in mm.
        tumour: bool mask (z, y, x).
        names: which radiomic features, in which order; see `feature_names`.
        settings: PyRadiomics settings, of KNOWN_SETTINGS only.

    Returns:
        One value a name, float64, all finite.

    Raises:
        FeatureError: the mask is empty, one voxel or flat, an image that a feature needs is
            missing, was not handed in (`case.missing_sequences`) or is constant, PyRadiomics cannot
            describe it, or a feature is not finite.
    """
    component = largest_component(tumour)
    check_describable(component)
    described = {name.split("_")[0] for name in names}
    # A missing sequence is an image of zeros.
    available = set(case.images) - set(case.missing_sequences)
    if missing := sorted(described - {"shape", *available}):
        raise FeatureError(f"no image of sequence {', '.join(missing)}")
    needed = {s: image for s, image in case.images.items() if s in described}
    values = describe(replace(case, images=needed), component, settings)
    bad = [name for name in names if not np.isfinite(values[name])]
    if bad:
        raise FeatureError(f"{len(bad)} features are not finite, the first is {bad[0]}")
    return np.array([values[name] for name in names], np.float64)


def check_describable(mask: np.ndarray) -> None:
    """Raise FeatureError unless a mask (z, y, x) extends in all three directions."""
    box = bounding_box(mask)
    if box is None:
        raise FeatureError("the tumour is empty")
    if np.count_nonzero(mask) == 1:
        raise FeatureError("the tumour is a single voxel")
    extent = [side.stop - side.start for side in box]
    if min(extent) == 1:
        raise FeatureError(f"the tumour is flat, {'x'.join(map(str, extent))} voxels (z, y, x)")


def describe(case: Case, mask: np.ndarray, settings: Mapping[str, Any]) -> dict[str, float]:
    """Compute every feature of a bool mask (z, y, x), by name.

    Raises:
        FeatureError: an image is constant, or PyRadiomics fails; the message says at which one.
        ValueError: an image has another shape than the mask, which is a bug of the program.
    """
    for sequence, array in case.images.items():
        if array.shape != mask.shape:
            raise ValueError(f"{case.id}: {sequence} {array.shape}, the mask {mask.shape}")
    box = bounding_box(mask)
    if box is None:
        raise FeatureError("the tumour is empty")
    mask_crop = _image(mask[box].astype(np.uint8), case.spacing_mm)
    with _quiet_radiomics():
        from radiomics.featureextractor import RadiomicsFeatureExtractor

        extractor = RadiomicsFeatureExtractor(**{**settings, "additionalInfo": False})
        extractor.enabledFeatures = {"shape": SHAPE}
        bounds = np.array([edge for size in mask_crop.GetSize() for edge in (0, size - 1)])
        with _failures_of("the tumour's shape"):
            values = extractor.computeShape(mask_crop, mask_crop, bounds, **extractor.settings)
        extractor.enabledFeatures = INTENSITY
        for sequence, array in case.images.items():
            check_varies(array, box, sequence)
            crop = _image(_normalised(array, box, settings), case.spacing_mm)
            with _failures_of(f"sequence {sequence}"):
                values |= extractor.computeFeatures(crop, mask_crop, sequence, **extractor.settings)
    return {name.removeprefix("original_"): float(value) for name, value in values.items()}


def check_varies(array: np.ndarray, box: Box, sequence: str) -> None:
    """Raise FeatureError for a constant image (z, y, x): no z-scores, or numbers of no meaning."""
    first = array[box].flat[0]
    if (array[box] == first).all() and (array == first).all():  # the box alone is quick to read
        raise FeatureError(f"the image of sequence {sequence} is constant, every voxel {first:g}")


def _image(array: np.ndarray, spacing_mm: tuple[float, float, float]) -> SimpleITK.Image:
    """Make a SimpleITK image of an array (z, y, x)."""
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(spacing_mm[::-1])
    return image


def _normalised(array: np.ndarray, box: Box, settings: Mapping[str, Any]) -> np.ndarray:
    """Normalise an image (z, y, x) as PyRadiomics would, and return the part inside the box.

    Mean and deviation are of the whole image; what follows is voxel by voxel, so the box will do.
    """
    if not settings.get("normalize", False):
        return array[box]
    z_scores = SimpleITK.Normalize(SimpleITK.GetImageFromArray(array))
    crop = SimpleITK.GetArrayViewFromImage(z_scores)[box].copy()
    if settings.get("removeOutliers") is not None:
        crop = crop.clip(-settings["removeOutliers"], settings["removeOutliers"])
    return crop * settings.get("normalizeScale", 1)


@contextmanager
def _failures_of(described: str) -> Iterator[None]:
    """Turn whatever PyRadiomics raises into FeatureError.

    It raises ValueError for what cannot be binned, MemoryError for too many grey levels, and what
    numpy and its own C code raise, all undocumented.
    """
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or "no reason given"
        name = type(error).__name__.lstrip("_")
        raise FeatureError(f"PyRadiomics cannot describe {described} ({name}: {reason})") from error


@contextmanager
def _quiet_radiomics() -> Iterator[None]:
    """Keep PyRadiomics' log lines out of ours; the failures they tell of end as FeatureError.

    Cases may be described side by side: the first one silences, the last one gives the level back.
    """
    import radiomics  # its import sets its logger up, which must come before the level is read

    with _Quiet.lock:
        if _Quiet.cases == 0:
            _Quiet.level = radiomics.logger.level
            radiomics.logger.setLevel(logging.CRITICAL + 1)
        _Quiet.cases += 1
    try:
        yield
    finally:
        with _Quiet.lock:
            _Quiet.cases -= 1
            if _Quiet.cases == 0:
                radiomics.logger.setLevel(_Quiet.level)
