"""MedNeXt has its authors' weights by name and size, and computes what the paper says."""

from collections.abc import Mapping

import pytest
import tiny
import torch
from torch.nn import functional as f

from ensemble.mednext import MedNeXt
from ensemble.network import build_network, fill_network
from ensemble.plans import PlansError, read_plan
from lab.training.network_sizes import MEDNEXT_SIZES

Weights = Mapping[str, torch.Tensor]
# Parameters in millions, of the README of MIC-DKFZ/MedNeXt, to one place.
PUBLISHED = {
    **{("S", 3): 5.6, ("B", 3): 10.5, ("M", 3): 17.6, ("L", 3): 61.8},
    **{("S", 5): 5.9, ("B", 5): 11.0, ("M", 5): 18.3, ("L", 5): 63.0},
}
# Some weights of MedNeXt-B with kernel 3 as the authors' checkpoints have them.
AUTHORS = {
    "stem.weight": (32, 4, 1, 1, 1),
    "enc_block_0.1.conv1.weight": (32, 1, 3, 3, 3),
    "enc_block_1.0.conv2.weight": (192, 64, 1, 1, 1),
    "down_0.conv3.weight": (64, 96, 1, 1, 1),
    "down_3.res_conv.weight": (512, 256, 1, 1, 1),
    "bottleneck.1.norm.weight": (512,),
    "up_3.conv1.weight": (512, 1, 3, 3, 3),
    "up_0.conv3.weight": (32, 128, 1, 1, 1),
    "up_0.res_conv.weight": (64, 32, 1, 1, 1),
    "dec_block_0.1.conv3.bias": (32,),
    "out_0.conv_out.weight": (32, 5, 1, 1, 1),
    "out_4.conv_out.weight": (512, 5, 1, 1, 1),
    "dummy_tensor": (1,),
}


@pytest.mark.parametrize(("size", "kernel"), PUBLISHED)
def test_each_size_has_the_published_number_of_parameters(size: str, kernel: int) -> None:
    arguments = {"kernel_size": kernel, "supervised": False, **MEDNEXT_SIZES[size]}
    with torch.device("meta"):
        network = MedNeXt(input_channels=1, num_classes=13, **arguments)
    millions = sum(value.numel() for value in network.parameters()) / 1e6
    assert millions == pytest.approx(PUBLISHED[size, kernel], abs=0.1)


def test_weights_are_called_as_the_authors_call_them() -> None:
    with torch.device("meta"):
        network = MedNeXt(input_channels=4, num_classes=5, **MEDNEXT_SIZES["B"])
    sizes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert {name: sizes[name] for name in AUTHORS} == AUTHORS
    blocks, resampling, heads = 18 * 8, 8 * 10, 5 * 2
    assert len(sizes) == 2 + blocks + resampling + heads + 1


def mixed(w: Weights, at: str, x: torch.Tensor, kernel: int, how: str) -> torch.Tensor:
    """One block by hand: depthwise, norm of each channel, expansion, GELU, compression."""
    weight, bias = w[f"{at}.conv1.weight"], w[f"{at}.conv1.bias"]
    settings = {"padding": kernel // 2, "groups": len(weight)}
    if how == "up":
        x = f.conv_transpose3d(x, weight, bias, stride=2, **settings)
    else:
        x = f.conv3d(x, weight, bias, stride=2 if how == "down" else 1, **settings)
    mean, variance = x.mean((2, 3, 4), True), x.var((2, 3, 4), unbiased=False, keepdim=True)
    scale, shift = (w[f"{at}.norm.{each}"].view(1, -1, 1, 1, 1) for each in ("weight", "bias"))
    x = (x - mean) / (variance + 1e-5).sqrt() * scale + shift
    x = f.conv3d(x, w[f"{at}.conv2.weight"], w[f"{at}.conv2.bias"])
    x = x * 0.5 * (1 + torch.erf(x / 2**0.5))
    return f.conv3d(x, w[f"{at}.conv3.weight"], w[f"{at}.conv3.bias"])


def by_hand(w: Weights, x: torch.Tensor, kernel: int) -> torch.Tensor:
    """One block a stage, written out."""
    x, skips = f.conv3d(x, w["stem.weight"], w["stem.bias"]), []
    for level in range(4):
        x = x + mixed(w, f"enc_block_{level}.0", x, kernel, "same")
        skips.append(x)
        at = f"down_{level}"
        short = f.conv3d(x, w[f"{at}.res_conv.weight"], w[f"{at}.res_conv.bias"], stride=2)
        x = short + mixed(w, at, x, kernel, "down")
    x = x + mixed(w, "bottleneck.0", x, kernel, "same")
    for level in (3, 2, 1, 0):
        at = f"up_{level}"
        weight, bias = w[f"{at}.res_conv.weight"], w[f"{at}.res_conv.bias"]
        short = f.conv_transpose3d(x, weight, bias, stride=2)
        whole = torch.zeros_like(skips[level])
        whole[:, :, 1:, 1:, 1:] = short + mixed(w, at, x, kernel, "up")
        x = skips[level] + whole
        x = x + mixed(w, f"dec_block_{level}.0", x, kernel, "same")
    return f.conv_transpose3d(x, w["out_0.conv_out.weight"], w["out_0.conv_out.bias"])


@pytest.mark.parametrize("kernel", [3, 5])
def test_a_pass_is_the_papers(kernel: int) -> None:
    plan = read_plan(tiny.mednext_plans(kernel_size=kernel), "3d_fullres")
    network = build_network(plan, 4, 5)
    weights = tiny.random_weights(network, seed=2)
    fill_network(network, weights)
    tile = torch.randn((2, 4, 16, 32, 16), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits, expected = network(tile), by_hand(weights, tile, kernel)
    assert logits.shape == (2, 5, 16, 32, 16)
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)
    assert expected.std() > 0.1


@pytest.mark.parametrize(
    "arguments", [{"kernel_size": 4}, {"exp_r": [2] * 5}, {"block_counts": [2] * 8}, {"depth": 1}]
)
def test_what_is_no_mednext_is_refused_by_name(arguments: dict) -> None:
    with pytest.raises(PlansError, match=r"plans\.json: MedNeXt cannot be built"):
        build_network(read_plan(tiny.mednext_plans(**arguments), "3d_fullres"), 4, 5)


def test_under_deep_supervision_every_head_answers_and_the_finest_as_without_it() -> None:
    sizes = {"n_channels": 2, "exp_r": [1] * 9, "block_counts": [1] * 9}
    network = MedNeXt(input_channels=4, num_classes=3, deep_supervision=True, **sizes)
    tile = torch.randn(1, 4, 32, 16, 16)
    logits = network(tile)
    assert [tuple(each.shape) for each in logits] == [
        (1, 3, 32 // by, 16 // by, 16 // by) for by in (1, 2, 4, 8, 16)
    ]
    network.deep_supervision = False
    assert torch.equal(network(tile), logits[0])
    with pytest.raises(ValueError, match="deep supervision needs its heads"):
        MedNeXt(input_channels=4, num_classes=3, deep_supervision=True, supervised=False)
