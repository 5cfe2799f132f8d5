"""nnU-Net's trainer with a recipe's settings; the network, loss and data loading are stock.

nnU-Net finds these classes too, for its own commands: `export nnUNet_extTrainer=lab/training`, run
from the repository.
"""

from collections.abc import Collection, Mapping
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
from lab.training.network_trainers import bases_of
from lab.training.schedule import SCHEDULES, EpochScheduler, Schedule

# Augmentation strength, the recipe's main axis: default gave the best boundaries, DA5 the highest
# overlap (Durugol et al. 2025). ord0 resamples by nearest neighbour: image and mask, or mask alone.
AUGMENTATIONS: Mapping[str, type[nnUNetTrainer]] = {
    "default": nnUNetTrainer,
    "da5": nnUNetTrainerDA5,
    "da5-ord0": nnUNetTrainerDA5ord0,
    "da5-segord0": nnUNetTrainerDA5Segord0,
}
# name -> torch's class and its arguments, but for the learning rate.
OPTIMISERS: Mapping[str, tuple[type[torch.optim.Optimizer], Mapping[str, Any]]] = {
    # nnU-Net's
    "sgd": (torch.optim.SGD, {"weight_decay": 3e-5, "momentum": 0.99, "nesterov": True}),
    # for short training: momentum 0.99 needs thousands of steps
    "adamw": (torch.optim.AdamW, {"weight_decay": 1e-2}),
    # of MedNeXt's authors; the usual 1e-8 may end in NaN in half precision
    "adamw-mednext": (torch.optim.AdamW, {"weight_decay": 3e-5, "eps": 1e-4}),
    # of nnU-Net's AbstractPrimus
    "adamw-primus": (
        torch.optim.AdamW,
        {"weight_decay": 5e-2, "betas": (0.9, 0.98), "fused": True},
    ),
    # of SwinUNETR's authors
    "adamw-swin": (torch.optim.AdamW, {"weight_decay": 1e-5}),
}
MIRRORS: Mapping[str, tuple[int, ...] | None] = {
    "all": (0, 1, 2),
    "none": None,
    "left-right": (2,),
}


class ScheduleError(ValueError):
    """A schedule that does not fit into the epochs."""


@dataclass(frozen=True)
class Settings:
    """What a stage may set; the defaults are nnU-Net's for a U-Net (see AUTHORS_SETTINGS)."""

    augmentation: str = "default"
    epochs: int = 1000
    iterations: int = 250  # of an epoch
    val_iterations: int = 50
    lr: float = 1e-2
    optimiser: str = "sgd"  # of OPTIMISERS
    schedule: str = "poly"  # of SCHEDULES
    warmup: int = 0  # epochs of linear increase, before the schedule
    last_lr: float = 0.0  # that the schedule ends at, as a share of lr
    mirror: str = ""  # of MIRRORS; empty: the augmentation's own
    oversample: float = 0.33  # share of patches that must hold foreground
    synthetic: int = 0  # synthetic patients to train on instead of the cohort's cases
    healthy: float = 0.0  # share of these without a tumour
    missing: float = 0.0  # share of cases that lack sequences
    thin_slabs: float = 0.0  # share of cases that are a few slices thick
    seed: int = 0  # of the first weights

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
        for key, known in CHOICES.items():
            if (value := getattr(settings, key)) not in known and (value or key != "mirror"):
                raise ValueError(f"{key}={value}: one of {', '.join(known)}")
        settings.check_schedule()
        if settings.healthy and not settings.synthetic:
            raise ValueError(f"healthy={settings.healthy:g}: of synthetic patients, synthetic=0")
        return settings

    def check_schedule(self) -> None:
        """Refuse a schedule that does not fit into the epochs.

        Raises:
            ScheduleError: the warm-up takes all epochs, or more.
            ValueError: a share that is none.
        """
        if not 0 <= self.warmup < self.epochs:
            raise ScheduleError(f"warmup={self.warmup}: not below epochs={self.epochs}")
        if not 0 <= self.last_lr <= 1:
            raise ValueError(f"last_lr={self.last_lr:g}: a share of lr, from 0 to 1")


CHOICES: Mapping[str, Collection[str]] = {
    "augmentation": AUGMENTATIONS,
    "optimiser": OPTIMISERS,
    "schedule": SCHEDULES,
    "mirror": MIRRORS,
}


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
        self.weight_decay = OPTIMISERS[settings.optimiser][1]["weight_decay"]
        self.oversample_foreground_percent = settings.oversample
        self.save_every = max(
            1, min(50, settings.epochs // 10)
        )  # a stopped run loses a tenth at most

    def get_tr_and_val_datasets(self) -> tuple:
        """Change what is trained on; the pseudo Dice of validation stays what it was."""
        base: Any = super()
        training, validation = base.get_tr_and_val_datasets()
        if self.settings.synthetic:
            training = SyntheticDataset(self, self.settings.synthetic, self.settings.healthy)
        if self.hard_negatives:
            training = HardNegativeDataset(training, self.hard_negatives)
        if self.settings.missing:
            training = MissingSequenceDataset(training, self.settings.missing)
        if self.settings.thin_slabs:
            training = ThinSlabDataset(training, self.settings.thin_slabs)
        return training, validation

    def configure_optimizers(self) -> tuple:
        """Return the optimiser and its schedule, warm-up and decay in one."""
        settings = self.settings
        network: torch.nn.Module = self.network  # type: ignore[attr-defined]
        make_optimiser, arguments = OPTIMISERS[settings.optimiser]
        make: Any = make_optimiser
        optimiser = make(network.parameters(), lr=settings.lr, **arguments)
        schedule = Schedule(
            settings.schedule, settings.lr, settings.epochs, settings.warmup, settings.last_lr
        )
        return optimiser, EpochScheduler(optimiser, schedule)

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
        """On a CPU, one step in bfloat16 and channels-last takes half of the base's time.

        A transformer's step is the base's everywhere: it has no deep supervision, and another limit
        of the gradient's norm.
        """
        trainer: Any = self
        if trainer.device.type != "cpu" or not trainer.enable_deep_supervision:
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
    stage: str, settings: Settings, hard_negatives: Path | None = None, network: str = ""
) -> type[nnUNetTrainer]:
    """Return the trainer of a stage; nnU-Net names the results' folder by the class.

    `network` is the class of network that it trains; "" for a U-Net.
    """
    # An augmentation's class is nnU-Net's trainer too: it comes before the one it is derived from.
    mixed: tuple[type, ...] = (AUGMENTATIONS[settings.augmentation], *bases_of(network))
    bases = (RecipeTrainer, *(base for base in mixed if base is not nnUNetTrainer))
    if not any(issubclass(base, nnUNetTrainer) for base in bases):
        bases = (*bases, nnUNetTrainer)
    return type(stage, bases, {"settings": settings, "hard_negatives": hard_negatives})


# As nnU-Net's own commands may name them (-tr): a fine-tuning of each strength.
FinetuneDefault = trainer_class("FinetuneDefault", Settings(lr=1e-3, epochs=300))
FinetuneDA5 = trainer_class("FinetuneDA5", Settings("da5", lr=1e-3, epochs=300))
FinetuneDA5ord0 = trainer_class("FinetuneDA5ord0", Settings("da5-ord0", lr=1e-3, epochs=200))
