"""A 2-D network over tiles of one slice: its numbers on every backend, its memory, its tiles."""

import math
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from fake_gpu import FakeGpu
from small_models import packed, scan
from torch import nn

from ensemble.backends import BACKENDS
from ensemble.batch_size import MOST_VOXELS, batch_that_fits, trace_pass
from ensemble.budget import Budget
from ensemble.channels_last import LAYOUTS, channels_last, keep_channels_last
from ensemble.engine import Engine
from ensemble.loaded_networks import half_patch
from ensemble.member_average import plan_deadline
from ensemble.network import build_network, fill_network
from ensemble.openvino_graph import convert
from ensemble.plans import Plan, PlansError, read_plan
from ensemble.predict import predict
from ensemble.prepared_case import orient_case
from ensemble.slice_network import over_tiles
from lab.training.network_sizes import PRIMUS_ARGUMENTS

CPU = torch.device("cpu")
SHAPE = (1, 4, 1, 16, 24)
TOLERANCE = {"torch": 0, "openvino": 1e-4, "openvino-bf16": 0.1, "channels-last": 1e-4}
KINDS = {
    "plain": {},
    "residual": {"network": "ResidualEncoderUNet"},
    "gated": {"network": "AttentionUNet"},
}
GIB = 2**30


def plan(**changes: object) -> Plan:
    return read_plan(tiny.plans((1, 1), (16, 24), **changes), "2d")


def bare(kind: str) -> nn.Module:
    """A network of slices (n, channel, y, x)."""
    built = build_network(plan(**KINDS[kind]), 4, 5)
    fill_network(built, tiny.random_weights(built, seed=1))
    return built.requires_grad_(False).eval()


def network(kind: str) -> nn.Module:
    return over_tiles(bare(kind), plan())


def tile(seed: int = 0, n: int = 1) -> torch.Tensor:
    return torch.randn((n, *SHAPE[1:]), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("backend", TOLERANCE)
@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_a_backend_gives_the_logits_of_the_slice(kind: str, backend: str) -> None:
    if reason := BACKENDS[backend].why_not(CPU):
        pytest.skip(reason)
    expected = bare(kind)(tile()[:, :, 0])
    forward = BACKENDS[backend].make(network(kind), SHAPE, CPU)
    forward(tile(seed=1))  # the logits of another tile do not linger
    logits = forward(tile()).clone()
    assert logits.shape == (1, 5, 1, 16, 24)
    off = float((logits[:, :, 0] - expected).abs().max() / expected.std())
    assert off <= TOLERANCE[backend]
    assert expected.std() > 0.1


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_every_convolution_of_slices_gets_channels_last(kind: str, n: int) -> None:
    expected = network(kind).double()(tile(n=n).double())
    changed = keep_channels_last(network(kind).double())
    seen: list[bool] = []
    for module in changed.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            assert module.weight.is_contiguous(memory_format=LAYOUTS[4])
            module.register_forward_pre_hook(
                lambda _, inputs: seen.append(inputs[0].is_contiguous(memory_format=LAYOUTS[4]))
            )
    logits = changed(channels_last(tile(n=n).double()))
    assert len(seen) >= 8 and all(seen)
    torch.testing.assert_close(logits, expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_openvino_holds_no_copy_of_what_a_skip_joins(kind: str) -> None:
    operations = [op.get_type_name() for op in convert(network(kind), SHAPE).get_ordered_ops()]
    assert "Concat" not in operations and "Convolution" in operations


def test_half_a_patch_is_half_a_slice() -> None:
    assert half_patch(read_plan(tiny.plans((1, 1), (32, 48)), "2d")) == (1, 16, 24)


def test_many_slices_run_together_where_one_volume_does() -> None:
    """As many voxels as eight tiles of 128x160x112 have, where the memory is there."""
    patch = (1, 192, 160)
    built = over_tiles(build_network(plan(), 4, 5), plan())
    memory = trace_pass(built, (4, *patch))
    most = MOST_VOXELS // math.prod(patch)
    assert most == 597
    assert batch_that_fits(memory, 139 * GIB, most) == 512
    assert batch_that_fits(memory, 1 * GIB, most) < 512


def test_slices_run_in_batches_on_a_gpu_and_give_the_processors_answer(
    tmp_path: Path, gpu: FakeGpu
) -> None:
    source = tiny.train(
        tmp_path / "f", tiny.plans((1, 1), (16, 24)), tiny.dataset(), mirror_axes=(0, 1)
    )
    model, case = packed(tmp_path, source), scan((3, 20, 30), (1, 1, 1), 0)
    (expected,) = predict(case, model, Engine(CPU))
    engine = Engine(torch.device("cuda:0"))
    (prediction,) = predict(case, model, engine)
    (ran,) = engine.description()["networks"].values()
    assert ran["batch"] == 32  # of 3 slices with 2 x 2 tiles each, seen in four mirrorings: 48
    assert np.abs(prediction.probabilities - expected.probabilities).max() < 0.05


def test_the_deadline_counts_slices_and_the_flips_of_a_slice(tmp_path: Path) -> None:
    sources = [
        tiny.train(
            tmp_path / "a", tiny.plans((1, 1), (16, 24)), tiny.dataset(), mirror_axes=(0, 1)
        ),
        tiny.train(tmp_path / "b", tiny.plans(), tiny.dataset()),
    ]
    model, case = packed(tmp_path, *sources), scan((9, 24, 36), (3, 1, 1), 0)
    planner = plan_deadline(orient_case(case, model.members), model, model.members, Budget())
    slices, volume = planner.work
    # 2 x 2 tiles on each of 9 slices, at every step; 27 x 24 x 36 voxels at 1 mm.
    assert dict(slices.tiles) == {0.5: 9 * 2 * 2, 0.75: 9 * 2 * 2, 1.0: 9 * 2 * 2}
    assert (slices.voxels, slices.mirror_axes) == (16 * 24, (1, 2))
    assert dict(volume.tiles) == {0.5: 3 * 2 * 4, 0.75: 2 * 2 * 3, 1.0: 2 * 2 * 3}
    assert planner.full.axes == 3
    assert slices.passes_a_tile(planner.full) == 4


def test_networks_of_volumes_alone_are_not_built_of_slices() -> None:
    primus = {
        "network_class_name": "dynamic_network_architectures.architectures.primus.PrimusS",
        "arch_kwargs": dict(PRIMUS_ARGUMENTS),
    }
    with pytest.raises(PlansError, match="PrimusS is 3-D, 2d is 2-D"):
        build_network(plan(architecture=primus), 4, 5)
