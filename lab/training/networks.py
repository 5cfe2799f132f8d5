"""Networks of the recipes as data, and what nnU-Net's plans say of them for a patch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ensemble.architectures import ARCHITECTURES
from ensemble.plans import MONAI_HOME
from lab.training.network_sizes import MEDNEXT_SIZES, PRIMUS_ARGUMENTS

SMALLEST_SIDE = 4  # voxels at the bottom, as nnU-Net's planner has it
MEDNEXT, PRIMUS, SWIN = "MedNeXt", "Primus", "SwinUNETR"


@dataclass(frozen=True)
class UNet:
    """What tells one U-Net from another, but for the patch."""

    kind: str  # a class of ARCHITECTURES
    features: tuple[int, ...]
    encoder: tuple[int, ...]  # convolutions or residual blocks of each stage
    decoder: int  # convolutions of each stage on the way up

    def arguments(self, patch: Sequence[int]) -> dict[str, Any]:
        """Return `arch_kwargs` of plans.json for a patch.

        Raises:
            ValueError: the patch is too small.
        """
        stages = len(self.features)
        is_residual = self.kind == "ResidualEncoderUNet"
        blocks = "n_blocks_per_stage" if is_residual else "n_conv_per_stage"
        return {
            "n_stages": stages,
            "features_per_stage": list(self.features),
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[3, 3, 3]] * stages,
            "strides": strides_of(patch, stages),
            blocks: list(self.encoder),
            "n_conv_per_stage_decoder": [self.decoder] * (stages - 1),
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        }

    @property
    def class_name(self) -> str:
        """Return the class with its module, as plans.json names it."""
        return f"{ARCHITECTURES[self.kind].module}.{self.kind}"

    @property
    def operations(self) -> list[str]:
        """Return the arguments that name an operation."""
        return ["conv_op", "norm_op", "dropout_op", "nonlin"]


@dataclass(frozen=True)
class SizedNetwork:
    """A network whose arguments are the same for each patch that it takes."""

    kind: str  # a class of ARCHITECTURES
    sizes: Mapping[str, Any]  # `arch_kwargs` of plans.json
    multiple: int  # of which the patch's sides are
    operations: tuple[str, ...] = ()

    @property
    def class_name(self) -> str:
        """Return the class with its module, as plans.json names it."""
        return f"{ARCHITECTURES[self.kind].module}.{self.kind}"

    def arguments(self, patch: Sequence[int]) -> dict[str, Any]:
        """Return `arch_kwargs` of plans.json for a patch.

        Raises:
            ValueError: a side of the patch is no multiple of what it has to be one of.
        """
        if any(side < self.multiple or side % self.multiple for side in patch):
            sides = "x".join(map(str, patch))
            raise ValueError(f"patch {sides}: {self.kind} takes multiples of {self.multiple}")
        return dict(self.sizes)


@dataclass(frozen=True)
class SwinNetwork(SizedNetwork):
    """SwinUNETR, as MONAI has it: a 32nd of the patch is its deepest level, and is normalised."""

    @property
    def class_name(self) -> str:
        """Return the class with its module, as plans.json names it."""
        return f"{MONAI_HOME}{self.kind}"

    def arguments(self, patch: Sequence[int]) -> dict[str, Any]:
        """Return `arch_kwargs` of plans.json for a patch.

        Raises:
            ValueError: a side is no multiple of 32, or the deepest level has a single voxel.
        """
        arguments = super().arguments(patch)
        if all(side == self.multiple for side in patch):
            sides = "x".join(map(str, patch))
            raise ValueError(f"patch {sides}: {self.kind} takes a side of more than 32")
        return arguments


def _swin(**sizes: Any) -> SwinNetwork:
    return SwinNetwork(SWIN, sizes, 32)


def _mednext(kernel: int, **sizes: Any) -> SizedNetwork:
    arguments = {"n_channels": 32, "kernel_size": kernel, **sizes}
    return SizedNetwork(MEDNEXT, arguments, ARCHITECTURES[MEDNEXT].multiple)


def _primus(kind: str, **sizes: Any) -> SizedNetwork:
    arguments = {**PRIMUS_ARGUMENTS, **sizes}
    return SizedNetwork(kind, arguments, arguments["patch_embed_size"][0])


TINY_PRIMUS = {"embed_dim": 12, "eva_depth": 2, "eva_numheads": 2}
NETWORKS: Mapping[str, UNet | SizedNetwork] = {
    # nnU-Net's own choice for BraTS: 31 M parameters.
    "plain-6": UNet("PlainConvUNet", (32, 64, 128, 256, 320, 320), (2,) * 6, 2),
    # The same with attention gates on the skips: an ablation for borders of cavity and enhancement.
    "plain-6-gated": UNet("AttentionUNet", (32, 64, 128, 256, 320, 320), (2,) * 6, 2),
    # nnU-Net's preset ResEnc-L, the winner's on PANTHER: 102 M parameters.
    "resenc-l": UNet("ResidualEncoderUNet", (32, 64, 128, 256, 320, 320), (1, 3, 4, 6, 6, 6), 1),
    # MedNeXt in its authors' sizes: 6, 11, 18 and 62 M parameters.
    **{f"mednext-{size.lower()}": _mednext(3, **sizes) for size, sizes in MEDNEXT_SIZES.items()},
    **{
        f"mednext-{size.lower()}-kernel5": _mednext(5, **sizes)
        for size, sizes in MEDNEXT_SIZES.items()
    },
    # Transformers of nnU-Net's own trainers.
    **{
        f"primus{kind.lower()}-{size.lower()}": _primus(f"Primus{kind}{size}")
        for kind in ("", "V2", "V3")
        for size in "SBML"
    },
    # SwinUNETR of MONAI (arXiv 2201.01266): its authors' size for BraTS, 62 M parameters, and 16 M.
    "swinunetr": _swin(feature_size=48),
    "swinunetr-24": _swin(feature_size=24),
    # Two processor cores train it in half an hour. The first stage is thin because at full
    # resolution it costs half of the time of a step.
    "demo": UNet("PlainConvUNet", (8, 24, 40, 60, 64), (1, 2, 2, 2, 1), 1),
    # Other families at about its size, for heterogeneous.sh.
    "demo-resenc": UNet("ResidualEncoderUNet", (8, 24, 40, 60, 64), (1, 2, 2, 2, 1), 1),
    "demo-mednext": _mednext(3, n_channels=16, exp_r=[2] * 9, block_counts=[1] * 9),
    "demo-swinunetr": _swin(feature_size=12, num_heads=[1, 2, 4, 8]),
    # The default weights: whole heads at 2 mm on two processor cores, 2.3 M parameters.
    "world": UNet("PlainConvUNet", (12, 32, 64, 96, 128), (1, 2, 2, 2, 2), 1),
    # Miniatures: every step runs, nothing is learned.
    "tiny": UNet("PlainConvUNet", (6, 8, 10), (1, 1, 1), 1),
    "tiny-resenc": UNet("ResidualEncoderUNet", (6, 8, 10), (1, 1, 1), 1),
    "tiny-gated": UNet("AttentionUNet", (6, 8, 10), (1, 1, 1), 1),
    "tiny-mednext": _mednext(3, n_channels=4, exp_r=[1] * 9, block_counts=[1] * 9),
    "tiny-swinunetr": _swin(feature_size=12, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2]),
    "tiny-primus": _primus("Primus", **TINY_PRIMUS),
    "tiny-primusv2": _primus("PrimusV2", **TINY_PRIMUS),
    "tiny-primusv3": _primus("PrimusV3", **TINY_PRIMUS, ch_per_level=[4, 6, 8, 12]),
}
# How a network's authors train it, where nnU-Net's own settings are others; a stage overrides it.
AUTHORS_SETTINGS: Mapping[str, Mapping[str, str]] = {
    # nnUNetTrainerV2_Optim_and_LR of MIC-DKFZ/MedNeXt; arXiv 2303.09975, section 3
    MEDNEXT: {"lr": "1e-3", "optimiser": "adamw-mednext"},
    # AbstractPrimus of nnU-Net 2.8.1; arXiv 2503.01835
    PRIMUS: {"lr": "3e-4", "optimiser": "adamw-primus", "warmup": "50"},
    # SwinUNETR/BRATS21 of Project-MONAI/research-contributions, main.py
    SWIN: {"lr": "1e-4", "optimiser": "adamw-swin", "warmup": "50", "schedule": "cosine"},
}


def family_of(kind: str) -> str:
    """Return what the versions of a class are called together, such as Primus; or UNet."""
    families = (family for family in AUTHORS_SETTINGS if kind.startswith(family))
    return next(families, "UNet")


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
    """Return the `architecture` block of plans.json.

    Raises:
        ValueError: the network does not take the patch.
    """
    network = NETWORKS[name]
    return {
        "network_class_name": network.class_name,
        "arch_kwargs": network.arguments(patch),
        "_kw_requires_import": list(network.operations),
    }
