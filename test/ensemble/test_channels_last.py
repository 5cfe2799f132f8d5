"""Tensors stay channels last through a whole network, and its numbers stay."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import tiny
import torch
from networks import NETWORKS, network
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from ensemble.channels_last import (
    LAYOUT,
    ChannelsLastAveragePool,
    ChannelsLastInstanceNorm,
    channels_last,
    keep_channels_last,
    replace_modules,
)
from ensemble.network import build_network
from ensemble.plans import read_plan
from lab.training.random_networks import plans_of

CONVOLUTIONS = (nn.Conv3d, nn.ConvTranspose3d)
ATEN = torch.ops.aten


def tiles(n: int, channels: int = 4) -> torch.Tensor:
    return torch.randn((n, channels, 16, 16, 24), generator=torch.Generator().manual_seed(n))


@contextmanager
def layouts_of_convolutions(module: nn.Module) -> Iterator[list[bool]]:
    """Whether each convolution that runs gets channels last, laid out as on a GPU."""
    seen: list[bool] = []

    def look(layer: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
        x, weight = inputs[0], layer.weight
        seen.append(is_channels_last(x))
        return as_on_a_gpu(output, x, weight)  # type: ignore[arg-type]

    layers = [layer for layer in module.modules() if isinstance(layer, CONVOLUTIONS)]
    hooks = [layer.register_forward_hook(look) for layer in layers]
    yield seen
    for hook in hooks:
        hook.remove()


def is_channels_last(x: torch.Tensor) -> bool:
    """Whether torch takes a tensor for channels last: with one channel it goes by the strides."""
    return x.is_contiguous(memory_format=LAYOUT) and x.stride(1) == 1


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_every_convolution_of_a_network_gets_channels_last(name: str, n: int) -> None:
    tile = tiles(n).double()  # in which a wrong number stands out from rounding
    expected = network(name).double()(tile)
    changed = keep_channels_last(network(name).double())
    with layouts_of_convolutions(changed) as seen:
        logits = changed(channels_last(tile))
    assert len(seen) >= (4 if name == "primus" else 8)
    assert all(seen)
    assert logits.is_contiguous(memory_format=LAYOUT)
    torch.testing.assert_close(logits, expected, atol=1e-9, rtol=1e-9)


@torch.inference_mode()
def test_one_channel_is_laid_out_like_several() -> None:
    """Both layouts of one channel are one, and torch would go on in the wrong one."""
    built = build_network(read_plan(tiny.plans(channels=1), "3d_fullres"), 1, 5)
    built.load_state_dict(tiny.random_weights(built, seed=1), assign=True)
    expected = built.requires_grad_(False)(tiles(2, 1))
    changed = keep_channels_last(built)
    with layouts_of_convolutions(changed) as seen:
        logits = changed(channels_last(tiles(2, 1)))
    assert all(seen)
    assert float((logits - expected).abs().max() / expected.std()) < 1e-4


def as_on_a_gpu(output: torch.Tensor, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """A convolution's output in the layout that it has on a GPU; a CPU's may have the plain one.

    It is channels last, where input or weight is: `cudnn_conv_suggest_memory_format` in torch's
    ATen/native/ConvUtils.h.
    """
    if is_channels_last(x) or is_channels_last(weight):
        return output.contiguous(memory_format=LAYOUT)
    return output


class LayoutCopies(TorchDispatchMode):
    """Counts copies into another layout, those too that a convolution makes of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = operation(*args, **kwargs or {})
        if operation is ATEN.convolution.default:
            self.count["convolution"] += not is_channels_last(args[0])
            result = as_on_a_gpu(result, args[0], args[1])
        elif operation in (ATEN.clone.default, ATEN.copy_.default, ATEN._to_copy.default):
            self.count["copy"] += 1
        return result


def count_copies(plans: Mapping[str, Any], channels: int, is_kept: bool) -> dict[str, int]:
    """Count the layout copies of a channels-last pass, without computing anything."""
    plan = read_plan(plans, "3d_fullres")
    built = build_network(plan, channels, 5)
    if is_kept:
        keep_channels_last(built)
    with FakeTensorMode(), torch.no_grad():
        for module in built.modules():
            for name, value in module._parameters.items():
                if value is not None:
                    layout = LAYOUT if value.dim() == 5 else torch.contiguous_format
                    empty = torch.empty(value.shape, memory_format=layout)
                    module._parameters[name] = nn.Parameter(empty, requires_grad=False)
        tile = channels_last(torch.empty((1, channels, *plan.patch)))
        with LayoutCopies() as copies:
            built(tile)
    return {"convolution": 0, "copy": 0} | dict(copies.count)


@pytest.mark.parametrize(
    ("name", "patch", "channels", "norms", "inputs"),
    [("plain-6", (128, 160, 112), 4, 22, 27), ("resenc-l", (160, 192, 160), 1, 62, 67)],
)
def test_no_layout_is_copied(
    name: str, patch: tuple[int, ...], channels: int, norms: int, inputs: int
) -> None:
    """Elsewhere torch's norms copy their input, and convolutions copy the norms' output back."""
    plans = plans_of(name, patch, channels)
    before = count_copies(plans, channels, is_kept=False)
    assert before == {"copy": norms, "convolution": inputs}
    assert count_copies(plans, channels, is_kept=True) == {"copy": 0, "convolution": 0}


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.half])
@torch.inference_mode()
def test_each_sample_is_normalised_by_the_statistics_of_that_sample(
    dtype: torch.dtype, affine: bool
) -> None:
    norm = nn.InstanceNorm3d(3, eps=1e-3, affine=affine)
    if affine:
        norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
        norm.bias.copy_(torch.tensor([0.0, -1.0, 5.0]))
    x = torch.randn(2, 3, 4, 5, 6) * 7 + torch.tensor([100.0, -3.0]).view(2, 1, 1, 1, 1)
    x = x.to(dtype)
    wide = x.double()
    expected = (wide - wide.mean((2, 3, 4), keepdim=True)) / (
        wide.var((2, 3, 4), keepdim=True, correction=0) + 1e-3
    ).sqrt()
    if affine:
        expected = expected * norm.weight.view(3, 1, 1, 1) + norm.bias.view(3, 1, 1, 1)
    normalised = ChannelsLastInstanceNorm(norm)(x)
    assert normalised.is_contiguous(memory_format=LAYOUT)
    assert normalised.dtype == dtype
    tolerance = 1e-4 if dtype == torch.float32 else 4e-3  # half a unit in the last place at 8
    torch.testing.assert_close(normalised.double(), expected, atol=tolerance, rtol=0)


def test_blocks_are_averaged_and_what_fills_none_is_left_out() -> None:
    x = torch.arange(2 * 3 * 4 * 5 * 6.0).reshape(2, 3, 4, 5, 6)
    pool = nn.AvgPool3d((2, 2, 1), (2, 2, 1))
    averaged = ChannelsLastAveragePool((2, 2, 1))(x)
    assert averaged.shape == (2, 3, 2, 2, 6)
    assert averaged.is_contiguous(memory_format=LAYOUT)
    assert averaged[0, 0, 0, 0, 0] == (0 + 6 + 30 + 36) / 4
    torch.testing.assert_close(averaged, pool(x))


def test_other_norms_and_poolings_stay() -> None:
    stay = [
        nn.InstanceNorm3d(4, track_running_stats=True),
        nn.BatchNorm3d(4),
        nn.AvgPool3d(3, stride=2, padding=1),
        nn.AvgPool3d(2, ceil_mode=True),
        nn.AvgPool3d(2, divisor_override=3),
    ]
    chain = keep_channels_last(nn.Sequential(*stay))
    assert list(chain) == stay


def test_a_module_is_replaced_once_under_all_its_names() -> None:
    """NnU-Net's blocks hold each norm by its name and again in a list, its decoder the encoder."""
    before = network("plain")
    norms = [module for module in before.modules() if isinstance(module, nn.InstanceNorm3d)]
    after = keep_channels_last(before)
    replaced = [m for m in after.modules() if isinstance(m, ChannelsLastInstanceNorm)]
    assert len(replaced) == len(norms)
    block = after.encoder.stages[0][0].convs[0]  # type: ignore[index, union-attr]
    assert block.norm is block.all_modules[1]
    assert after.decoder.encoder is after.encoder  # type: ignore[union-attr]
    names = [
        name
        for name, module in after.named_modules(remove_duplicate=False)
        if isinstance(module, nn.InstanceNorm3d)
    ]
    assert names == []


def test_only_named_modules_are_replaced() -> None:
    first, second = nn.ReLU(), nn.ReLU()
    parent = nn.Sequential(first, second)
    replace_modules(parent, {first: nn.Identity()})
    assert isinstance(parent[0], nn.Identity)
    assert parent[1] is second
