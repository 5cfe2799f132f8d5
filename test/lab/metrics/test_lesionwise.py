"""Lesion-wise scores of cubes: what each year counts, joins and forgives."""

import numpy as np
import pytest

from lab.metrics import brats2023, brats2025
from lab.metrics.lesionwise import score
from lab.metrics.pair import Pair

PROFILES = {
    2023: brats2023.PROFILES,
    2024: brats2025.PROFILES_2024,
    2025: brats2025.PROFILES_2025,
}


def volume(*cubes: tuple[int, int, int], shape: tuple[int, int, int] = (24, 24, 48)) -> np.ndarray:
    """Cubes of (label, first x, side), in the middle of y and z."""
    labels = np.zeros(shape, np.uint8)
    for label, x, side in cubes:
        labels[10 : 10 + side, 10 : 10 + side, x : x + side] = label
    return labels


def scores(
    year: int, task: str, prediction: np.ndarray, reference: np.ndarray, mm: float = 1.0
) -> dict[str, dict[str, float]]:
    return score(Pair(prediction, reference, (mm, mm, mm)), PROFILES[year][task])


TUMOUR = volume((3, 5, 5))  # 125 voxels


@pytest.mark.parametrize(
    ("year", "task", "dice", "hd95"),
    [
        (2023, "gli", 0.5, 187.0),
        (2025, "gli", 1.0, 0.0),
        (2025, "ssa", 1.0, 0.0),
        (2025, "met", 0.5, None),
        (2025, "men", 0.5, 187.0),
    ],
)
def test_an_island_of_eight_voxels(year: int, task: str, dice: float, hd95: float | None) -> None:
    result = scores(year, task, volume((3, 5, 5), (3, 30, 2)), TUMOUR)["ET"]
    assert result["dice"] == pytest.approx(dice)
    assert result["num_fp"] == (0 if dice == 1 else 1)
    # MET 2025 punishes by the grid's diagonal in voxels.
    assert result["hd95"] == pytest.approx(
        np.sqrt(24**2 + 24**2 + 48**2) / 2 if hd95 is None else hd95
    )


def test_floors_are_voxels_for_predictions_and_mm3_for_references() -> None:
    island = volume((3, 5, 5), (3, 30, 3))  # 27 voxels; 3.4 mm3 at half a millimetre
    assert scores(2025, "gli", island, TUMOUR, mm=0.5)["ET"]["num_fp"] == 1
    missed = scores(2025, "gli", TUMOUR, island, mm=0.5)["ET"]
    assert (missed["num_fn"], missed["dice"]) == (0, 1)
    assert scores(2025, "gli", TUMOUR, island)["ET"]["num_fn"] == 1


def test_men_rt_forgives_false_volumes_but_counts_them() -> None:
    target, extra = volume((1, 5, 5)), volume((1, 5, 5), (1, 30, 4))
    result = scores(2025, "men-rt", extra, target)["GTV"]
    assert (result["dice"], result["hd95"], result["num_fp"]) == (1, 0, 1)
    assert scores(2025, "men-rt", extra, target, mm=0.5)["GTV"]["num_fp"] == 0  # 8 mm3
    nothing = np.zeros_like(target)
    assert scores(2025, "men-rt", extra, nothing)["GTV"]["dice"] == 1
    missed = scores(2025, "men-rt", nothing, target)["GTV"]
    assert missed["hd95"] == pytest.approx(np.sqrt(24**2 + 24**2 + 48**2))


@pytest.mark.parametrize("year", [2023, 2024, 2025])
def test_the_table_of_empty_cases(year: int) -> None:
    nothing, small = np.zeros_like(TUMOUR), volume((3, 5, 3))  # 27 mm3, below SSA's 50
    penalty = (0, 374, 0)
    for prediction, reference, expected in (
        (nothing, nothing, (1, 0, 1)),
        (TUMOUR, nothing, penalty),
        (nothing, TUMOUR, penalty),
        (nothing, small, (1, 0, 1)),
        (small, nothing, penalty if year == 2023 else (1, 0, 1)),
    ):
        result = scores(year, "ssa", prediction, reference)["ET"]
        assert (result["dice"], result["hd95"]) == expected[:2]
        if year == 2025:
            assert result["nsd_0.5"] == result["nsd_1.0"] == expected[2]
        else:
            assert "nsd_0.5" not in result


def test_a_match_with_a_lesion_too_small_to_count_is_free() -> None:
    small = volume((3, 5, 5), (3, 30, 3))
    result = scores(2023, "gli", volume((3, 5, 5), (3, 31, 3)), small)["ET"]
    assert (result["num_tp"], result["num_fp"], result["num_fn"], result["dice"]) == (1, 0, 0, 1)


def test_one_component_over_two_lesions_is_scored_in_both() -> None:
    reference = volume((3, 2, 4), (3, 40, 4))
    prediction = reference.copy()
    prediction[11, 11, 2:44] = 3
    result = scores(2023, "gli", prediction, reference)["ET"]
    parts, lesion = int((prediction == 3).sum()), 64
    assert result["num_tp"] == 2 and result["num_fp"] == 0
    assert result["dice"] == pytest.approx(2 * lesion / (parts + lesion))


def test_resection_cavity_is_no_tumour() -> None:
    result = scores(2025, "gli", volume((4, 5, 5)), volume((4, 5, 5)))
    assert result["RC"]["num_tp"] == 1
    assert result["WT"]["num_tp"] == result["WT"]["num_fp"] == 0
    assert set(scores(2024, "met", TUMOUR, TUMOUR)) == {"ET", "TC", "WT"}
    assert set(scores(2025, "met", TUMOUR, TUMOUR)) == {"ET", "RC", "TC", "WT"}


def test_pediatric_labels_are_their_own() -> None:
    result = scores(2025, "ped", volume((3, 5, 5)), volume((3, 5, 5)))
    assert result["CC"]["num_tp"] == result["TC"]["num_tp"] == 1
    assert result["ET"]["num_tp"] == 0


def test_fractions_are_whole_tumour_and_no_tissue_from_2024_on() -> None:
    odd = TUMOUR.astype(float)
    odd[odd == 3] = 2.9999
    for year, whole in ((2023, 0), (2025, 1)):
        result = scores(year, "gli", odd, TUMOUR)
        assert result["ET"]["num_tp"] == 0
        assert result["WT"]["num_tp"] == whole
    assert scores(2025, "men", odd, TUMOUR)["WT"]["num_tp"] == 0


def test_a_perfect_lesion_of_2025_misses_one_by_its_divisor() -> None:
    result = scores(2025, "gli", TUMOUR, TUMOUR)["ET"]
    assert result["nsd_0.5"] == pytest.approx(2 / (2 + 1e-8), abs=1e-15)


def test_lesions_at_the_images_edge() -> None:
    edge = np.zeros((8, 8, 8), np.uint8)
    edge[:5, :5, :5] = 3
    assert scores(2025, "ssa", edge, edge)["ET"]["dice"] == 1
    full = np.full((6, 6, 6), 3, np.uint8)
    assert scores(2025, "ssa", full, full)["WT"]["hd95"] == 0
