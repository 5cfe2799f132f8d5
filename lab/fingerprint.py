"""Sizes and spacings of a dataset beside those that somebody published of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

TOLERANCE = 0.02  # of a median: another subset of the cases moves it by as much


def fingerprint_of(
    shapes: Sequence[Sequence[int]], spacings_mm: Sequence[Sequence[float]]
) -> dict[str, Any]:
    """Return what nnU-Net's dataset_fingerprint.json tells of geometry, before any crop."""
    return {
        "shapes_after_crop": [list(shape) for shape in shapes],
        "spacings": [list(map(float, spacing)) for spacing in spacings_mm],
        "median_relative_size_after_cropping": 1.0,
    }


def compare_fingerprints(own: Mapping[str, Any], published: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for the number of cases, and for median size and spacing along each axis."""
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


def _line(what: str, ours: float, theirs: float, alike: bool) -> str:
    verdict = "alike" if alike else "DIFFERS"
    return f"{what:<18}{ours:>10.4g}{theirs:>10.4g}  {verdict}"
