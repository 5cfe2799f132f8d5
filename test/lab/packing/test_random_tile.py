"""The random tile looks like a normalised scan, and is the same one every time."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch

from ensemble.plans import Plan, read_plan
from lab.packing.random_tile import draw_tile, tile_shape


def plan(**changes: object) -> Plan:
    return read_plan(tiny.plans(**changes), "3d_fullres")


def test_every_channel_has_mean_0_and_deviation_1_and_is_smooth() -> None:
    tile = draw_tile(plan(), 4, (16, 20, 24), seed=3)
    assert tile.shape == (4, 16, 20, 24) and tile.dtype == torch.float32
    np.testing.assert_allclose(tile.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(tile.std((1, 2, 3)), 1, atol=1e-5)
    steps = np.diff(tile.numpy(), axis=3).std((1, 2, 3))  # white noise: the root of 2
    assert (steps < 0.7).all()


def test_a_seed_gives_one_tile_and_another_seed_another() -> None:
    first, again, other = (draw_tile(plan(), 4, (16, 16, 16), seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert np.corrcoef(first.flatten(), other.flatten())[0, 1] < 0.5


def test_the_range_is_that_of_the_plans_normalisation() -> None:
    schemes = ["RescaleTo01Normalization", "NoNormalization", "ZScoreNormalization"]
    mixed = plan(channels=3, normalization_schemes=schemes)
    unit, raw, plain = draw_tile(mixed, 3, (16, 16, 16), seed=0)
    assert (float(unit.min()), float(unit.max())) == (0, 1)
    # as the training scans were: tiny.plans tells a mean of 300 and a deviation of 90
    assert float(raw.mean()) == pytest.approx(300, abs=0.1)
    assert float(raw.std()) == pytest.approx(90, abs=0.1)
    assert float(plain.std()) == pytest.approx(1, abs=1e-5)


def test_a_large_patch_is_halved_and_still_halves() -> None:
    assert tile_shape(plan(patch=(128, 160, 112))) == (128, 160, 112)
    assert tile_shape(replace(plan(), patch=(192, 192, 192))) == (96, 96, 96)
