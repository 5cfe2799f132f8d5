"""The learning rate of each epoch: nnU-Net's decay by a power, its cosine, its linear warm-up."""

import math
from dataclasses import dataclass

import torch

SCHEDULES = ("poly", "cosine")
EXPONENT = 0.9  # of PolyLRScheduler


@dataclass(frozen=True)
class Schedule:
    """Learning rates by epoch, to the bit those of nnU-Net 2.8.1's lr_scheduler."""

    kind: str  # of SCHEDULES
    lr: float  # the highest
    epochs: int
    warmup: int = 0  # epochs of linear increase, before the decay
    last_lr: float = 0.0  # that the decay ends at, as a share of `lr`

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 0."""
        if epoch < self.warmup:
            return self.lr / self.warmup * (1 + epoch)
        step, steps = epoch - self.warmup, self.epochs - self.warmup
        last = self.lr * self.last_lr
        if self.kind == "cosine":
            # in the order of torch's closed form: another one rounds otherwise
            return last + (self.lr - last) * (1 + math.cos(math.pi * step / steps)) / 2
        return last + (self.lr - last) * (1 - step / steps) ** EXPONENT


class EpochScheduler:
    """Sets an optimiser's rate when nnU-Net's trainer says which epoch starts.

    It holds no state: training that goes on from a checkpoint has the rate of its epoch.
    """

    def __init__(self, optimiser: torch.optim.Optimizer, schedule: Schedule) -> None:
        """Change nothing before the first step."""
        self.optimiser, self.schedule = optimiser, schedule

    def step(self, epoch: int) -> None:
        """Set the rate of an epoch."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.rate(epoch)
