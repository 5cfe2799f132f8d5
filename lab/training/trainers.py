"""nnU-Net's trainer with a recipe's settings; the network, loss and data loading are stock.

nnU-Net finds these classes too, for its own commands: `export nnUNet_extTrainer=lab/training`, run
from the repository.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.training.nnUNetTrainer.variants.data_augmentation.nnUNetTrainerDA5 import (
    nnUNetTrainerDA5,
    nnUNetTrainerDA5ord0,
    nnUNetTrainerDA5Segord0,
)

from lab.training.datasets import (
    HardNegativeDataset,
    MissingSequenceDataset,
    SyntheticDataset,
    ThinSlabDataset,
)

# Augmentation strength, the recipe's main axis: default gave the best boundaries, DA5 the highest
# overlap (Durugol et al. 2025). ord0 resamples by nearest neighbour: image and mask, or mask alone.
AUGMENTATIONS: Mapping[str, type[nnUNetTrainer]] = {
    "default": nnUNetTrainer,
    "da5": nnUNetTrainerDA5,
    "da5-ord0": nnUNetTrainerDA5ord0,
    "da5-segord0": nnUNetTrainerDA5Segord0,
}
MIRRORS: Mapping[str, tuple[int, ...] | None] = {
    "all": (0, 1, 2),
    "none": None,
    "left-right": (2,),
}


@dataclass(frozen=True)
class Settings:
    """What a stage may set; the defaults are nnU-Net's."""

    augmentation: str = "default"
    epochs: int = 1000
    iterations: int = 250  # of an epoch
    val_iterations: int = 50
    lr: float = 1e-2
    optimiser: str = "sgd"  # or adamw, for short training: momentum 0.99 needs thousands of steps
    mirror: str = ""  # of MIRRORS; empty: the augmentation's own
    oversample: float = 0.33  # share of patches that must hold foreground
    synthetic: int = 0  # synthetic patients to train on instead of the cohort's cases
    missing: float = 0.0  # share of cases that lack sequences
    thin_slabs: float = 0.0  # share of cases that are a few slices thick

    @classmethod
    def of(cls, words: Mapping[str, str]) -> "Settings":
        """Read settings from words.

        Raises:
            ValueError: an unknown name, or a value of the wrong type.
        """
        settings = cls()
        for key, text in words.items():
            if not hasattr(settings, key):
                raise ValueError(f"{key}: no setting; there are {', '.join(vars(settings))}")
            try:
                settings = replace(settings, **{key: type(getattr(settings, key))(text)})
            except ValueError as error:
                raise ValueError(f"{key}={text}: {error}") from error
        if settings.augmentation not in AUGMENTATIONS:
            known = ", ".join(AUGMENTATIONS)
            raise ValueError(f"augmentation={settings.augmentation}: one of {known}")
        if settings.mirror and settings.mirror not in MIRRORS:
            raise ValueError(f"mirror={settings.mirror}: one of {', '.join(MIRRORS)}")
        if settings.optimiser not in ("sgd", "adamw"):
            raise ValueError(f"optimiser={settings.optimiser}: sgd or adamw")
        return settings


class RecipeTrainer:
    """What a recipe changes of any of nnU-Net's trainers; mixed in before it."""

    settings = Settings()
    hard_negatives: Path | None = None  # a folder

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008 -- the base reads this signature
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)  # type: ignore[call-arg]
        settings = self.settings
        self.num_epochs = settings.epochs
        self.num_iterations_per_epoch = settings.iterations
        self.num_val_iterations_per_epoch = settings.val_iterations
        self.initial_lr = settings.lr
        self.oversample_foreground_percent = settings.oversample
        self.save_every = max(
            1, min(50, settings.epochs // 10)
        )  # a stopped run loses a tenth at most

    def get_tr_and_val_datasets(self) -> tuple:
        """Change what is trained on; the pseudo Dice of validation stays what it was."""
        base: Any = super()
        training, validation = base.get_tr_and_val_datasets()
        if self.settings.synthetic:
            training = SyntheticDataset(self, self.settings.synthetic)
        if self.hard_negatives:
            training = HardNegativeDataset(training, self.hard_negatives)
        if self.settings.missing:
            training = MissingSequenceDataset(training, self.settings.missing)
        if self.settings.thin_slabs:
            training = ThinSlabDataset(training, self.settings.thin_slabs)
        return training, validation

    def configure_optimizers(self) -> tuple:
        """Stock SGD with poly decay, or AdamW under a cosine."""
        if self.settings.optimiser == "sgd":
            base: Any = super()
            stock: tuple = base.configure_optimizers()
            return stock
        network: torch.nn.Module = self.network  # type: ignore[attr-defined]
        optimiser = torch.optim.AdamW(network.parameters(), self.initial_lr, weight_decay=1e-2)
        return optimiser, torch.optim.lr_scheduler.CosineAnnealingLR(
            optimiser, self.num_epochs, eta_min=self.initial_lr / 100
        )

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple:
        """Mirror only where the body is symmetric; the checkpoint carries it to inference."""
        base: Any = super()
        rotation, dummy, initial, axes = (
            base.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        )
        if self.settings.mirror:
            axes = MIRRORS[self.settings.mirror]
            self.inference_allowed_mirroring_axes = axes
        return rotation, dummy, initial, axes

    def train_step(self, batch: dict) -> dict:
        """On a CPU, one step in bfloat16 and channels-last takes half of the base's time."""
        trainer: Any = self
        if trainer.device.type != "cpu":
            base: Any = super()
            stock: dict = base.train_step(batch)
            return stock
        image = batch["data"].to(memory_format=torch.channels_last_3d)
        trainer.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            output = trainer.network(image)
        loss = trainer.loss([scale.float() for scale in output], batch["target"])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainer.network.parameters(), 12)
        trainer.optimizer.step()
        return {"loss": loss.detach().numpy()}

    def plot_network_architecture(self) -> None:
        """Skip the drawing, which needs a package that nothing else here does."""


def trainer_class(
    stage: str, settings: Settings, hard_negatives: Path | None = None
) -> type[nnUNetTrainer]:
    """Return the trainer of a stage; nnU-Net names the results' folder by the class."""
    bases = (RecipeTrainer, AUGMENTATIONS[settings.augmentation])
    return type(stage, bases, {"settings": settings, "hard_negatives": hard_negatives})


# As nnU-Net's own commands may name them (-tr): a fine-tuning of each strength.
FinetuneDefault = trainer_class("FinetuneDefault", Settings(lr=1e-3, epochs=300))
FinetuneDA5 = trainer_class("FinetuneDA5", Settings("da5", lr=1e-3, epochs=300))
FinetuneDA5ord0 = trainer_class("FinetuneDA5ord0", Settings("da5-ord0", lr=1e-3, epochs=200))
