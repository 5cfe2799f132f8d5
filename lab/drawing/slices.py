"""Slices of a case side by side, as pixels: radiological view, the front up."""

from collections.abc import Mapping
from pathlib import Path

import nibabel
import numpy as np
from scipy.ndimage import binary_erosion, zoom

from challenge.headers import CaseError, check_header, last_line
from lab.data.nibabel_images import NIFTI_ERRORS

MARGIN = 3  # voxels around the head
LIGHTEST = (1.0, 99.7)  # percentiles of the voxels that are not 0: black and white
FILL = 0.45  # how much of a label's colour covers the picture


def read_turned(path: Path) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Read a NIfTI file as (z, y, x) with rows to the back and columns to the patient's left.

    Returns:
        The array, and spacing (z, y, x) in mm.

    Raises:
        CaseError: it is missing, damaged, or no volume.
    """
    check_header(path)
    try:
        image = nibabel.funcs.as_closest_canonical(nibabel.nifti1.load(path))
        array = np.asarray(image.dataobj)
    except NIFTI_ERRORS as error:
        raise CaseError(f"{path}: cannot be read as NIfTI ({last_line(error)})") from error
    x_mm, y_mm, z_mm = (float(side) for side in image.header.get_zooms()[:3])
    return array.T[:, ::-1, ::-1], (z_mm, y_mm, x_mm)


def frame(pictures: Mapping[str, np.ndarray]) -> tuple[slice, slice]:
    """Return the rows and columns where any picture (y, x) is not 0, with a margin."""
    inside = np.any([picture != 0 for picture in pictures.values()], axis=0)
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    if not len(rows):
        return slice(None), slice(None)
    y, x = (slice(max(0, int(i[0]) - MARGIN), int(i[-1]) + 1 + MARGIN) for i in (rows, columns))
    return y, x


def square(
    picture: np.ndarray, y_mm: float, x_mm: float, height: int, order: int = 1
) -> np.ndarray:
    """Bring a slice (y, x) to so many pixels of height, each as wide as high."""
    factor = height / (picture.shape[0] * y_mm)
    resized: np.ndarray = zoom(picture, (factor * y_mm, factor * x_mm), order=order)
    return resized


def grey(picture: np.ndarray) -> np.ndarray:
    """Return a slice as grey levels, uint8."""
    inside = picture[picture != 0]
    low, high = np.percentile(inside, LIGHTEST) if inside.size else (0, 1)
    scaled = np.clip((picture - low) / max(high - low, 1e-6), 0, 1) * (picture != 0)
    return np.asarray(scaled * 255, np.uint8)


def painted(
    pixels: np.ndarray,
    labels: np.ndarray,
    values: Mapping[str, int],
    colours: Mapping[str, str],
    fill: bool = False,
) -> np.ndarray:
    """Draw labels (y, x) on grey or coloured pixels, as outlines or filled; return RGB."""
    rgb = (np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels).astype(np.float32)
    for name, value in values.items():
        mask = labels == value
        colour = np.array([int(colours[name][at : at + 2], 16) for at in (1, 3, 5)], np.float32)
        if fill:
            rgb[mask] = (1 - FILL) * rgb[mask] + FILL * colour
        rgb[edge_of(mask)] = colour
    return rgb.astype(np.uint8)


def edge_of(mask: np.ndarray) -> np.ndarray:
    """Return the pixels of a mask (y, x) that touch what is outside of it."""
    edge: np.ndarray = mask & ~binary_erosion(mask)
    return edge
