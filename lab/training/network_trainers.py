"""What training a network that is no U-Net changes of nnU-Net's trainer; mixed in before it."""

import importlib
from typing import Any

import numpy as np
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.training.nnUNetTrainer.variants.network_architecture.nnUNetTrainerNoDeepSupervision import (  # noqa: E501 -- nnU-Net's path
    nnUNetTrainerNoDeepSupervision,
)
from torch import nn

from ensemble.architectures import ARCHITECTURES
from ensemble.mednext import LEVELS
from ensemble.torchvision_operations import import_torchvision
from lab.training.monai_networks import Sizes, build_network, read_architecture
from lab.training.networks import MEDNEXT, PRIMUS, SWIN, family_of


class MedNeXtTrainer:
    """nnU-Net's trainer with all five heads of a MedNeXt in the loss, as its authors train it.

    Source: nnUNetTrainerV2_Optim_and_LR of MIC-DKFZ/MedNeXt.
    """

    network: Any

    def _get_deep_supervision_scales(self) -> list[list[float]]:
        return [[1 / 2**level] * 3 for level in range(LEVELS + 1)]

    def _build_loss(self) -> nn.Module:
        """Weigh each head half of the finer one; nnU-Net leaves the coarsest out."""
        base: Any = super()
        loss: nn.Module = base._build_loss()
        weights = 0.5 ** np.arange(LEVELS + 1)
        loss.weight_factors = tuple((weights / weights.sum()).tolist())  # type: ignore[assignment]
        return loss

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        """Answer with the logits of all heads, or with the finest alone."""
        network = getattr(self.network, "module", self.network)  # of several devices
        getattr(network, "_orig_mod", network).deep_supervision = enabled  # of torch.compile


class PrimusTrainer:
    """nnU-Net's AbstractPrimus with the network of plans.json, whatever its size.

    nnU-Net changes the scheduler after the warm-up; here one scheduler has both.
    """

    @staticmethod
    def build_network_architecture(
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """Build the network; a Primus has no deep supervision."""
        import_torchvision()
        module, _, name = configuration_manager.network_arch_class_name.rpartition(".")
        network_class: type[nn.Module] = getattr(importlib.import_module(module), name)
        return network_class(
            **configuration_manager.network_arch_init_kwargs,
            **{ARCHITECTURES[name].classes: num_output_channels},
            input_channels=num_input_channels,
            input_shape=tuple(configuration_manager.patch_size),
        )

    def on_train_epoch_start(self) -> None:
        """Start an epoch as nnUNetTrainer does: the optimiser stays the same one."""
        nnUNetTrainer.on_train_epoch_start(self)

    def load_checkpoint(self, filename_or_checkpoint: Any) -> None:
        """Load as nnUNetTrainer does; nnU-Net's trainer with a warm-up fails on torch 2.6 and up.

        It opens its own checkpoints by `torch.load`'s default, which refuses numpy's numbers.
        """
        nnUNetTrainer.load_checkpoint(self, filename_or_checkpoint)


class MonaiTrainer:
    """nnU-Net's trainer with a network of MONAI, which has one head."""

    @staticmethod
    def build_network_architecture(
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """Build the network that plans.json names.

        Raises:
            MonaiError: MONAI is not installed, or the network cannot be built.
        """
        named = {
            "class": configuration_manager.network_arch_class_name,
            "arguments": configuration_manager.network_arch_init_kwargs,
        }
        patch = tuple(configuration_manager.patch_size)
        sizes = Sizes(num_input_channels, num_output_channels, patch)
        network, _ = build_network(read_architecture(named, "plans.json"), sizes)
        return network.train().requires_grad_(True)

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        """Do nothing: there is one head."""


def bases_of(network: str) -> tuple[type, ...]:
    """Return the classes that train a class of networks, the last one nnU-Net's."""
    family = family_of(network)
    if family == MEDNEXT:
        return MedNeXtTrainer, nnUNetTrainer
    if family == PRIMUS:
        import_torchvision()  # before nnU-Net does, which fails beside a processor build of torch
        trainers = importlib.import_module("nnunetv2.training.nnUNetTrainer.primus.primus_trainers")
        return PrimusTrainer, trainers.AbstractPrimus
    if family == SWIN:
        return MonaiTrainer, nnUNetTrainerNoDeepSupervision
    return (nnUNetTrainer,)
