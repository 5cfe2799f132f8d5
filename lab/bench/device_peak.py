"""The most that a device computes, by which the engine is measured."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import openvino
import torch
from openvino import opset13 as ops


def device_peak(device: str) -> float:
    """Return the most FLOP/s that the device shows: float32, half precision on a GPU.

    Of a matrix product, and on a CPU of a convolution, where libraries come nearest to the metal.
    """
    size = 8192 if device == "cuda" else 3072
    a = torch.randn(size, size)
    if device == "cuda":
        a = a.to(device, torch.half)

    def product() -> None:
        (a @ a)[0, 0].item()  # waits for the device

    kernels: list[tuple[float, Callable[[], object]]] = [(2 * size**3, product)]
    if device == "cpu":
        x = ops.parameter([1, 64, 64, 64, 64], np.float32)
        w = ops.constant(np.ones((64, 64, 3, 3, 3), np.float32))
        convolved = ops.convolution(x, w, [1] * 3, [1] * 3, [1] * 3, [1] * 3)
        kernels.append((2 * 27 * 64**5, _by_openvino(convolved, [x])))
    best = 0.0
    for operations, run in kernels * 6:
        started = time.perf_counter()
        run()
        best = max(best, operations / (time.perf_counter() - started))
    return best


def _by_openvino(product: Any, inputs: list[Any]) -> Callable[[], object]:
    model = openvino.Model([product], inputs)
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    arrays = [np.ones(x.get_shape(), np.float32) for x in inputs]
    return lambda: compiled(arrays)
