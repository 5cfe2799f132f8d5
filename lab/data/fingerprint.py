"""Sizes, spacings and intensities of a dataset beside those that somebody published of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

TOLERANCE = 0.02  # of a median: another subset of the cases moves it by as much
# Intensities are sampled, and the first channel's alone: what is off by more is another unit or
# another sequence.
LOOSE = 0.1
INTENSITY = {"median": 50.0, "percentile_00_5": 0.5, "percentile_99_5": 99.5}


def fingerprint_of(
    shapes: Sequence[Sequence[int]],
    spacings_mm: Sequence[Sequence[float]],
    foreground: np.ndarray,
) -> dict[str, Any]:
    """Return what nnU-Net's dataset_fingerprint.json tells, before any crop.

    `foreground` holds sampled intensities of labelled voxels, of the first channel.
    """
    told = {k: float(np.percentile(foreground, at)) for k, at in INTENSITY.items()}
    return {
        "foreground_intensity_properties_per_channel": {"0": told},
        "shapes_after_crop": [list(shape) for shape in shapes],
        "spacings": [list(map(float, spacing)) for spacing in spacings_mm],
        "median_relative_size_after_cropping": 1.0,
    }


def compare_fingerprints(own: Mapping[str, Any], published: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for the number of cases, median size and spacing by axis, and intensities."""
    numbers = [len(of["spacings"]) for of in (own, published)]
    yield _line("cases", numbers[0], numbers[1], numbers[0] == numbers[1])
    crop = float(published["median_relative_size_after_cropping"])
    for key, what in (("spacings", "spacing mm"), ("shapes_after_crop", "size")):
        medians = [np.median(np.array(of[key], float), axis=0) for of in (own, published)]
        # Theirs is cropped to what is not zero; along one axis by at most all of it.
        slack = TOLERANCE + (1 - crop if key == "shapes_after_crop" else 0)
        for axis, (ours, theirs) in enumerate(zip(*medians, strict=True)):
            alike = abs(ours - theirs) <= slack * theirs
            yield _line(f"{what}, axis {'zyx'[axis]}", ours, theirs, alike)
    seen = [of["foreground_intensity_properties_per_channel"]["0"] for of in (own, published)]
    for key, at in INTENSITY.items():
        one, other = (float(each[key]) for each in seen)
        alike = abs(one - other) <= LOOSE * float(seen[1]["percentile_99_5"])
        yield _line(f"intensity {at:g} %", one, other, alike)


def _line(what: str, ours: float, theirs: float, alike: bool) -> str:
    verdict = "alike" if alike else "DIFFERS"
    return f"{what:<18}{ours:>10.4g}{theirs:>10.4g}  {verdict}"
