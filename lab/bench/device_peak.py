"""The most that a device computes, by which the engine is measured."""

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

SIDE = {"cuda": 8192, "cpu": 3072}  # of the matrices
CHANNELS = VOXELS = 64  # of the convolution: channels, and voxels along each axis
REPEATS = 6
Kernel = tuple[float, Callable[[], object]]  # operations, and what computes them


def device_peak(device: str) -> float:
    """Return the most FLOP/s that the device shows: float32, half precision on a GPU.

    Of a matrix product, and on a CPU of a convolution, where libraries come nearest to the metal.
    """
    measured = [_product(device)]
    if device == "cpu":
        measured.append(_convolution())
    best = 0.0
    for operations, run in measured * REPEATS:
        started = time.perf_counter()
        run()
        best = max(best, operations / (time.perf_counter() - started))
    return best


def _product(device: str) -> Kernel:
    side = SIDE[device]
    a = torch.randn(side, side)
    if device == "cuda":
        a = a.to(device, torch.half)
    return 2 * side**3, lambda: (a @ a)[0, 0].item()  # waits for the device


def _convolution() -> Kernel:
    """Return OpenVINO's convolution, or torch's where OpenVINO is not installed."""
    operations = 2.0 * 27 * CHANNELS**2 * VOXELS**3
    image, weights = (1, CHANNELS, *(VOXELS,) * 3), (CHANNELS, CHANNELS, 3, 3, 3)
    if find_spec("openvino"):
        return operations, _by_openvino(image, weights)
    x, w = torch.ones(image), torch.ones(weights)
    return operations, lambda: torch.conv3d(x, w, padding=1)


def _by_openvino(image: tuple[int, ...], weights: tuple[int, ...]) -> Callable[[], Any]:
    import openvino
    from openvino import opset13 as ops

    x = ops.parameter(list(image), np.float32)
    w = ops.constant(np.ones(weights, np.float32))
    convolved = ops.convolution(x, w, [1] * 3, [1] * 3, [1] * 3, [1] * 3)
    model = openvino.Model([convolved], [x])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    array = np.ones(image, np.float32)
    return lambda: compiled([array])
