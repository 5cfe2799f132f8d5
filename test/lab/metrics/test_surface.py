"""Distances between cubes that can be counted, and against DeepMind's own package."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from surface_distance import lookup_tables, metrics

from lab.metrics import surface

SPACINGS = [(1.0, 1.0, 1.0), (0.5, 0.9, 1.7), (3.0, 1.1875, 1.1875)]


def box(low: int, high: int, side: int = 12) -> np.ndarray:
    mask = np.zeros((side,) * 3, bool)
    mask[low:high, low:high, low:high] = True
    return mask


def blobs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    first = generator.random((9, 8, 7)) < generator.uniform(0.05, 0.9)
    return first, np.roll(first, 1, axis=seed % 3) ^ (generator.random(first.shape) < 0.05)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_areas_are_deepminds(spacing: tuple[float, float, float]) -> None:
    theirs = lookup_tables.create_table_neighbour_code_to_surface_area(spacing)
    np.testing.assert_allclose(surface._area_table(spacing), theirs, rtol=1e-13)


def test_one_voxel_has_eight_surfels_and_one_border_voxel() -> None:
    result = surface.surfels(box(5, 6), (1.0, 1.0, 1.0))
    assert len(result.cells) == 8
    # An eighth of an octahedron with legs of half a millimetre in each cell.
    assert result.areas_mm2 == pytest.approx([math.sqrt(3) / 8] * 8)
    assert surface.border(box(5, 6)).tolist() == [[5, 5, 5]]


def test_border_of_a_cube_is_its_shell_and_the_images_edge_is_border() -> None:
    assert len(surface.border(box(3, 7))) == 4**3 - 2**3
    assert len(surface.border(np.ones((4, 4, 4), bool))) == 4**3 - 2**3


def test_distances_count_voxels_in_mm() -> None:
    result = surface.distances(np.array([[0, 0, 0]]), np.array([[0, 3, 4], [9, 9, 9]]), (1, 2, 0.5))
    assert result.prediction_to_reference == pytest.approx([math.hypot(6, 2)])
    assert result.reference_to_prediction[0] == pytest.approx(math.hypot(6, 2))
    nothing = np.empty((0, 3), int)
    assert surface.distances(np.array([[1, 1, 1]]), nothing, (1, 1, 1)).prediction_to_reference == [
        np.inf
    ]


def test_nsd_of_a_cube_moved_by_one_voxel() -> None:
    first, second = box(3, 7), np.roll(box(3, 7), 1, axis=0)
    between = surface.distances(surface.border(first), surface.border(second), (1, 1, 1))
    shells = {tuple(p) for p in surface.border(first)}, {tuple(p) for p in surface.border(second)}
    share = len(shells[0] & shells[1]) / 56
    assert surface.normalised_surface_dice(between, 0.5, 1e-8) == pytest.approx(share, abs=1e-8)
    assert surface.normalised_surface_dice(between, 1.0, 1e-8) == pytest.approx(1 - 5e-9, abs=1e-12)
    assert surface.normalised_surface_dice(between, 1.0, 0) == 1
    assert surface.pooled_hausdorff_mm(between) == 1


def test_a_far_island_moves_the_largest_percentile_not_the_pooled_one() -> None:
    reference = box(1, 7, side=40)
    prediction = reference.copy()
    prediction[35:38, 35:38, 35:38] = True
    ours, theirs = (surface.surfels(m, (1, 1, 1)) for m in (prediction, reference))
    between = surface.distances(ours.cells, theirs.cells, (1, 1, 1))
    assert surface.robust_hausdorff_mm(ours, theirs, between) > 40
    between = surface.distances(surface.border(prediction), surface.border(reference), (1, 1, 1))
    assert surface.pooled_hausdorff_mm(between, 80) == 0


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), spacing=st.sampled_from(SPACINGS))
def test_deepminds_package_agrees(seed: int, spacing: tuple[float, float, float]) -> None:
    prediction, reference = blobs(seed)
    if not (prediction.any() and reference.any()):
        return
    peer = metrics.compute_surface_distances(reference, prediction, spacing)
    ours, theirs = surface.surfels(prediction, spacing), surface.surfels(reference, spacing)
    between = surface.distances(ours.cells, theirs.cells, spacing)
    assert surface.robust_hausdorff_mm(ours, theirs, between) == pytest.approx(
        metrics.compute_robust_hausdorff(peer, 95), abs=1e-9
    )
    assert surface.surface_dice(ours, theirs, between, 1.0) == pytest.approx(
        metrics.compute_surface_dice_at_tolerance(peer, 1.0), abs=1e-9
    )
    assert surface.mean_distances_mm(ours, theirs, between)[::-1] == pytest.approx(
        metrics.compute_average_surface_distance(peer), abs=1e-9
    )
