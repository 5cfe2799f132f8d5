"""Networks of every kind have a cost, and random weights that leave activations alive."""

import pytest
import torch
from torch import nn

from ensemble.network import build_network, fill_network
from ensemble.plans import read_plan
from lab.training.random_networks import flops_of_a_pass, plans_of, random_weights

PATCH = (32, 32, 32)
CONVOLUTIONS = (nn.Conv3d, nn.ConvTranspose3d, nn.Linear)


def built(name: str) -> nn.Module:
    network = build_network(read_plan(plans_of(name, PATCH, 4), "3d_fullres"), 4, 5)
    fill_network(network, random_weights(network, 0))
    return network


def multiplications(network: nn.Module) -> int:
    """Count those of layers with weights: each weight once a voxel or token."""
    total = 0

    def count(module: nn.Module, images: tuple[torch.Tensor, ...], answer: torch.Tensor) -> None:
        nonlocal total
        weight: torch.Tensor = module.weight  # type: ignore[assignment]
        if isinstance(module, nn.Linear):
            total += weight.numel() * answer[..., 0].numel()
        else:
            image = images[0] if isinstance(module, nn.ConvTranspose3d) else answer
            total += weight.numel() * image[0, 0].numel()

    for module in network.modules():
        if isinstance(module, CONVOLUTIONS):
            module.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.randn(1, 4, *PATCH))
    return total


@pytest.mark.parametrize("name", ["tiny", "tiny-mednext"])
def test_a_pass_costs_two_operations_a_weight_and_voxel(name: str) -> None:
    flops = flops_of_a_pass(plans_of(name, PATCH, 4), 4, 5)
    assert flops == 2 * multiplications(built(name))


@pytest.mark.parametrize("name", ["tiny-primus", "tiny-primusv2", "tiny-primusv3"])
def test_a_pass_of_a_transformer_costs_its_attention_too(name: str) -> None:
    tokens, features, blocks = 4**3, 12, 2
    attention = blocks * 2 * tokens**2 * features  # of queries and keys, and of values
    flops = flops_of_a_pass(plans_of(name, PATCH, 4), 4, 5)
    assert flops == 2 * (multiplications(built(name)) + attention)


@pytest.mark.parametrize("name", ["tiny-mednext", "tiny-primus", "tiny-primusv2", "tiny-primusv3"])
def test_random_weights_leave_activations_alive(name: str) -> None:
    with torch.inference_mode():
        answer = built(name)(torch.randn(1, 4, *PATCH))
    assert torch.isfinite(answer).all()
    assert 0.02 < answer.std() < 50
