"""What a stage costs: floating-point operations of its training, from its network and settings."""

import functools

from challenge.scheme import SCHEMES
from lab.training.random_networks import flops_of_a_pass, plans_of
from lab.training.recipe import Recipe, Stage
from lab.training.trainers import Settings

STEP = 3  # a step is a pass, and twice as much on the way back


def petaflop_of(stage: Stage, recipe: Recipe) -> float:
    """Return the operations of training one fold, in 10^15."""
    configuration = recipe.configurations[stage.configuration]
    scheme = SCHEMES[recipe.cohorts[stage.cohort].scheme]
    settings, channels = Settings.of(stage.settings), len(scheme.sequences)
    flops = _flops(configuration.network, configuration.patch, channels, 1 + len(scheme.labels))
    passes = settings.epochs * (settings.iterations * STEP + settings.val_iterations)
    return flops * configuration.batch * passes / 1e15


@functools.cache
def _flops(network: str, patch: tuple[int, ...], channels: int, classes: int) -> float:
    return flops_of_a_pass(plans_of(network, patch, channels), channels, classes)


def hours_of(petaflop: float, teraflop_a_second: float) -> float:
    """Return how long that takes at a sustained rate."""
    return petaflop * 1000 / teraflop_a_second / 3600
