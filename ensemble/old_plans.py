"""Plans from before nnU-Net 2.4, which name a network's class and sizes, not its operations."""

from collections.abc import Mapping, Sequence
from typing import Any


def arguments_before_2_4(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Spell out the network's arguments, which plans older than nnU-Net 2.4 left to the code."""
    depths: Sequence[int] = settings["n_conv_per_stage_encoder"]
    base, cap = settings["UNet_base_num_features"], settings["unet_max_num_features"]
    plain = settings["UNet_class_name"] == "PlainConvUNet"
    dimension = len(settings["patch_size"])
    return {
        "n_stages": len(depths),
        "features_per_stage": [min(base * 2**stage, cap) for stage in range(len(depths))],
        "conv_op": f"torch.nn.modules.conv.Conv{dimension}d",
        "kernel_sizes": settings["conv_kernel_sizes"],
        "strides": settings["pool_op_kernel_sizes"],
        "n_conv_per_stage" if plain else "n_blocks_per_stage": depths,
        "n_conv_per_stage_decoder": settings["n_conv_per_stage_decoder"],
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimension}d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
