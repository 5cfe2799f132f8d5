"""Tiles cover a volume as nnU-Net's do, and blending returns what every tile agrees on."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ensemble.backends import Forward
from ensemble.sliding_window import (
    LogitAccumulator,
    count_tiles,
    importance,
    mean_over_mirrorings,
    mirrorings,
    pad,
    tiles,
)


def ramp(x: torch.Tensor) -> torch.Tensor:
    """Answer with a ramp along the first axis, which a flip turns round."""
    return x * 0 + torch.arange(x.shape[2]).reshape(1, 1, -1, 1, 1)


def blended(forward: Forward, data: np.ndarray, patch: tuple, axes: tuple = ()) -> np.ndarray:
    padded, inner = pad(data, patch)
    accumulator = LogitAccumulator(len(data), padded.shape[1:], torch.device("cpu"))
    for position in tiles(padded.shape[1:], patch, 0.5):
        tile = torch.from_numpy(padded[(slice(None), *position)])
        accumulator.add(mean_over_mirrorings(forward, tile[None], axes, 1)[0], position)
    logits = accumulator.member_logits(inner)
    accumulator.finish_member(1.0)
    np.testing.assert_array_equal(accumulator.logits(inner), logits)
    return logits


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
        assert sorted({position[axis].start for position in ours}) == sorted(set(starts[axis]))
        assert ours[-1][axis].stop == shape[axis]
    assert len(ours) == np.prod([len(axis) for axis in starts])


@given(
    depth=st.integers(1, 20),
    shape=st.tuples(*[st.integers(8, 60)] * 2),
    patch=st.tuples(*[st.integers(4, 8)] * 2),
    step=st.sampled_from([0.3, 0.5, 0.75, 1.0]),
)
def test_tiles_of_one_slice_are_stocks_on_every_slice(
    depth: int, shape: tuple, patch: tuple, step: float
) -> None:
    from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window

    high, wide = compute_steps_for_sliding_window(shape, patch, step)
    volume, tile = (depth, *shape), (1, *patch)
    ours = list(tiles(volume, tile, step))
    starts = [tuple(side.start for side in position) for position in ours]
    assert sorted(starts) == sorted((z, y, x) for z in range(depth) for y in high for x in wide)
    assert count_tiles(volume, tile, step) == len(ours)
    seen = np.zeros(volume, int)
    for position in ours:
        seen[position] += 1
        assert seen[position].shape == tile
    assert seen.min() >= 1


@given(size=st.integers(1, 40), step=st.sampled_from([0.5, 0.75, 1.0]))
def test_of_a_3d_patch_one_voxel_thick_no_tile_comes_twice(size: int, step: float) -> None:
    """Stock's steps are shorter than a voxel there, and round to the same slice again."""
    from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window

    (theirs, *_) = compute_steps_for_sliding_window((size, 8, 8), (1, 8, 8), step)
    assert [z.start for z, _, _ in tiles((size, 8, 8), (1, 8, 8), step)] == sorted(set(theirs))


@pytest.mark.parametrize("patch", [(16, 16), (112, 160), (320, 320)])
def test_importance_of_a_slice_is_stocks_of_two_axes(patch: tuple) -> None:
    from nnunetv2.inference.sliding_window_prediction import compute_gaussian

    stock = compute_gaussian(patch, 1 / 8, 10, device=torch.device("cpu")).float().numpy()
    np.testing.assert_array_equal(importance((1, *patch)), stock[None])


@pytest.mark.parametrize("patch", [(16, 16, 16), (12, 20, 28), (64, 32, 8)])
def test_importance_is_stock_importance(patch: tuple) -> None:
    from nnunetv2.inference.sliding_window_prediction import compute_gaussian

    stock = compute_gaussian(patch, 1 / 8, 10, device=torch.device("cpu")).float().numpy()
    np.testing.assert_array_equal(importance(patch), stock)
    assert importance(patch).min() > 0


@given(
    shape=st.tuples(*[st.integers(1, 60)] * 3),
    patch=st.tuples(*[st.integers(4, 24)] * 3),
    step=st.sampled_from([0.5, 0.75, 1.0]),
)
def test_tiles_are_counted_before_they_are_made(shape: tuple, patch: tuple, step: float) -> None:
    padded = tuple(max(size, side) for size, side in zip(shape, patch, strict=True))
    assert count_tiles(shape, patch, step) == len(list(tiles(padded, patch, step)))


@pytest.mark.parametrize("shape", [(9, 13, 11), (4, 30, 5)])
def test_blending_returns_the_volume(shape: tuple) -> None:
    data = np.random.default_rng(0).integers(-8, 8, (2, *shape)).astype(np.float32)
    logits = blended(torch.clone, data, (8, 8, 8), (0, 1, 2))
    assert logits.shape == data.shape
    middle = (slice(None), *(slice(s // 4, s - s // 4) for s in shape))
    np.testing.assert_allclose(logits[middle], data[middle], atol=0.02)


def test_mirroring_averages_over_the_flips() -> None:
    data = np.zeros((1, 8, 8, 8), np.float32)
    once, both = blended(ramp, data, (8, 8, 8)), blended(ramp, data, (8, 8, 8), (0,))
    assert once[0, 2, 4, 4] == pytest.approx(2, abs=0.01)
    assert both[0, 2, 4, 4] == pytest.approx(3.5, abs=0.01)
    np.testing.assert_allclose(blended(ramp, data, (8, 8, 8), (1, 2)), once, atol=0.01)
    assert mirrorings((0, 2)) == [(), (0,), (2,), (0, 2)]


@pytest.mark.parametrize("together", [2, 3, 8])
def test_mirrored_tiles_may_run_together(together: int) -> None:
    sizes = []

    def forward(x: torch.Tensor) -> torch.Tensor:
        sizes.append(len(x))
        return ramp(x) + x

    tiles = torch.arange(3 * 2 * 4 * 4 * 4.0).reshape(3, 2, 4, 4, 4)
    one_by_one = mean_over_mirrorings(forward, tiles, (0, 1, 2), 1)
    assert sizes == [1] * 24
    sizes.clear()
    torch.testing.assert_close(
        mean_over_mirrorings(forward, tiles, (0, 1, 2), together), one_by_one
    )
    assert sum(sizes) == 24
    assert max(sizes) == together
    for n, tile in enumerate(tiles):
        single = mean_over_mirrorings(forward, tile[None], (0, 1, 2), together)
        torch.testing.assert_close(single[0], one_by_one[n])


def test_what_is_known_of_a_tile_is_not_run_again() -> None:
    sizes = []

    def forward(x: torch.Tensor) -> torch.Tensor:
        sizes.append(len(x))
        return ramp(x) + x

    tiles = torch.arange(2 * 4 * 4 * 4.0).reshape(1, 2, 4, 4, 4)
    whole = mean_over_mirrorings(forward, tiles, (0, 1), 4)
    known = mean_over_mirrorings(forward, tiles, (), 1)
    sizes.clear()
    torch.testing.assert_close(mean_over_mirrorings(forward, tiles, (0, 1), 4, known), whole)
    assert sum(sizes) == 3


def test_members_are_averaged_voxel_by_voxel_with_their_weights() -> None:
    """One member sees everything and says 2; another, of a third of its weight, stops midway."""
    accumulator = LogitAccumulator(1, (4, 4, 8), torch.device("cpu"))
    everywhere = (slice(None),) * 3
    for x in (0, 4):
        accumulator.add(torch.full((1, 4, 4, 4), 2.0), (slice(0, 4), slice(0, 4), slice(x, x + 4)))
    accumulator.finish_member(3.0)
    accumulator.add(torch.full((1, 4, 4, 4), 6.0), (slice(0, 4), slice(0, 4), slice(0, 4)))
    np.testing.assert_allclose(
        accumulator.member_logits(everywhere)[0, 2, 2], [6] * 4 + [0] * 4, rtol=2e-3
    )
    np.testing.assert_allclose(accumulator.logits(everywhere)[0, 2, 2], [2] * 8, rtol=2e-3)
    accumulator.finish_member(1.0)
    np.testing.assert_allclose(
        accumulator.logits(everywhere)[0, 2, 2], [3] * 4 + [2] * 4, rtol=2e-3
    )


def test_where_nobody_looked_nothing_is_said() -> None:
    accumulator = LogitAccumulator(2, (4, 4, 4), torch.device("cpu"))
    assert not accumulator.logits((slice(None),) * 3).any()


def test_the_answer_of_a_backend_may_be_overwritten() -> None:
    """OpenVINO answers into one and the same memory."""
    memory = torch.empty(1, 1, 2, 2, 2)

    def forward(x: torch.Tensor) -> torch.Tensor:
        return memory.copy_(x)

    tiles = torch.arange(16.0).reshape(2, 1, 2, 2, 2)
    torch.testing.assert_close(mean_over_mirrorings(forward, tiles, (0, 1), 1), tiles)
    torch.testing.assert_close(mean_over_mirrorings(forward, tiles, (), 1), tiles)


def test_sums_beyond_half_precision_are_noticed_and_fit_into_single_precision() -> None:
    """Ten times a logit of 7000 is more than the 65504 that half precision holds."""
    sums, everywhere = LogitAccumulator(1, (4, 4, 4), torch.device("cpu")), (slice(0, 4),) * 3
    logits = torch.full((1, 4, 4, 4), 7000.0)
    sums.add(logits, everywhere)
    assert sums.overflows()
    sums.restart_member()
    sums.add(logits, everywhere)
    assert not sums.overflows()
    sums.finish_member(1.0)
    np.testing.assert_allclose(sums.logits(everywhere), 7000.0)
    sums.add(torch.full((1, 4, 4, 4), -7000.0), everywhere)  # the next member starts anew
    assert sums.overflows()


def test_logits_that_are_no_numbers_are_noticed() -> None:
    sums = LogitAccumulator(2, (4, 4, 4), torch.device("cpu"))
    logits = torch.zeros((2, 4, 4, 4))
    logits[1, 2, 3, 1] = torch.nan
    sums.add(logits, (slice(0, 4),) * 3)
    assert sums.overflows()
