"""How many tiles a GPU takes together: by memory, by the largest tensor, in few sizes."""

import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from ensemble.batch_size import (
    PassMemory,
    batch_sizes,
    batch_that_fits,
    largest_power_of_two,
    trace_pass,
)
from ensemble.network import build_network
from ensemble.plans import read_plan
from lab.training.random_networks import plans_of

GIB = 2**30


def memory_of(network: str, patch: tuple[int, int, int], channels: int) -> PassMemory:
    plan = read_plan(plans_of(network, patch, channels), "3d_fullres")
    return trace_pass(build_network(plan, channels, 5), (channels, *patch))


def test_the_peak_of_a_pass_is_that_of_its_tensors_alive_at_once() -> None:
    """A concatenation of 2 x 8 channels of 16³ voxels in half precision, and what it is made of."""

    class Joined(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv3d(1, 8, 3, padding=1, device="meta")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            features = self.conv(x)
            return torch.cat([features, features], 1)

    voxels = 16**3
    memory = trace_pass(Joined(), (1, 16, 16, 16))
    assert memory == PassMemory((1 + 8 + 16) * voxels * 2, 16 * voxels)


@pytest.mark.parametrize(
    ("network", "patch", "channels", "gib", "by_free_gib"),
    [
        ("plain-6", (128, 160, 112), 4, 0.917, {15: 8, 23: 8, 139: 8, 4: 2}),
        ("resenc-l", (160, 192, 160), 1, 1.644, {15: 4, 23: 4, 139: 4, 4: 1}),
        ("resenc-l", (192, 192, 192), 1, 2.368, {15: 2, 23: 4, 139: 4, 1: 1}),
    ],
)
def test_networks_of_real_size_on_a_t4_an_a10g_and_an_h200(
    network: str,
    patch: tuple[int, int, int],
    channels: int,
    gib: float,
    by_free_gib: dict[int, int],
) -> None:
    """A second hand's trace with channels last, whose copies take a seventh more: 1.05, 1.96, 2.8.

    Eight tiles of ResEnc-L would have tensors of more than 2**31 elements.
    """
    memory = memory_of(network, patch, channels)
    assert memory.peak_bytes / GIB == pytest.approx(gib, abs=0.01)
    for free_gib, batch in by_free_gib.items():
        assert batch_that_fits(memory, free_gib * GIB, 8) == batch


@pytest.mark.parametrize("network", ["PlainConvUNet", "ResidualEncoderUNet", "AttentionUNet"])
def test_a_trace_is_linear_in_the_voxels(network: str) -> None:
    built = build_network(read_plan(tiny.plans(network=network), "3d_fullres"), 4, 5)
    small, large = trace_pass(built, (4, 16, 16, 16)), trace_pass(built, (4, 32, 16, 16))
    assert large.largest_elements == 2 * small.largest_elements
    assert large.peak_bytes == pytest.approx(2 * small.peak_bytes, rel=0.01)


def test_the_scores_of_a_transformer_are_counted() -> None:
    """Two heads of 12 tokens: 2 x 12 x 12 scores and their softmax, in single precision."""
    query = torch.empty((1, 2, 12, 6), dtype=torch.half, device="meta")

    class Attention(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functional.scaled_dot_product_attention(x, x, x)

    memory = trace_pass(Attention(), (2, 12, 6))
    assert memory.peak_bytes == 2 * query.nbytes + 2 * 4 * 2 * 12 * 12


@pytest.mark.parametrize("network", ["Primus", "PrimusV2", "PrimusV3"])
def test_a_transformer_is_traced(network: str) -> None:
    built = build_network(read_plan(tiny.primus_plans(network), "3d_fullres"), 4, 5)
    tile_bytes = 4 * 16 * 16 * 24 * 2
    assert trace_pass(built, (4, 16, 16, 24)).peak_bytes > tile_bytes


def test_no_tensor_has_more_elements_than_libraries_count() -> None:
    memory = PassMemory(1, 2**29)
    assert batch_that_fits(memory, 2**40, 8) == 2  # four would have 2**31
    assert batch_that_fits(PassMemory(1, 2**29 - 1), 2**40, 8) == 4
    assert batch_that_fits(PassMemory(2**40, 2**40), 1, 8) == 1  # one tile is always tried


@given(st.integers(1, 200), st.integers(1, 64))
def test_all_tiles_run_once_in_few_sizes(count: int, most: int) -> None:
    sizes = list(batch_sizes(count, most))
    assert sum(sizes) == count
    assert max(sizes) <= most
    rest = [size for size in sizes if size != most]
    assert rest == sorted(set(rest), reverse=True)  # each power of two at most once
    assert all(size == largest_power_of_two(size) for size in rest)
