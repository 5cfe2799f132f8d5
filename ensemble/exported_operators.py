"""The operators that an exported program may call: torch's own, on tensors, without side effects.

None of them opens a file, draws a random number, runs code that a program brings, or returns memory
that nothing was written to. What is not listed is refused by name.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch

CONVOLUTIONS = """conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
convolution linear matmul mm bmm addmm baddbmm einsum scaled_dot_product_attention"""
NORMS = """instance_norm batch_norm group_norm layer_norm native_layer_norm native_group_norm
_native_batch_norm_legit_no_training rms_norm dropout feature_dropout alpha_dropout
feature_alpha_dropout"""
# These and the next also in place: `relu_`, `add_`.
ACTIVATIONS = """leaky_relu relu relu6 gelu silu elu selu celu mish sigmoid tanh hardswish
hardsigmoid hardtanh softplus threshold prelu glu log_sigmoid softmax _softmax log_softmax"""
ARITHMETIC = """add sub rsub mul div pow sqrt rsqrt exp expm1 log log1p neg abs reciprocal square
sin cos erf clamp clamp_min clamp_max maximum minimum floor ceil round remainder fmod floor_divide
sign addcmul addcdiv lerp where eq ne lt le gt ge logical_and logical_or logical_not masked_fill
fill copy detach squeeze unsqueeze transpose"""
SUMS = """sum mean amax amin max min argmax argmin var std var_mean std_mean norm
linalg_vector_norm prod cumsum logsumexp any all"""
POOLS = """avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d
max_pool3d_with_indices adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
_adaptive_avg_pool3d adaptive_max_pool3d upsample_nearest1d upsample_nearest2d upsample_nearest3d
upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d"""
SHAPES = """view reshape _unsafe_view view_as reshape_as permute t flatten unflatten expand
expand_as broadcast_to repeat repeat_interleave tile cat concat stack split split_with_sizes chunk
unbind slice select narrow index index_select gather movedim swapaxes swapdims pad constant_pad_nd
reflection_pad3d replication_pad3d roll flip unfold contiguous clone alias lift_fresh
lift_fresh_copy type_as to _to_copy tril triu pixel_shuffle channel_shuffle sym_size sym_numel"""
CONSTANTS = """zeros ones full zeros_like ones_like full_like new_zeros new_ones new_full arange
linspace scalar_tensor eye meshgrid"""
IN_PLACE = {f"{name}_" for name in (*ACTIVATIONS.split(), *ARITHMETIC.split())}
ATEN = IN_PLACE.union(
    *(
        names.split()
        for names in (
            *(CONVOLUTIONS, NORMS, ACTIVATIONS, ARITHMETIC, SUMS, POOLS, SHAPES, CONSTANTS),
        )
    )
)
# Arithmetic of sizes, where the number of tiles is open.
OF_SIZES: Mapping[str, Callable[..., Any]] = {
    f"_operator.{function.__name__}": function
    for function in (operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod)
}
# They return nothing, and would fail under autocast: sizes are compared when packing instead.
ASSERTIONS = {
    f"torch.ops.aten.{name}.default"
    for name in ("_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size")
}
# Arguments that would make an answer random, or change the weights, and the value that does not.
FIXED_ARGUMENTS: Mapping[str, Any] = {"train": False, "training": False, "dropout_p": 0.0}


def find_operator(target: str) -> Callable[..., Any] | None:
    """Return the operator that a graph calls, None where it is not listed or torch lacks it."""
    if target in OF_SIZES:
        return OF_SIZES[target]
    parts = target.split(".")
    if len(parts) != 5 or parts[:3] != ["torch", "ops", "aten"] or parts[3] not in ATEN:
        return None
    overload = parts[4]
    packet = getattr(torch.ops.aten, parts[3], None)
    if packet is None or overload not in packet.overloads():
        return None
    candidate = getattr(packet, overload)
    if any(argument.is_out for argument in candidate._schema.arguments):
        return None
    return cast(Callable[..., Any], candidate)


def is_listed(target: str) -> bool:
    """Return whether an operator may be called, whatever this torch has."""
    return target in OF_SIZES or (target.startswith("torch.ops.aten.") and _name(target) in ATEN)


def _name(target: str) -> str:
    return target.split(".")[3] if target.count(".") == 4 else ""
