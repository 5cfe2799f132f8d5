"""Synthetic heads: repeatable, on the grids of BraTS, and anatomically in order."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from challenge.scheme import SCHEMES
from lab.phantom import brats
from lab.phantom.patient import Patient
from lab.phantom.population import Population

COARSE_MM = (5.0, 4.0, 4.0)


@pytest.fixture(scope="module")
def heads() -> list[Patient]:
    return [Population("brats-gli", 5, COARSE_MM).patient(number) for number in range(12)]


def test_same_seed_same_patient_and_other_seed_another(heads: list[Patient]) -> None:
    again = Population("brats-gli", 5, COARSE_MM).patient(0)
    for sequence, picture in heads[0].pictures.items():
        np.testing.assert_array_equal(picture, again.pictures[sequence])
    np.testing.assert_array_equal(heads[0].labels, again.labels)
    other = brats.scan(50_003, heads[0].grid)[0]  # the same grid, so that only the patient differs
    assert all((other[s] != p).any() for s, p in heads[0].pictures.items())


def test_patient_is_the_same_at_another_spacing() -> None:
    native = brats.grid_of(1)
    coarse_pictures, coarse_labels = brats.scan(1, native.respaced((5.0, 5.0, 5.0)))
    pictures, labels = brats.scan(1, native.respaced((3.0, 3.0, 3.0)))
    volumes = [(m > 0).sum() * v for m, v in ((coarse_labels, 125), (labels, 27))]
    assert volumes[1] > 3000
    assert volumes[0] == pytest.approx(volumes[1], rel=0.15)
    assert {s: p.max() for s, p in coarse_pictures.items()} == pytest.approx(
        {s: p.max() for s, p in pictures.items()}, abs=1
    )


def test_head_is_exactly_zero_outside_and_holds_its_labels(heads: list[Patient]) -> None:
    for head in heads:
        brain = head.pictures["t1n"] > 0
        litres = brain.sum() * np.prod(COARSE_MM) / 1e6
        assert 1.0 < litres < 1.9
        for picture in head.pictures.values():
            assert picture.dtype == np.int16
            np.testing.assert_array_equal(picture != 0, brain)
        assert not head.labels[~brain].any()
        assert set(np.unique(head.labels)) <= {0, *SCHEMES["brats-gli"].labels.values()}


def test_intensity_scales_run_from_92_to_12000(heads: list[Patient]) -> None:
    tops = [int(p.max()) for head in heads for p in head.pictures.values()]
    assert min(tops) >= 92
    assert max(tops) <= 12_000
    assert max(tops) > 10 * min(tops)


def test_parts_of_a_glioma_have_the_usual_contrast(heads: list[Patient]) -> None:
    """In most patients: contrasts are left to chance, and thick slices mix neighbours."""
    scheme = SCHEMES["brats-gli"]
    outcomes: dict[tuple[str, str], list[bool]] = {}
    for head in heads:
        brain = head.pictures["t1n"] > 0
        middle = {s: np.median(p[brain & (head.labels == 0)]) for s, p in head.pictures.items()}
        for part, sequence, brighter in (
            ("SNFH", "t2f", True),
            ("ET", "t1c", True),
            ("NETC", "t1c", False),
            ("RC", "t2w", True),
            ("RC", "t2f", False),
        ):
            mask = scheme.mask(head.labels, part)
            if mask.sum() >= 20:
                value = np.median(head.pictures[sequence][mask])
                outcomes.setdefault((part, sequence), []).append(
                    (value > middle[sequence]) == brighter
                )
    assert {("SNFH", "t2f"), ("ET", "t1c"), ("NETC", "t1c"), ("RC", "t2f")} <= set(outcomes)
    for what, right in outcomes.items():
        assert np.mean(right) >= 0.5, (what, right)


def test_cavity_is_not_tumour_but_touches_it(heads: list[Patient]) -> None:
    scheme = SCHEMES["brats-gli"]
    operated = [h.labels for h in heads if scheme.mask(h.labels, "RC").any()]
    assert operated
    for labels in operated:
        cavity, tumour = scheme.mask(labels, "RC"), scheme.mask(labels, "WT")
        assert not (cavity & tumour).any()
        assert (binary_dilation(cavity) & tumour).any()
