"""Synthetic abdomens: on the grids of PANTHER, with a tumour in or at the pancreas."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from lab.phantom import brats, panther
from lab.phantom.patient import Patient
from lab.phantom.population import Population

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
