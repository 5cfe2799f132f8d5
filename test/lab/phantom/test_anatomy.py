"""Tissue contrasts, tumour sizes and the dura of synthetic heads."""

from itertools import product

import numpy as np

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
    """Of 300 patients: some without any, some operated, cores from 6 to 37 mm of radius."""
    patients = [glioma.draw_lesions(np.random.default_rng(seed)) for seed in range(300)]
    firsts = [lesions[0] for lesions in patients if lesions]
    assert 5 <= 300 - len(firsts) <= 35
    cores = np.array([lesion.core_mm for lesion in firsts])
    assert 6 <= cores.min() < 7
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
