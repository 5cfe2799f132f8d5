"""PANTHER's numbers of balls and of the cases that other evaluators stumble over."""

import math

import numpy as np
import pytest

from lab.metrics.pair import Pair
from lab.metrics.panther import score, volume_rmse_mm3

SPACING_MM = (3.0, 1.1875, 1.1875)
SHAPE = (30, 100, 100)


def ball(centre_mm: tuple[float, float, float], radius_mm: float = 15) -> np.ndarray:
    axes = [np.arange(n) * mm for n, mm in zip(SHAPE, SPACING_MM, strict=True)]
    grid = np.meshgrid(*axes, indexing="ij")
    away = sum((g - c) ** 2 for g, c in zip(grid, centre_mm, strict=True))
    return (away <= radius_mm**2).astype(np.uint8)


def test_axis_order_as_right_and_as_published() -> None:
    """Two balls 9 mm apart along z: three slices, which the published order takes for 3.6 mm."""
    pair = Pair(ball((54, 60, 60)), ball((45, 60, 60)), SPACING_MM)
    right = score(pair, "right")["tumour"]
    published = score(pair, "as-published")["tumour"]
    assert right["hd95"] == pytest.approx(9)
    assert published["hd95"] == pytest.approx(3 * 1.1875)
    assert right["surface_dice_5mm"] == pytest.approx(0.69, abs=0.02)
    assert published["surface_dice_5mm"] == 1
    assert right["masd"] == pytest.approx(3.87, abs=0.05)
    assert right["dice"] == published["dice"]
    volume = float(pair.reference.sum()) * 3 * 1.1875**2
    assert right["volume_reference_mm3"] == published["volume_reference_mm3"] == volume


def test_an_empty_or_a_full_prediction_is_one_bad_case() -> None:
    reference = ball((45, 60, 60))
    for prediction in (np.zeros_like(reference), np.ones_like(reference)):
        for order, spacing in (("right", SPACING_MM), ("as-published", SPACING_MM[::-1])):
            result = score(Pair(prediction, reference, SPACING_MM), order)["tumour"]  # type: ignore[arg-type]
            diagonal = math.hypot(*(n * mm for n, mm in zip(SHAPE, spacing, strict=True)))
            assert result["hd95"] == result["masd"] == pytest.approx(diagonal)
            assert (
                result["dice"] == result["surface_dice_5mm"] == result["volume_prediction_mm3"] == 0
            )


def test_the_evaluator_takes_any_one_value_and_label_1_among_several() -> None:
    reference = ball((45, 60, 60))
    assert (
        score(Pair(reference * np.uint8(7), reference, SPACING_MM), "right")["tumour"]["dice"] == 1
    )
    both = reference.copy()
    both[0, 0, :50] = 2  # pancreas
    assert score(Pair(both, both, SPACING_MM), "right")["tumour"]["dice"] == 1


def test_volume_rmse() -> None:
    assert volume_rmse_mm3(np.array([3.0, 0.0]), np.array([0.0, 4.0])) == pytest.approx(
        math.sqrt(12.5)
    )
