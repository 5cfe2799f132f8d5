"""A gate that is wide open leaves nnU-Net's U-Net; a gate that is shut takes the skip away."""

import pytest
import tiny
import torch

from ensemble.attention import AttentionUNet
from ensemble.network import build_network
from ensemble.plans import read_plan


def pair() -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return the plain network and the gated one, with the same weights where both have them."""
    plain, gated = (
        build_network(read_plan(tiny.plans(network=name), "3d_fullres"), 4, 5)
        for name in ("PlainConvUNet", "AttentionUNet")
    )
    plain.load_state_dict(tiny.random_weights(plain, seed=1), assign=True)
    weights = tiny.random_weights(gated, seed=2)
    weights.update({key: value for key, value in plain.state_dict().items()})
    gated.load_state_dict(weights, assign=True)
    return plain.requires_grad_(False).eval(), gated.requires_grad_(False).eval()


def set_gates(network: torch.nn.Module, logit: float) -> None:
    for gate in network.decoder.gates:
        gate.weight.weight.fill_(0)
        gate.weight.bias.fill_(logit)


def test_open_gates_are_the_plain_network() -> None:
    plain, gated = pair()
    tile = torch.randn((1, 4, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    set_gates(gated, 40.0)
    torch.testing.assert_close(gated(tile), plain(tile))
    set_gates(gated, -40.0)
    assert (gated(tile) - plain(tile)).abs().max() > 0.1


def test_shut_gates_hide_what_only_a_skip_tells() -> None:
    """One voxel's change, too fine for the stages below, does not pass any more."""
    _, gated = pair()
    for transposed in gated.decoder.transpconvs:  # what is left is the skips
        transposed.weight.fill_(0)
        transposed.bias.fill_(0)
    first, second = torch.zeros((1, 4, 16, 16, 16)), torch.zeros((1, 4, 16, 16, 16))
    second[0, 0, 8, 8, 8] = 5
    set_gates(gated, 40.0)
    assert not torch.equal(gated(first), gated(second))
    set_gates(gated, -200.0)
    torch.testing.assert_close(gated(first), gated(second))


@pytest.mark.parametrize("deep", [False, True])
def test_deep_supervision_gives_the_finest_first(deep: bool) -> None:
    arguments = read_plan(tiny.plans(network="AttentionUNet"), "3d_fullres").arguments
    operations = {
        "conv_op": torch.nn.Conv3d,
        "norm_op": torch.nn.InstanceNorm3d,
        "nonlin": torch.nn.LeakyReLU,
    }
    network = AttentionUNet(
        input_channels=4,
        num_classes=5,
        deep_supervision=deep,
        **arguments | operations,
    )
    output = network(torch.zeros((1, 4, 16, 16, 16)))
    shapes = [tuple(each.shape[2:]) for each in output] if deep else [tuple(output.shape[2:])]
    assert shapes == ([(16, 16, 16), (8, 8, 8)] if deep else [(16, 16, 16)])
