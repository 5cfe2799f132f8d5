"""Learning rates are nnU-Net's own to the bit, with and without a warm-up."""

import math
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.lr_scheduler.warmup import (
    CosineAnnealingLR_offset,
    Lin_incr_LRScheduler,
    PolyLRScheduler_offset,
)

from lab.training.schedule import EpochScheduler, Schedule

LR, EPOCHS, WARMUP = 1e-3, 300, 50


def optimiser() -> torch.optim.Optimizer:
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], LR)
    sgd.step()  # torch warns of schedulers that come first
    return sgd


def rates(scheduler: Any, sgd: torch.optim.Optimizer, epochs: range) -> list[float]:
    rates = []
    for epoch in epochs:
        scheduler.step(epoch)
        rates.append(sgd.param_groups[0]["lr"])
    return rates


def ours(schedule: Schedule, epochs: range) -> list[float]:
    sgd = optimiser()
    return rates(EpochScheduler(sgd, schedule), sgd, epochs)


def test_the_default_is_nnunets_decay_to_the_bit() -> None:
    sgd, epochs = optimiser(), range(EPOCHS)
    theirs = rates(PolyLRScheduler(sgd, LR, EPOCHS), sgd, epochs)
    assert ours(Schedule("poly", LR, EPOCHS), epochs) == theirs
    assert theirs[150] == LR * 0.5**0.9


def test_the_cosine_is_nnunets_to_the_bit() -> None:
    sgd, epochs = optimiser(), range(EPOCHS)
    stock = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, T_max=EPOCHS)  # nnUNetTrainerCosAnneal
    with warnings.catch_warnings():  # of the epoch that nnU-Net hands over
        warnings.simplefilter("ignore")
        theirs = rates(stock, sgd, epochs)
    assert ours(Schedule("cosine", LR, EPOCHS), epochs) == theirs
    assert theirs[150] == pytest.approx(LR / 2)


def test_the_warm_up_is_nnunets_to_the_bit_and_the_decay_follows_it() -> None:
    schedule, sgd = Schedule("poly", LR, EPOCHS, WARMUP), optimiser()
    increase = rates(Lin_incr_LRScheduler(sgd, LR, WARMUP), sgd, range(WARMUP))
    decay = PolyLRScheduler_offset(sgd, LR, EPOCHS, WARMUP)
    theirs = increase + rates(decay, sgd, range(WARMUP, EPOCHS))
    assert ours(schedule, range(EPOCHS)) == theirs
    assert (increase[0], increase[-1], theirs[WARMUP]) == (LR / 50, LR, LR)


def test_a_cosine_after_a_warm_up_is_nnunets_to_the_bit() -> None:
    schedule, epochs = Schedule("cosine", LR, EPOCHS, WARMUP), range(WARMUP, EPOCHS)
    stock: Any = SimpleNamespace(eta_min=0, T_max=EPOCHS, offset=WARMUP, base_lrs=[LR])
    theirs = []
    for epoch in epochs:  # its constructor does not take torch 2.7's
        stock.last_epoch = epoch
        theirs += CosineAnnealingLR_offset._get_closed_form_lr(stock)
    assert ours(schedule, epochs) == theirs


@pytest.mark.parametrize(
    ("kind", "middle"), [("cosine", 0.01 + 0.99 / 2), ("poly", 0.01 + 0.99 * 0.5**0.9)]
)
def test_a_schedule_may_end_above_zero(kind: str, middle: float) -> None:
    schedule = Schedule(kind, 2.0, 100, last_lr=0.01)
    assert schedule.rate(50) == pytest.approx(2 * middle)
    assert schedule.rate(100) == pytest.approx(0.02)
    assert math.isclose(schedule.rate(0), 2)


def test_training_that_goes_on_has_the_rate_of_its_epoch() -> None:
    schedule = Schedule("cosine", LR, EPOCHS, WARMUP)
    assert ours(schedule, range(200, EPOCHS)) == ours(schedule, range(EPOCHS))[200:]
