"""nnU-Net's trainer with a recipe's settings; the network, loss and data loading are stock.

nnU-Net finds these classes too, for its own commands: `export nnUNet_extTrainer=lab/recipes`, run
from the repository.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.training.nnUNetTrainer.variants.data_augmentation.nnUNetTrainerDA5 import (
    nnUNetTrainerDA5,
    nnUNetTrainerDA5ord0,
    nnUNetTrainerDA5Segord0,
)

from lab.training.datasets import Made, MissingSequences, Slabs

# Augmentation strength, the recipe's main axis: default gave the best boundaries, DA5 the highest
# overlap (Durugol et al. 2025). ord0 resamples by nearest neighbour: image and mask, or mask alone.
AUGMENTATIONS: Mapping[str, type[nnUNetTrainer]] = {
    "default": nnUNetTrainer,
    "da5": nnUNetTrainerDA5,
    "da5-ord0": nnUNetTrainerDA5ord0,
    "da5-segord0": nnUNetTrainerDA5Segord0,
}
MIRRORS: Mapping[str, tuple[int, ...] | None] = {
    "all": (0, 1, 2), "none": None, "left-right": (2,),
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What a stage may set; the defaults are nnU-Net's own."""

    augmentation: str = "default"
    epochs: int = 1000
    iterations: int = 250  # of an epoch
    val_iterations: int = 50
    lr: float = 1e-2
    optimiser: str = "sgd"  # or adamw, for short training: momentum 0.99 needs thousands of steps
    mirror: str = ""  # of MIRRORS; empty: the augmentation's own
    oversample: float = 0.33  # share of patches that must hold foreground
    made: int = 0  # synthetic patients to train on instead of the cohort's cases
    missing: float = 0.0  # share of cases that lack sequences
    slabs: float = 0.0  # share of cases that are a few slices thick

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Settings":
        """Read settings from words.

        Raises:
            ValueError: an unknown name, or a value that is none.
        """
        own = cls()
        for key, text in given.items():
            if not hasattr(own, key):
                raise ValueError(f"{key}: no setting; there are {', '.join(vars(own))}")
            try:
                own = replace(own, **{key: type(getattr(own, key))(text)})
            except ValueError as error:
                raise ValueError(f"{key}={text}: {error}") from error
        if own.augmentation not in AUGMENTATIONS:
            raise ValueError(f"augmentation={own.augmentation}: one of {', '.join(AUGMENTATIONS)}")
        if own.mirror and own.mirror not in MIRRORS:
            raise ValueError(f"mirror={own.mirror}: one of {', '.join(MIRRORS)}")
        if own.optimiser not in ("sgd", "adamw"):
            raise ValueError(f"optimiser={own.optimiser}: sgd or adamw")
        return own


class HardNegatives:
    """nnU-Net's dataset with more places to look at: where an earlier stage was wrong.

    The loader that wants foreground draws a kind of place, then one of its voxels; each label that
    was mined is one more kind.
    """

    def __init__(self, dataset: Any, folder: Path) -> None:
        """Read what `lab.training.hard_negatives` found in each case, beside the case itself."""
        self.dataset, self.folder, self.identifiers = dataset, folder, dataset.identifiers

    def load_case(self, identifier: str) -> tuple:
        """Return data, labels, labels of a stage before, and properties with the places."""
        *arrays, properties = self.dataset.load_case(identifier)
        with np.load(self.folder / f"{identifier}.npz", allow_pickle=False) as found:
            hard = {f"no {name}": found[name] for name in found.files}
        places = {**properties["class_locations"], **hard}
        return *arrays, {**properties, "class_locations": places}


class Recipe:
    """What a recipe changes of any of nnU-Net's trainers; mixed in before it."""

    settings = Settings()
    hard: Path | None = None  # folder of hard negatives

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008 -- the base reads this signature
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)  # type: ignore[call-arg]
        own = self.settings
        self.num_epochs = own.epochs
        self.num_iterations_per_epoch = own.iterations
        self.num_val_iterations_per_epoch = own.val_iterations
        self.initial_lr = own.lr
        self.oversample_foreground_percent = own.oversample
        self.save_every = max(1, min(50, own.epochs // 10))  # a stopped run loses a tenth at most

    def get_tr_and_val_datasets(self) -> tuple:
        """Change what is trained on; the pseudo Dice of validation stays what it was."""
        base: Any = super()
        training, validation = base.get_tr_and_val_datasets()
        if self.settings.made:
            training = Made(self, self.settings.made)
        if self.hard:
            training = HardNegatives(training, self.hard)
        if self.settings.missing:
            training = MissingSequences(training, self.settings.missing)
        if self.settings.slabs:
            training = Slabs(training, self.settings.slabs)
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
        own: Any = self
        if own.device.type != "cpu":
            base: Any = super()
            stock: dict = base.train_step(batch)
            return stock
        image = batch["data"].to(memory_format=torch.channels_last_3d)
        own.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            output = own.network(image)
        loss = own.loss([scale.float() for scale in output], batch["target"])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(own.network.parameters(), 12)
        own.optimizer.step()
        return {"loss": loss.detach().numpy()}

    def plot_network_architecture(self) -> None:
        """Skip the drawing, which needs a package that nothing else here does."""


def trainer_class(stage: str, settings: Settings, hard: Path | None = None) -> type[nnUNetTrainer]:
    """Return the trainer of a stage; nnU-Net names the results' folder by the class."""
    bases = (Recipe, AUGMENTATIONS[settings.augmentation])
    return type(stage, bases, {"settings": settings, "hard": hard})


# As nnU-Net's own commands may name them (-tr): a fine-tuning of each strength.
FinetuneDefault = trainer_class("FinetuneDefault", Settings(lr=1e-3, epochs=300))
FinetuneDA5 = trainer_class("FinetuneDA5", Settings("da5", lr=1e-3, epochs=300))
FinetuneDA5ord0 = trainer_class("FinetuneDA5ord0", Settings("da5-ord0", lr=1e-3, epochs=200))
