"""Read a label map of any model, with its images and probabilities, into the input of `refine`.

Every file is checked: labels against the scheme, images against the labels' grid, probabilities
against both. Arrays are (z, y, x).
"""

import logging
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from challenge.case import Case, CaseError
from challenge.scheme import Head, Scheme, labels_from
from challenge.volume import Volume, check_same_grid, read_scan, read_volume

from .find_label_maps import LabelMap
from .refine_input import RefineInput

log = logging.getLogger(__name__)

ARCHIVE_KEYS = ("probabilities", "softmax")  # nnU-Net's second version, and its first
ARCHIVE_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    RuntimeError,
    zlib.error,
    zipfile.BadZipFile,
)
LEAST_REGIONS = 3  # of a challenge's training regions, where a network was trained on fewer
# Half precision rounds 1 by less than this, in each of a few channels.
ROUNDING = 0.02
HALF = 0.5


def read_case(label_map: LabelMap, scheme: Scheme) -> RefineInput:
    """Read one case.

    Raises:
        CaseError: a file is unreadable, or is not what its name says; the message names it.
    """
    volume = read_labels(label_map.path, scheme)
    images, remarks = {}, list(volume.remarks)
    for sequence, path in label_map.images.items():
        scan = read_scan(path)
        remarks += [*scan.remarks, *check_same_grid(scan, volume, path, label_map.path)]
        images[sequence] = scan.array
    case = Case(
        label_map.id,
        images,
        volume.spacing_mm,
        orientation=volume.orientation,
        remarks=tuple(remarks),
        source=label_map.path,
    )
    if label_map.probabilities is None:
        return RefineInput(case, volume.array, scheme)
    probabilities, head = read_probabilities(label_map.probabilities, volume.array.shape, scheme)
    refine_input = RefineInput(case, volume.array, scheme, probabilities, head)
    _warn_of_disagreement(refine_input, label_map.probabilities)
    return refine_input


def read_labels(path: Path, scheme: Scheme) -> Volume:
    """Read a label map as uint8 in the scheme's values, and refuse any other value."""
    volume = read_volume(path, None)
    stored = volume.array
    if stored.dtype.kind not in "iuf":
        raise CaseError(f"{path}: {stored.dtype} values are no labels")
    with np.errstate(invalid="ignore"):  # NaN and what is too large turn into another value
        labels = stored.astype(np.uint8)
    known = np.zeros(256, bool)
    known[[0, *scheme.labels.values()]] = True
    wrong = (labels != stored) | ~known[labels]
    if wrong.any():
        listed = ", ".join(f"{value} {name}" for name, value in scheme.labels.items())
        value = stored[wrong][0].item()
        raise CaseError(f"{path}: value {value} is no label of {scheme.name} (0, {listed})")
    return replace(volume, array=labels)


def read_probabilities(
    path: Path, shape: tuple[int, ...], scheme: Scheme
) -> tuple[np.ndarray, Head]:
    """Read an npz of probabilities (channel, z, y, x) float32, and what its channels mean."""
    key, array = _read_archive(path)
    if array.ndim != 4 or array.shape[1:] != shape:
        raise CaseError(f"{path}: {key} of shape {array.shape}, not (channel, z, y, x) of {shape}")
    head = head_of(len(array), scheme)
    if head is None:
        expected = f"{1 + len(scheme.labels)} (background and labels)"
        for rows in _region_orders(scheme):
            expected += f" or {len(rows)} ({', '.join(region for region, _ in rows)})"
        raise CaseError(
            f"{path}: {key} of shape {array.shape}: {len(array)} channels, where {scheme.name} "
            f"has {expected}"
        )
    if array.dtype.kind != "f":
        raise CaseError(f"{path}: {key} of type {array.dtype}, not floating point")
    probabilities = array.astype(np.float32, copy=False)
    low, high = float(probabilities.min()), float(probabilities.max())
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise CaseError(f"{path}: values from {low:.3g} to {high:.3g} are no probabilities")
    if head.kind == "softmax" and (total := float(probabilities.sum(0).max())) > 1 + ROUNDING:
        raise CaseError(f"{path}: channels add up to {total:.3g}, so they are no softmax")
    return probabilities, head


def _read_archive(path: Path) -> tuple[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            key = next((key for key in ARCHIVE_KEYS if key in archive.files), None)
            if key is None:
                names = ", ".join(archive.files) or "nothing"
                raise CaseError(f"{path}: holds {names}, neither {' nor '.join(ARCHIVE_KEYS)}")
            return key, archive[key]
    except CaseError:
        raise
    except ARCHIVE_ERRORS as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise CaseError(f"{path}: cannot be read as npz ({reason})") from error


def head_of(channels: int, scheme: Scheme) -> Head | None:
    """Return what so many channels mean: labels by value, or regions; None if neither.

    Regions are the challenge's `training_regions`, all of them or the first ones.
    """
    if channels == 1 + len(scheme.labels):
        names = sorted(scheme.labels, key=lambda name: scheme.labels[name])
        return Head("softmax", ((), *((name,) for name in names)), ("", *names))
    for rows in _region_orders(scheme):
        if len(rows) == channels:
            regions = tuple(scheme.regions.get(region, (region,)) for region, _ in rows)
            return Head("regions", regions, tuple(label for _, label in rows))
    return None


def _region_orders(scheme: Scheme) -> list[tuple[tuple[str, str], ...]]:
    """Return the regions, with the labels that they paint, that networks may be trained on."""
    rows = scheme.training_regions
    numbers = range(min(LEAST_REGIONS, len(rows)), len(rows) + 1)
    return [rows[:number] for number in numbers if number]


def _warn_of_disagreement(refine_input: RefineInput, path: Path) -> None:
    """Warn where labels and probabilities hardly agree: channels in another order do not fail."""
    if refine_input.probabilities is None or refine_input.head is None:
        return
    by_head = labels_from(refine_input.probabilities, refine_input.head, refine_input.scheme)
    labels = refine_input.labels
    if refine_input.head.kind == "regions":  # three of them have no cavity
        known = {name for channel in refine_input.head.channels for name in channel}
        values = [refine_input.scheme.labels[name] for name in known]
        labels = np.where(np.isin(labels, values), labels, 0)
    labelled = np.count_nonzero((by_head > 0) | (labels > 0))
    differ = np.count_nonzero(by_head != labels)
    if differ > HALF * labelled:
        share = f"{differ / labelled:.0%} of the labelled voxels have another label"
        log.warning("%s: %s by %s; are channels in order?", refine_input.case.id, share, path)
