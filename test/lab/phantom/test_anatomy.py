"""Tissue contrasts, tumour sizes and the dura of synthetic heads."""

from dataclasses import replace
from itertools import product

import numpy as np
from scipy.ndimage import binary_dilation

from lab.phantom import brain, contrast, glioma
from lab.phantom.fields import Grid

GRID = Grid.centred((40, 50, 40), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0))


def test_what_radiologists_know_holds_in_every_patient() -> None:
    patients = [contrast.draw_signals(np.random.default_rng(seed)) for seed in range(200)]
    for values, (channel, rules) in product(patients, contrast.ORDER.items()):
        for brighter, darker, _ in rules:
            assert values[channel][brighter] > values[channel][darker], (channel, brighter, darker)
    # And everything else is left to chance: on FLAIR necrosis is brighter or darker than cortex.
    necrosis = [values[3]["NETC"] > values[3]["grey"] for values in patients]
    assert 0.2 < np.mean(necrosis) < 0.95


def test_tumours_come_in_the_sizes_that_tumours_have() -> None:
    """Of 300 patients: some without any, some operated, some with metastases, radii to 37 mm."""
    patients = [glioma.draw_lesions(np.random.default_rng(seed)) for seed in range(300)]
    assert 5 <= patients.count([]) <= 35
    metastases = [lesions for lesions in patients if len(lesions) > 4]
    assert 10 <= len(metastases) <= 45
    for lesion in (lesion for lesions in metastases for lesion in lesions):
        assert 1.5 <= lesion.core_mm <= 11.25 and lesion.rim_mm > 0 and not lesion.cavity
    # Two to four small foci may be either.
    large = [x for x in patients if max((lesion.core_mm for lesion in x), default=0) > 11.25]
    firsts = [lesions[0] for lesions in large]
    cores = np.array([lesion.core_mm for lesion in firsts])
    assert 30 < cores.max() <= 37.5
    assert 0.2 < np.mean([lesion.cavity for lesion in firsts]) < 0.4
    assert {lesion.rim_mm == 0 for lesion in firsts} == {True, False}
    assert max(map(len, patients)) >= 3


def test_leftovers_of_dura_are_patches_at_the_surface() -> None:
    shares = []
    for seed in range(6):
        depth_mm = 60 - np.sqrt(sum(axis**2 for axis in GRID.axes())).astype(np.float32)
        head = {"depth_mm": depth_mm, "brain": depth_mm > 0}
        dura = brain.dura(np.random.default_rng(seed), GRID.axes(), head)
        assert not dura[(depth_mm <= 0) | (depth_mm > 5.5)].any()
        shares.append(float((dura[(depth_mm > 0) & (depth_mm < 2)] > 0.5).mean()))
    assert 0 < max(shares) < 0.5


def test_cysts_have_a_wall_and_most_cavities_reach_the_surface() -> None:
    """What tells fluid in a tumour from the fluid that a surgeon left: a rim all around it."""
    lesion = glioma.Lesion((10.0, 15.0, 20.0), 20.0, 6.0, 8.0, False, (1.0, 1.0, 1.0), rough=0.0)
    depth_mm = 70 - np.sqrt(sum(axis**2 for axis in GRID.axes())).astype(np.float32)
    nothing = np.zeros_like(depth_mm)
    tissue = {name: nothing for name in ("csf", "grey", "deep")} | {"brain": depth_mm > 0}
    rng = np.random.default_rng(0)
    cystic = glioma.parts(rng, GRID.axes(), [replace(lesion, cystic=True)], tissue)
    fluid, wall = cystic["cyst"] > 0.5, cystic["ET"] > 0.5
    assert 20 < fluid.sum() < (cystic["NETC"] > 0.5).sum()
    assert (binary_dilation(fluid, iterations=2) & wall).sum() > fluid.sum() / 2
    assert not (fluid & (cystic["NETC"] < 0.5)).any()
    operated = replace(lesion, cavity=True, tract_mm=8.0)
    for cavity, reaches in ((operated, True), (replace(operated, tract_mm=0.0), False)):
        hole = glioma.parts(rng, GRID.axes(), [cavity], tissue)["RC"] > 0.5
        assert hole.any() and (hole & (depth_mm < 6)).any() == reaches
