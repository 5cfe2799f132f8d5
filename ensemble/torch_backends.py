"""How torch runs a network: from a module to a function of tiles, one function a backend."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from ensemble.channels_last import channels_last as lay_out_channels_last
from ensemble.channels_last import keep_channels_last
from ensemble.cuda_graphs import GraphedForward

# Tiles (n, channel, z, y, x) float32 on the backend's device -> logits (n, channel, z, y, x) there.
# The output may be overwritten by the next call.
Forward = Callable[[torch.Tensor], torch.Tensor]


def stock(network: nn.Module, shape: tuple[int, ...], device: torch.device) -> Forward:
    """Stock nnU-Net's way: float32 on the CPU, half-precision autocast on a GPU.

    InstanceNorm3d drops channels_last_3d, so on a GPU the plain layout comes first among the
    backends. Whether cuDNN times its kernels for each shape (`torch.backends.cudnn.benchmark`) is
    the engine's choice, for all backends of the process.
    """
    network = network.to(device)
    if device.type == "cuda":
        halve_convolutions(network)

    def forward(tiles: torch.Tensor) -> torch.Tensor:
        # No cache of cast weights: none of them asks for a gradient, so it would stay empty.
        with torch.autocast(device.type, enabled=device.type == "cuda", cache_enabled=False):
            logits: torch.Tensor = network(tiles)
        return logits

    return forward


def single(network: nn.Module, shape: tuple[int, ...], device: torch.device) -> Forward:
    """Run in single precision, which a GPU is slow at: where half precision overflows."""
    return network.to(device)


def channels_last(network: nn.Module, shape: tuple[int, ...], device: torch.device) -> Forward:
    """Keep the layout that tensor cores read, from the tile to the logits."""
    plain = stock(keep_channels_last(network), shape, device)
    return lambda tiles: plain(lay_out_channels_last(tiles))


def fused(network: nn.Module, shape: tuple[int, ...], device: torch.device) -> Forward:
    """Run norms with the sums and activations after them as one operation each, channels last.

    Raises:
        KernelError: Triton cannot compile it here, or it computes other numbers.
    """
    from ensemble.fused_blocks import fuse_norms
    from ensemble.fused_norm import check_kernels

    check_kernels(device)
    return channels_last(fuse_norms(network), shape, device)


def graphs(network: nn.Module, shape: tuple[int, ...], device: torch.device) -> Forward:
    """Start all kernels of a pass by one call.

    Raises:
        ValueError: the network runs on the CPU.
    """
    if getattr(network, "runs_on_cpu", False):
        raise ValueError("an ONNX program runs on the CPU")
    return GraphedForward("graphs", stock(network, shape, device), device)


def fused_graphs(network: nn.Module, shape: tuple[int, ...], device: torch.device) -> Forward:
    """Start all kernels of a pass of `fused` by one call.

    Raises:
        ValueError: the network runs on the CPU.
    """
    if getattr(network, "runs_on_cpu", False):
        raise ValueError("an ONNX program runs on the CPU")
    return GraphedForward("fused-graphs", fused(network, shape, device), device)


def compiled(network: nn.Module, shape: tuple[int, ...], device: torch.device) -> Forward:
    """Run what torch.compile makes of a network, for each number of tiles anew."""
    module = torch.compile(network.to(device), dynamic=False)
    return stock(module, shape, device)  # type: ignore[arg-type]  # a callable, moved already


def halve_convolutions(network: nn.Module) -> nn.Module:
    """Cast the weights of convolutions and transposed convolutions to half precision, in place.

    Autocast keeps what it has cast only for weights that ask for a gradient, so it casts frozen
    ones anew in every pass. It rounds each value as this does, so the numbers are the same: on a
    CPU, logits under autocast are equal to the bit for every kind of network. The parameters of
    norms stay in float32, as under autocast; those of other modules are left to it.
    """
    for module in network.modules():
        if isinstance(module, _ConvNd):
            module.to(torch.half)
    return network
