"""A torch network as an OpenVINO model, operation by operation.

torch.fx lists what a network calls, and each call becomes one OpenVINO operation. OpenVINO's
importer runs the network to see that, which takes seconds a member; this takes a tenth of one.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import openvino
import torch
from openvino import opset13 as ops
from torch import fx, nn

Node = Any  # an OpenVINO node; the package's types are partial


class NotConvertible(ValueError):
    """The network holds an operation that has no counterpart here."""


def convert(network: nn.Module, shape: Sequence[int]) -> openvino.Model:
    """Return the OpenVINO model of a network for inputs of one shape (n, channel, z, y, x).

    Raises:
        NotConvertible: the message names the operation.
    """
    modules = dict(network.named_modules())
    nodes: dict[fx.Node, Node] = {}
    parts: dict[fx.Node, list[Node]] = {}  # of what is concatenated
    inputs: list[Node] = []
    for step in _steps(network):
        if step.op == "placeholder":
            inputs.append(ops.parameter(list(shape), np.float32))
            nodes[step] = inputs[-1]
        elif step.op == "call_module":
            x, joined = nodes[step.args[0]], parts.get(step.args[0])
            nodes[step] = _of_module(step.target, modules[step.target], x, joined)
        elif step.op == "call_function" and _is_channel_concatenation(step):
            parts[step] = [nodes[part] for part in step.args[0]]
            nodes[step] = ops.concat(parts[step], 1)
        elif step.op == "call_function" and step.target in FUNCTIONS and _is_of_nodes(step):
            nodes[step] = FUNCTIONS[step.target](*(nodes[part] for part in step.args))
        elif step.op == "call_method" and step.target in METHODS and not step.kwargs:
            part, *numbers = step.args
            nodes[step] = METHODS[step.target](nodes[part], np.array(numbers, np.int64))
        elif step.op == "output":
            return openvino.Model([nodes[step.args[0]]], inputs)
        else:
            raise NotConvertible(f"{step.op} {step.target}")
    raise NotConvertible("no output")


def _steps(network: nn.Module) -> Iterable[Any]:
    """List what a network calls.

    Raises:
        NotConvertible: what it calls depends on its input's shape or values, as in a transformer.
    """
    try:
        return fx.symbolic_trace(network).graph.nodes
    except Exception as error:  # its own code runs on a stand-in, and may raise anything
        reason = " ".join(str(error).split())
        raise NotConvertible(f"{type(network).__name__} cannot be traced: {reason}") from error


def _is_channel_concatenation(step: Any) -> bool:
    axis = step.kwargs.get("dim", step.args[1] if len(step.args) > 1 else 0)
    return step.target is torch.cat and len(step.args) > 0 and bool(axis == 1)


def _is_of_nodes(step: Any) -> bool:
    """Return whether a function gets other steps' results and nothing else."""
    return not step.kwargs and all(isinstance(part, fx.Node) for part in step.args)


def _of_module(name: str, module: nn.Module, x: Node, parts: Sequence[Node] | None) -> Node:
    if type(module) not in MODULES:
        raise NotConvertible(f"{name}: {type(module).__name__}")
    if isinstance(module, nn.Conv2d | nn.Conv3d) and parts:
        return _convolution_of_parts(module, parts)
    return MODULES[type(module)](module, x)


def _constant(values: torch.Tensor | None) -> Node:
    """Return values as a constant: the same memory where they are float32 and contiguous."""
    if values is None:
        raise NotConvertible("an operation without its weights")
    array = values.detach().cpu().float().contiguous().numpy()
    return ops.constant(array, shared_memory=True)


def _by_channel(values: torch.Tensor | None, node: Node) -> Node:
    """Return a value for each channel of a node."""
    sides = (1,) * (len(node.get_output_shape(0)) - 2)
    return _constant(None if values is None else values.reshape(1, -1, *sides))


def _biased(node: Node, bias: torch.Tensor | None) -> Node:
    return node if bias is None else ops.add(node, _by_channel(bias, node))


def _convolution(module: nn.Conv2d | nn.Conv3d, x: Node) -> Node:
    return _convolution_of_parts(module, [x])


def _convolution_of_parts(module: nn.Conv2d | nn.Conv3d, parts: Sequence[Node]) -> Node:
    """Convolve what lies side by side along the channels, each part with its share of the weights.

    A convolution is linear, so its results add up to that of the concatenation, which at full
    resolution would be the largest array of a pass.
    """
    if module.groups != 1 or isinstance(module.padding, str) or module.padding_mode != "zeros":
        raise NotConvertible(f"{module}")
    sizes = [part.get_output_shape(0)[1] for part in parts]
    pads = list(module.padding)
    strides, dilations = list(module.stride), list(module.dilation)
    convolved = [
        ops.convolution(part, _constant(weight), strides, pads, pads, dilations)
        for part, weight in zip(parts, module.weight.split(sizes, 1), strict=True)
    ]
    return _biased(reduce(ops.add, convolved), module.bias)


def _transposed(module: nn.ConvTranspose2d | nn.ConvTranspose3d, x: Node) -> Node:
    if module.groups != 1 or any(module.padding) or any(module.output_padding):
        raise NotConvertible(f"{module}")
    node = ops.convolution_backprop_data(x, _constant(module.weight), list(module.stride))
    return _biased(node, module.bias)


def _instance_norm(module: nn.InstanceNorm2d | nn.InstanceNorm3d, x: Node) -> Node:
    if module.track_running_stats:
        raise NotConvertible(f"{module}")
    sides = np.arange(2, len(x.get_output_shape(0)))
    node = ops.mvn(x, sides, True, module.eps, "inside_sqrt")
    if not module.affine:
        return node
    return _biased(ops.multiply(node, _by_channel(module.weight, node)), module.bias)


def _leaky_relu(module: nn.LeakyReLU, x: Node) -> Node:
    return ops.prelu(x, ops.constant(np.array([module.negative_slope], np.float32)))


def _average_pool(module: nn.AvgPool2d | nn.AvgPool3d, x: Node) -> Node:
    if module.ceil_mode or module.divisor_override is not None:
        raise NotConvertible(f"{module}")
    kernel, stride, pads = (
        [value] * (len(x.get_output_shape(0)) - 2) if isinstance(value, int) else list(value)
        for value in (module.kernel_size, module.stride, module.padding)
    )
    return ops.avg_pool(x, stride, pads, pads, kernel, not module.count_include_pad)


MODULES: Mapping[type[nn.Module], Callable[[Any, Node], Node]] = {
    nn.Conv2d: _convolution,
    nn.Conv3d: _convolution,
    nn.ConvTranspose2d: _transposed,
    nn.ConvTranspose3d: _transposed,
    nn.InstanceNorm2d: _instance_norm,
    nn.InstanceNorm3d: _instance_norm,
    nn.LeakyReLU: _leaky_relu,
    nn.ReLU: lambda module, x: ops.relu(x),
    nn.Sigmoid: lambda module, x: ops.sigmoid(x),
    nn.AvgPool2d: _average_pool,
    nn.AvgPool3d: _average_pool,
    nn.Dropout2d: lambda module, x: x,
    nn.Dropout3d: lambda module, x: x,
    nn.Identity: lambda module, x: x,
}
METHODS: Mapping[str, Callable[..., Node]] = {"squeeze": ops.squeeze, "unsqueeze": ops.unsqueeze}
FUNCTIONS: Mapping[Any, Callable[..., Node]] = {
    operator.add: ops.add,
    operator.iadd: ops.add,
    operator.mul: ops.multiply,
}
