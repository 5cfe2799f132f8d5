"""nnU-Net's trainer on a schedule that two processor cores finish in minutes.

`python -m lab.recipes.trainers DATASET FOLD ITERATIONS MIRROR [START]`, with nnU-Net's three folder
variables set; MIRROR lists axes of (z, y, x), e.g. `2` or `none`, and START is a checkpoint to
begin from. A run that was stopped goes on where its last checkpoint was. nnUNetv2_train is not
used: on a processor build of torch its search for trainer classes imports torchvision, which may
not load there.
"""

import os
import sys
from pathlib import Path

import torch
from batchgenerators.utilities.file_and_folder_operations import load_json
from nnunetv2.paths import nnUNet_preprocessed, nnUNet_results
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from lab.pack import read_training_checkpoint
from lab.recipes.plans import NAME

ITERATIONS_PER_EPOCH = 50
Mirror = tuple[int, ...] | None


class DemoTrainer(nnUNetTrainer):
    """Short training on a processor; the arguments are named as the base class reads them."""

    iterations = 600
    mirror: Mirror = None

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cpu"),  # noqa: B008 -- the base reads this signature
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_iterations_per_epoch = ITERATIONS_PER_EPOCH
        self.num_val_iterations_per_epoch = 4  # the curve need not be smooth; 50 cost a minute
        self.num_epochs = max(1, self.iterations // ITERATIONS_PER_EPOCH)
        self.save_every = 2  # a stopped run loses two minutes at most
        self.initial_lr = 2e-3
        # Few iterations, small tumours: half of the patches must hold some foreground (a third
        # by default).
        self.oversample_foreground_percent = 0.5

    def configure_optimizers(self) -> tuple:
        """AdamW under a cosine: momentum 0.99 needs thousands of iterations to get going."""
        optimizer = torch.optim.AdamW(self.network.parameters(), self.initial_lr, weight_decay=1e-2)
        return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, self.num_epochs, eta_min=2e-5
        )

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple:
        """Mirror only where the body is symmetric; the checkpoint carries it to inference."""
        rotation, dummy, initial, _ = (
            super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        )
        self.inference_allowed_mirroring_axes = self.mirror
        return rotation, dummy, initial, self.mirror

    def train_step(self, batch: dict) -> dict:
        """One step in bfloat16 and channels-last: half the time of the base class on a CPU."""
        image = batch["data"].to(memory_format=torch.channels_last_3d)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            output = self.network(image)
        loss = self.loss([scale.float() for scale in output], batch["target"])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 12)
        self.optimizer.step()
        return {"loss": loss.detach().numpy()}

    def plot_network_architecture(self) -> None:
        """Skip the drawing, which needs a package that nothing else here does."""


def train(dataset: str, fold: int, iterations: int, mirror: Mirror, start: Path | None) -> None:
    """Train one fold of one dataset, or finish it; a finished fold is left alone.

    `start` is a checkpoint of the same network that saw no case which this fold holds out.
    """
    DemoTrainer.iterations, DemoTrainer.mirror = iterations, mirror
    folder = Path(str(nnUNet_preprocessed)) / dataset
    plans = load_json(str(folder / "nnUNetPlans.json"))
    description = load_json(str(folder / "dataset.json"))
    results = Path(str(nnUNet_results)) / dataset
    at = results / f"{DemoTrainer.__name__}__{plans['plans_name']}__{NAME}" / f"fold_{fold}"
    if (at / "checkpoint_final.pth").exists():
        print(f"{at} is finished")
        return
    latest = at / "checkpoint_latest.pth"
    plans["continue_training"] = latest.exists()
    torch.manual_seed(fold)
    trainer = DemoTrainer(plans, NAME, fold, description, torch.device("cpu"))
    trainer.initialize()
    trainer.network.to(memory_format=torch.channels_last_3d)
    if latest.exists():
        trainer.load_checkpoint(str(latest))
    elif start is not None:
        trainer.network.load_state_dict(read_training_checkpoint(start)["network_weights"])
    trainer.run_training()


def main(arguments: list[str]) -> int:
    """Read the arguments and train."""
    dataset, fold, iterations, mirror, *start = arguments
    axes = None if mirror == "none" else tuple(int(axis) for axis in mirror.split(","))
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    train(dataset, int(fold), int(iterations), axes, Path(start[0]) if start else None)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
