"""The mask of the highest expected Dice: against every mask of every outcome, and as a rule."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from challenge.scheme import SCHEMES
from postprocess.apply_rules import apply_rules
from postprocess.rule_base import EnsembleMaps
from postprocess.rule_kinds import rule_from
from postprocess.rules_by_probability import AddForDice, threshold_for_dice

GLI = SCHEMES["brats-gli"]
ET = GLI.labels["ET"]


def expected_dice(probability: np.ndarray, mask: np.ndarray) -> float:
    """Return the mean Dice (1 where both are empty) over all outcomes of independent voxels."""
    total = 0.0
    for outcome in itertools.product((0, 1), repeat=probability.size):
        chance = np.prod(np.where(outcome, probability, 1 - probability))
        both = sum(outcome) + mask.sum()
        total += chance * (2 * np.dot(outcome, mask) / both if both else 1.0)
    return float(total)


@settings(max_examples=25, deadline=None)
@given(values=st.lists(st.floats(0.05, 0.99), min_size=8, max_size=11))
def test_no_mask_by_a_threshold_is_much_better(values: list[float]) -> None:
    """The approximation is for objects of more than a few voxels, so it may lose a little here."""
    probability = np.array(values)
    if probability.sum() < 3:
        probability = probability.clip(0.4)
    chosen = expected_dice(probability, probability >= threshold_for_dice(probability))
    best = max(expected_dice(probability, probability >= level) for level in probability)
    assert chosen >= best - 0.05


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), size=st.integers(1, 2000))
def test_it_is_half_the_dice_that_it_promises(seed: int, size: int) -> None:
    """A voxel belongs inside where its probability exceeds half of the best expected Dice."""
    probability = np.random.default_rng(seed).beta(0.4, 0.6, size)
    inside = probability >= threshold_for_dice(probability)
    dice = 2 * probability[inside].sum() / (inside.sum() + probability.sum())
    assert probability[inside].min() >= dice / 2 - 1e-9
    assert probability[~inside].max(initial=0) <= dice / 2 + 1e-9
    assert probability[~inside].max(initial=0) <= 0.5


def test_without_probability_nothing_joins() -> None:
    assert threshold_for_dice(np.zeros((2, 3, 4), np.float32)) == math.inf


def test_an_uncertain_border_joins_a_certain_core() -> None:
    """27 certain voxels, 98 of 0.46: a Dice of 2 x 72.1 / (125 + 72.3) = 0.73, and 0.46 > 0.37."""
    probability = np.zeros((9, 9, 9), np.float32)
    probability[2:7, 2:7, 2:7] = 0.46
    probability[3:6, 3:6, 3:6] = 1.0
    probability[8, 8, 8] = 0.2
    labels = np.where(probability > 0.5, ET, 0).astype(np.uint8)
    rule = rule_from({"kind": "add-for-dice", "label": "ET"}, GLI)
    assert rule == AddForDice("ET")
    after = apply_rules(
        labels, [rule], GLI, (1, 1, 1), EnsembleMaps(lambda names: probability)
    ).labels
    np.testing.assert_array_equal(after == ET, probability > 0.4)


def test_it_is_skipped_without_probabilities() -> None:
    labels = np.zeros((3, 3, 3), np.uint8)
    (row,) = apply_rules(labels, [AddForDice("ET")], GLI, (1, 1, 1)).applied
    assert row["kind"] == "add-for-dice" and row["skipped"] == "no probabilities"


def test_what_joins_a_region_has_to_be_named() -> None:
    with pytest.raises(ValueError, match="becomes is missing"):
        rule_from({"kind": "add-for-dice", "region": "TC"}, GLI)
