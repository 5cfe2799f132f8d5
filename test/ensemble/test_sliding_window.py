"""Tiles cover a volume as nnU-Net's do, and blending returns what every tile agrees on."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ensemble.sliding_window import importance, predict_logits, tiles


class Identity(nn.Module):
    """Answers with its input; one parameter, so that it is somewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clone()


class Ramp(Identity):
    """Answers with a ramp along the first axis, which a flip turns round."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 0 + torch.arange(x.shape[2]).reshape(1, 1, -1, 1, 1)


@given(
    shape=st.tuples(*[st.integers(8, 60)] * 3),
    patch=st.tuples(*[st.integers(4, 8)] * 3),
    step=st.sampled_from([0.3, 0.5, 0.75, 1.0]),
)
def test_tiles_are_stock_tiles(shape: tuple, patch: tuple, step: float) -> None:
    from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window

    starts = compute_steps_for_sliding_window(shape, patch, step)
    ours = list(tiles(shape, patch, step))
    for axis in range(3):
        assert sorted({place[axis].start for place in ours}) == sorted(set(starts[axis]))
        assert ours[-1][axis].stop == shape[axis]
    assert len(ours) == np.prod([len(axis) for axis in starts])


@pytest.mark.parametrize("patch", [(16, 16, 16), (12, 20, 28), (64, 32, 8)])
def test_importance_is_stock_importance(patch: tuple) -> None:
    from nnunetv2.inference.sliding_window_prediction import compute_gaussian

    stock = compute_gaussian(patch, 1 / 8, 10, device=torch.device("cpu")).float().numpy()
    np.testing.assert_array_equal(importance(patch), stock)
    assert importance(patch).min() > 0


@pytest.mark.parametrize("shape", [(9, 13, 11), (4, 30, 5)])
def test_blending_returns_the_volume(shape: tuple) -> None:
    data = np.random.default_rng(0).integers(-8, 8, (2, *shape)).astype(np.float32)
    logits = predict_logits(Identity(), data, (8, 8, 8), 0.5, (0, 1, 2))
    assert logits.shape == data.shape
    middle = (slice(None), *(slice(s // 4, s - s // 4) for s in shape))
    np.testing.assert_allclose(logits[middle], data[middle], atol=0.02)


def test_mirroring_averages_over_the_flips() -> None:
    data = np.zeros((1, 8, 8, 8), np.float32)
    once = predict_logits(Ramp(), data, (8, 8, 8), 0.5, ())
    both = predict_logits(Ramp(), data, (8, 8, 8), 0.5, (0,))
    assert once[0, 2, 4, 4] == pytest.approx(2, abs=0.01)
    assert both[0, 2, 4, 4] == pytest.approx(3.5, abs=0.01)
    np.testing.assert_allclose(
        predict_logits(Ramp(), data, (8, 8, 8), 0.5, (1, 2)), once, atol=0.01
    )
