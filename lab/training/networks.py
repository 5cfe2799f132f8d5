"""Networks of the recipes as data, and what nnU-Net's plans say of them for a patch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

UNETS = "dynamic_network_architectures.architectures.unet"
MODULES = {
    "PlainConvUNet": UNETS,
    "ResidualEncoderUNet": UNETS,
    "AttentionUNet": "ensemble.attention",
}
SMALLEST_SIDE = 4  # voxels at the bottom, as nnU-Net's planner has it


@dataclass(frozen=True)
class Network:
    """What tells one U-Net from another, but for the patch."""

    kind: str  # a class of MODULES
    features: tuple[int, ...]
    encoder: tuple[int, ...]  # convolutions or residual blocks of each stage
    decoder: int  # convolutions of each stage on the way up


NETWORKS: Mapping[str, Network] = {
    # nnU-Net's own choice for BraTS: 31 M parameters.
    "plain-6": Network("PlainConvUNet", (32, 64, 128, 256, 320, 320), (2,) * 6, 2),
    # The same with attention gates on the skips: an ablation for borders of cavity and enhancement.
    "plain-6-gated": Network("AttentionUNet", (32, 64, 128, 256, 320, 320), (2,) * 6, 2),
    # nnU-Net's preset ResEnc-L, the winner's on PANTHER: 102 M parameters.
    "resenc-l": Network("ResidualEncoderUNet", (32, 64, 128, 256, 320, 320), (1, 3, 4, 6, 6, 6), 1),
    # Two processor cores train it in half an hour. The first stage is thin because at full
    # resolution it costs half of the time of a step.
    "demo": Network("PlainConvUNet", (8, 24, 40, 60, 64), (1, 2, 2, 2, 1), 1),
    # The default weights: whole heads at 2 mm on two processor cores, 2.3 M parameters.
    "world": Network("PlainConvUNet", (12, 32, 64, 96, 128), (1, 2, 2, 2, 2), 1),
    # Miniatures: every step runs, nothing is learned.
    "tiny": Network("PlainConvUNet", (6, 8, 10), (1, 1, 1), 1),
    "tiny-resenc": Network("ResidualEncoderUNet", (6, 8, 10), (1, 1, 1), 1),
    "tiny-gated": Network("AttentionUNet", (6, 8, 10), (1, 1, 1), 1),
}


def strides_of(patch: Sequence[int], stages: int) -> list[list[int]]:
    """Return each stage's strides: an axis is halved as long as it stays even and large enough.

    At isotropic spacing this is what nnU-Net's planner chooses.

    Raises:
        ValueError: the patch cannot be halved so often along any axis.
    """
    sides, strides = list(patch), [[1] * len(patch)]
    for _ in range(stages - 1):
        step = [2 if side % 2 == 0 and side // 2 >= SMALLEST_SIDE else 1 for side in sides]
        if step == [1] * len(patch):
            raise ValueError(f"patch {'x'.join(map(str, patch))}: too small for {stages} stages")
        sides = [side // by for side, by in zip(sides, step, strict=True)]
        strides.append(step)
    return strides


def architecture(name: str, patch: Sequence[int]) -> dict[str, Any]:
    """Return the `architecture` block of plans.json."""
    network = NETWORKS[name]
    stages = len(network.features)
    is_residual = network.kind == "ResidualEncoderUNet"
    blocks = "n_blocks_per_stage" if is_residual else "n_conv_per_stage"
    return {
        "network_class_name": f"{MODULES[network.kind]}.{network.kind}",
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": list(network.features),
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[3, 3, 3]] * stages,
            "strides": strides_of(patch, stages),
            blocks: list(network.encoder),
            "n_conv_per_stage_decoder": [network.decoder] * (stages - 1),
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }
