"""Synthetic abdomens: on the grids of PANTHER, with a tumour in or at the pancreas, or healthy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from challenge.refusal import Refusal
from lab.phantom import brats, pancreas, panther
from lab.phantom.fields import Grid, full
from lab.phantom.patient import Patient
from lab.phantom.population import PATIENTS, Population

COARSE_MM = (5.0, 4.0, 4.0)


@pytest.fixture(scope="module", params=["panther-t1", "panther-t2"])
def belly(request: pytest.FixtureRequest) -> Patient:
    return Population(request.param, 5, COARSE_MM).patient(1)


def test_native_grids_are_those_of_the_challenges() -> None:
    shapes = {brats.grid_of(seed).shape for seed in range(3)}
    assert shapes == {(182, 218, 182), (155, 240, 240)}
    for seed in range(12):
        t1 = panther.grid_of("panther-t1", seed)
        assert 3.0 <= t1.spacing_mm[0] <= 3.5
        assert 0.69 <= t1.spacing_mm[1] == t1.spacing_mm[2] <= 1.3125
        assert 64 <= t1.shape[0] <= 88
        assert 190 <= t1.shape[1] <= 466
        assert 260 <= t1.shape[2] <= 570
        assert panther.grid_of("panther-t2", seed).spacing_mm == (2.0, 1.0, 1.0)


def test_tumour_lies_in_or_at_the_pancreas(belly: Patient) -> None:
    tumour, pancreas = belly.labels == 1, belly.labels == 2
    assert set(np.unique(belly.labels)) == {0, 1, 2}
    assert 1.0 < tumour.sum() * np.prod(COARSE_MM) / 1000 < 60
    assert (binary_dilation(tumour) & pancreas).any()
    picture = next(iter(belly.pictures.values()))
    inside, around = np.median(picture[tumour]), np.median(picture[pancreas])
    assert (inside > around) == (next(iter(belly.pictures)) == "t2")
    assert (picture[:, 0, :] > 0).any()  # air is noisy in a scan that is not skull-stripped
    assert 92 <= picture.max() <= 12_000


def signals_of(variety: panther.Variety, kind: str) -> list[dict[str, float]]:
    return [panther.signals(np.random.default_rng(seed), kind, variety) for seed in range(200)]


@pytest.mark.parametrize("kind", ["panther-t1", "panther-t2"])
def test_abdomens_from_anywhere_keep_only_the_order_of_pancreas_and_tumour(kind: str) -> None:
    """On T1 a tumour is darker than the pancreas, on T2 brighter; fat may be either."""
    signals = signals_of(panther.ANYWHERE, kind)
    ratio = np.array([each["tumour"] / each["pancreas"] for each in signals])
    ratio = 1 / ratio if kind == "panther-t1" else ratio
    assert ratio.min() >= panther.ANYWHERE.contrast - 1e-9
    assert 1.3 < np.median(ratio) < 2.2
    fat = np.array([each["fat"] > each["pancreas"] for each in signals])
    assert 0.2 < fat.mean() < 0.8
    liver = np.log([each["liver"] / each["spleen"] for each in signals])
    usual = np.log([each["liver"] / each["spleen"] for each in signals_of(panther.PROTOCOL, kind)])
    assert liver.std() > 2 * usual.std()
    artery = np.mean([each["artery"] > each["pancreas"] for each in signals])
    assert (0.5 < artery < 0.8) if kind == "panther-t1" else artery < 0.1  # agents brighten T1 only


def test_vessels_of_the_mesentery_are_few_voxels_of_the_picture_and_none_of_a_label() -> None:
    grid = panther.grid_of("panther-t1", 4).respaced((4.0, 3.0, 3.0))
    scans = []
    for share in (0.0, 1.0):
        variety = replace(panther.ANYWHERE, strands=share)
        pictures, labels = panther.scan("panther-t1", 4, grid, variety)
        scans.append((pictures["t1"].astype(float), labels))
    (plain, before), (with_vessels, after) = scans
    np.testing.assert_array_equal(before, after)
    assert 0.005 < np.mean(np.abs(with_vessels - plain) > 0.05 * plain.max()) < 0.1


def has_tumour(number: int, share: float) -> bool:
    seed = 5 * PATIENTS + number
    return bool(np.random.default_rng([seed, panther.LIKENESSES]).random() >= share)


def test_of_a_share_without_a_tumour_the_others_are_who_they_were() -> None:
    mixed, ill = (Population("panther-t1", 5, (9.0, 8.0, 8.0), healthy=h) for h in (0.5, 0.0))
    numbers = {
        with_one: next(n for n in range(99) if has_tumour(n, 0.5) == with_one)
        for with_one in (True, False)
    }
    assert set(np.unique(mixed.patient(numbers[False]).labels)) == {0, 2}
    patients = [population.patient(numbers[True]) for population in (mixed, ill)]
    np.testing.assert_array_equal(*(patient.labels for patient in patients))
    np.testing.assert_array_equal(*(patient.pictures["t1"] for patient in patients))


def test_the_share_without_a_tumour_is_the_one_that_was_set() -> None:
    assert 0.15 < np.mean([not has_tumour(number, 0.2) for number in range(1000)]) < 0.25
    assert not any(has_tumour(number, 1.0) for number in range(1000))
    for kind in ("brats-gli", "isles-t1"):
        with pytest.raises(Refusal, match=f"every patient of {kind} is ill"):
            Population(kind, 5, healthy=0.1)
    with pytest.raises(Refusal, match=r"healthy 1\.5: a share"):
        Population("panther-t1", 5, healthy=1.5)


def gland_of(**mimics: float) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return the tissues of a healthy gland without a body around it, tumour, and pancreas."""
    axes = Grid.centred((40, 40, 80), (3.0, -3.0, 2.0), (0.0, 0.0, 20.0)).axes()
    nothing = np.zeros((40, 40, 80), np.float32)
    tissue = {"artery": nothing, "portal": nothing}
    gland = pancreas.Gland((0.0, 0.0, 0.0), False, replace(pancreas.NO_MIMICS, **mimics))
    rng = np.random.default_rng(3)
    return tissue, *pancreas.add_pancreas(rng, axes, full(axes), tissue, gland)


def test_what_looks_like_a_tumour_is_in_the_gland_and_no_tumour() -> None:
    usual, tumour, gland = gland_of()
    assert not tumour.any() and not {"tumour", "necrosis", "fatty lobule"} & set(usual)
    wide, _, same = gland_of(seed=1, duct_mm=2.5)
    np.testing.assert_array_equal(same, gland)
    assert wide["duct"].sum() > 3 * usual["duct"].sum()
    assert gland_of(thinness=0.6)[2].sum() < 0.6 * gland.sum()
    fatty, _, same = gland_of(seed=1, has_fatty_lobule=True)
    np.testing.assert_array_equal(same, gland)  # it displaces nothing
    assert 0 < fatty["fatty lobule"].sum() < 0.3 * gland.sum()
    assert (fatty["fatty lobule"] <= gland).all()
    cystic, tumour, whole = gland_of(seed=1, cysts=3)
    assert not tumour.any()
    volume_ml = cystic["pancreatic cyst"].sum() * 18 / 1000
    assert 0.05 < volume_ml < 4
    assert (whole >= cystic["pancreatic cyst"]).all()


def test_a_third_of_the_healthy_glands_has_nothing_that_looks_like_a_tumour() -> None:
    glands = [pancreas.draw_mimics(np.random.default_rng(seed)) for seed in range(1000)]
    nothing = [replace(gland, seed=0) == pancreas.NO_MIMICS for gland in glands]
    assert 0.27 < np.mean(nothing) < 0.37
    for has in (
        [gland.duct_mm > 0 for gland in glands],
        [gland.thinness < 1 for gland in glands],
        [gland.cysts > 0 for gland in glands],
        [gland.has_fatty_lobule for gland in glands],
    ):
        assert 0.2 < np.mean(has) < 0.3
