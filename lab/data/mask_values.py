"""A case's label map as read: on its image's grid, in the values that the layout names."""

from pathlib import Path

import numpy as np

from challenge.case import Volume, check_same_grid, read_volume
from challenge.headers import CaseError
from lab.data.itk_images import read_image
from lab.data.raw_folders import RawCase
from lab.data.sources import Layout

# Label files that went through floats hold 0.9999999; what is further off is no label.
ROUNDING = 1e-3
MOST_VALUES = 6  # listed in a sentence
LEAST_LEFT = 0.5  # share of a mask's volume that has to lie inside of its image


def labels_on_grid(
    case: RawCase, image: Volume, layout: Layout
) -> tuple[np.ndarray, tuple[str, ...], bool]:
    """Read the labels of a case on its image's grid.

    Returns:
        Labels (z, y, x) in their file's values and type; what was changed in them, in words; and
        whether they were resampled.

    Raises:
        CaseError: they lie on another grid, and the layout resamples none or hardly any of the mask
            lies inside of the image.
    """
    volume = read_volume(case.labels, None)
    try:
        check_same_grid(volume, image, case.labels, case.images[0])
    except CaseError as differs:
        if not layout.row.resamples_masks:
            raise
        resampled, volumes = _resampled(case.labels, case.images[0])
        return resampled, (f"{differs}; resampled by nearest neighbour, {volumes}",), True
    return volume.array, (), False


def _resampled(labels: Path, image: Path) -> tuple[np.ndarray, str]:
    """Return labels (z, y, x) by nearest neighbour on an image's grid, and both volumes in words.

    Raises:
        CaseError: less than half of what is labelled lies inside of the image.
    """
    import SimpleITK as sitk

    mask, grid = read_image(labels), read_image(image)
    if mask.GetPixelID() in (sitk.sitkInt64, sitk.sitkUInt64):
        mask = sitk.Cast(mask, sitk.sitkInt32)  # SimpleITK resamples no wider ones
    on_grid = sitk.Resample(mask, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    before, after = (
        float(np.count_nonzero(sitk.GetArrayViewFromImage(each)) * np.prod(each.GetSpacing()))
        for each in (mask, on_grid)
    )
    if after < LEAST_LEFT * before:
        raise CaseError(
            f"{labels}: {after / 1000:.2f} of {before / 1000:.2f} mL that it labels lie inside of "
            f"{image.name}"
        )
    array = sitk.GetArrayFromImage(on_grid)
    return array, f"{before / 1000:.2f} mL became {after / 1000:.2f} mL"


def label_values(
    array: np.ndarray, path: Path, layout: Layout
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return labels (z, y, x) as uint8 in the source's values, and a note where they were changed.

    Raises:
        CaseError: a value that the layout does not name.
    """
    values = np.unique(array)
    known = [0, *layout.labels]
    whole = np.rint(values)
    near = np.isin(whole, known) & np.isclose(values, whole, rtol=0, atol=ROUNDING)
    label = layout.row.positive_label
    if label and (values >= 0).all():  # not NaN either
        value = next(v for v, name in layout.labels.items() if name == label)
        others = values[~near]
        note = f"{path}: values {_listed(others)} taken for {label}, as all above 0"
        mask = np.where(array > ROUNDING, value, 0).astype(np.uint8)
        return mask, (note,) if others.size else ()
    if not near.all():
        odd = _listed(values[~near])
        raise CaseError(f"{path}: values {odd} are not named by {layout.describe_values()}")
    inexact = values[values != whole]
    notes = (f"{path}: {inexact[0]!s} taken for {np.rint(inexact[0]):g}",) if inexact.size else ()
    return np.rint(array).astype(np.uint8), notes


def _listed(values: np.ndarray) -> str:
    more = ", ..." if values.size > MOST_VALUES else ""
    return ", ".join(f"{value:g}" for value in values[:MOST_VALUES]) + more
