"""Matrices give the values of nnU-Net's resampling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.planned_resampling import TORCH, Resampling, read_resampling
from ensemble.resampling import coarse_axis, new_shape, resample

CUBIC, LINEAR = Resampling(3, 0, None), Resampling(1, 0, None)


def stock(volumes, shape, old_mm, new_mm, how):
    from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape

    return resample_data_or_seg_to_shape(
        volumes, shape, old_mm, new_mm, False, how.order, how.order_z, how.force_separate_z
    )


@pytest.mark.parametrize("how", [CUBIC, LINEAR, Resampling(3, 1, True), Resampling(3, 3, False)])
@pytest.mark.parametrize(
    ("old_mm", "new_mm"),
    [((1, 1, 1), (2, 2, 2)), ((3.3, 1.2, 1.2), (3, 2.4, 2.4)), ((1, 1, 5), (1.5, 1.2, 3))],
)
def test_equal_to_nnunet(how: Resampling, old_mm: tuple, new_mm: tuple) -> None:
    volumes = np.random.default_rng(0).normal(0, 40, (2, 13, 17, 12)).astype(np.float32)
    shape = new_shape(volumes.shape[1:], old_mm, new_mm)
    ours = resample(volumes, shape, old_mm, new_mm, how)
    np.testing.assert_allclose(ours, stock(volumes, shape, old_mm, new_mm, how), atol=1e-4)


@pytest.mark.parametrize("keywords", [{}, {"force_separate_z": False}, {"force_separate_z": True}])
@pytest.mark.parametrize("mode", ["nearest-exact", "linear"])
@pytest.mark.parametrize(
    ("old_mm", "new_mm"),
    [((1, 1, 1), (2, 0.7, 1.3)), ((5, 1, 1), (1.5, 1.2, 1)), ((1, 1, 5), (2,) * 3)],
)
def test_equal_to_nnunets_resampling_in_torch(
    keywords: dict, mode: str, old_mm: tuple, new_mm: tuple
) -> None:
    from nnunetv2.preprocessing.resampling.resample_torch import resample_torch_fornnunet

    keywords = {**keywords, "aniso_axis_mode": mode}
    volumes = np.random.default_rng(0).normal(0, 40, (2, 13, 17, 12)).astype(np.float32)
    shape = new_shape(volumes.shape[1:], old_mm, new_mm)
    theirs = resample_torch_fornnunet(volumes.copy(), shape, old_mm, new_mm, **keywords)
    ours = resample(volumes, shape, old_mm, new_mm, read_resampling(TORCH, keywords))
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


@settings(max_examples=30)
@given(
    shape=st.tuples(*[st.integers(2, 12)] * 3),
    target=st.tuples(*[st.integers(1, 15)] * 3),
    order=st.sampled_from([1, 3]),
    seed=st.integers(0, 99),
)
def test_range_and_constants_are_kept(shape: tuple, target: tuple, order: int, seed: int) -> None:
    volumes = np.random.default_rng(seed).normal(size=(1, *shape)).astype(np.float32)
    how = Resampling(order, 0, None)
    out = resample(volumes, target, (1, 1, 1), (1, 1, 1), how)
    assert out.shape == (1, *target)
    assert volumes.min() <= out.min() and out.max() <= volumes.max()
    flat = resample(np.full((1, *shape), 7, np.float32), target, (1, 1, 1), (1, 1, 1), how)
    np.testing.assert_allclose(flat, 7, rtol=1e-6)


def test_no_resampling_where_the_size_is_right() -> None:
    volumes = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    assert resample(volumes, (2, 2, 2), (1, 1, 1), (1, 1, 1.01), CUBIC) is volumes


def axis_of(spacing_mm: tuple, target_mm: tuple, force: bool | None, threshold: float = 3):
    return coarse_axis(spacing_mm, target_mm, Resampling(3, 0, force, threshold))


def test_the_coarse_axis() -> None:
    assert axis_of((5, 1, 1), (1, 1, 1), None) == 0
    assert axis_of((1, 1, 1), (1, 1, 4), None) == 2
    assert axis_of((3, 1, 1), (1, 1, 1), None) is None  # three times is not yet coarse
    assert axis_of((1, 4, 4), (1, 1, 1), None) is None  # two coarse axes go together
    assert axis_of((5, 1, 1), (1, 1, 1), False) is None
    assert axis_of((2, 1, 1), (1, 1, 1), True) == 0
    assert axis_of((2, 1, 1), (1, 1, 1), None, threshold=1.5) == 0
    assert axis_of((5, 1, 1), (1, 1, 1), None, threshold=6) is None


@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize("threshold", [1.5, 3, 10])
@pytest.mark.parametrize(
    ("old_mm", "new_mm"), [((2, 1, 1), (1, 1.1, 1)), ((1, 1, 5), (1.5, 1.2, 3))]
)
def test_every_order_and_threshold_is_nnunets(
    order: int, threshold: float, old_mm: tuple, new_mm: tuple
) -> None:
    from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape

    volumes = np.random.default_rng(1).normal(0, 40, (1, 13, 12, 11)).astype(np.float32)
    shape = new_shape(volumes.shape[1:], old_mm, new_mm)
    keywords = {
        "order": order,
        "order_z": 5 - order,
        "force_separate_z": None,
        "separate_z_anisotropy_threshold": threshold,
    }
    theirs = resample_data_or_seg_to_shape(volumes, shape, old_mm, new_mm, **keywords)
    ours = resample(volumes, shape, old_mm, new_mm, Resampling(*keywords.values()))
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
